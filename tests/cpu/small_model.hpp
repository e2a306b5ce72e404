// A small transformer as a training step: embedding, blocks of attention and relu^2 MLP with residuals, tied head,
// loss, gradients, momentum update. For tests and benchmarks.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "core/graph/gradient.hpp"
#include "core/graph/graph.hpp"
#include "core/graph/narrow.hpp"
#include "core/graph/passes.hpp"
#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {

struct ModelSizes {
  std::int64_t batch = 2, context = 8, dim = 16, heads = 4, kv_heads = 2, vocab = 32, layers = 2,
               hidden = 4;  // hidden: times dim
};

class SmallModel {
 public:
  explicit SmallModel(const ModelSizes& sizes) : n_(sizes) {}

  // Inputs "tokens", "targets", "rate"; outputs "loss" and "nll"; every parameter p has a state "momentum/p".
  Result<graph::Graph> training_step() {
    graph_ = graph::Graph();
    const graph::Value loss = build_loss();
    graph_.output("loss", loss);
    Result<graph::Graph> fused = graph::fuse_linear_cross_entropy(graph_);
    if (!fused) return fused.error();
    graph_ = std::move(*fused);
    graph::Value total = 0;
    for (const graph::Output& output : graph_.outputs()) {
      if (output.name == "loss") total = output.value;
    }
    add_updates(total);
    if (auto good = graph_.status(); !good) return good.error();
    return std::move(graph_);
  }

  // The output "nll" of the last `positions` of every row and nothing else, as scoring asks for it.
  Result<graph::Graph> scores(std::int64_t positions) {
    graph_ = graph::Graph();
    build_loss();
    const Value nll = graph_.outputs().front().value;
    graph_.drop_outputs_and_updates();
    graph_.output("nll", graph_.emit(Op::slice, {nll}, Attributes().set("starts", List{0, n_.context - positions})
                                                           .set("sizes", List{n_.batch, positions})));
    if (auto good = graph_.status(); !good) return good.error();
    const Result<graph::Graph> fused = graph::fuse_linear_cross_entropy(graph_);
    if (!fused) return fused.error();
    return graph::narrow(*fused);
  }

 private:
  using Value = graph::Value;
  using Op = graph::Op;
  using Attributes = graph::Attributes;
  using List = std::vector<std::int64_t>;

  Value parameter(const std::string& name, const graph::Shape& shape) {
    return graph_.leaf(graph::LeafKind::parameter, name, graph::DType::f32, shape);
  }
  Value number(double value) {
    return graph_.emit(Op::constant, {}, Attributes().set("values", std::vector<double>{value}).set("shape", List{}));
  }
  Value linear(Value x, const std::string& name, std::int64_t out, std::int64_t in) {
    return graph_.emit(Op::linear, {x, parameter(name, {out, in})});
  }
  Value reshape(Value x, List shape) {
    return graph_.emit(Op::reshape, {x}, Attributes().set("shape", std::move(shape)));
  }
  Value mean(Value x) {
    const auto count = static_cast<double>(graph_.shape(x).elements());
    return graph_.emit(Op::mul, {graph_.emit(Op::reduce_sum, {x}), number(1 / count)});
  }

  Value attention(Value x, const std::string& at, Value cosine, Value sine) {
    const std::int64_t size = n_.dim / n_.heads;
    const auto heads = [&](const char* name, std::int64_t count) {
      return reshape(linear(x, at + name, count * size, n_.dim), {n_.batch, n_.context, count, size});
    };
    const Value q = graph_.emit(Op::rope, {graph_.emit(Op::rms_norm, {heads(".q", n_.heads)}), cosine, sine});
    const Value k = graph_.emit(Op::rope, {graph_.emit(Op::rms_norm, {heads(".k", n_.kv_heads)}), cosine, sine});
    const Value y = graph_.emit(Op::attention, {q, k, heads(".v", n_.kv_heads)},
                                Attributes().set("scale", 1 / std::sqrt(static_cast<double>(size))));
    return linear(reshape(y, {n_.batch, n_.context, n_.dim}), at + ".out", n_.dim, n_.dim);
  }

  Value mlp(Value x, const std::string& at) {
    const std::int64_t wide = n_.hidden * n_.dim;
    const Value up = linear(x, at + ".up", wide, n_.dim);
    const Value act = graph_.emit(Op::max, {up, number(0)});
    return linear(graph_.emit(Op::mul, {act, act}), at + ".down", n_.dim, wide);
  }

  Value build_loss() {
    const Value tokens = graph_.leaf(graph::LeafKind::input, "tokens", graph::DType::i32, {n_.batch, n_.context});
    const Value targets = graph_.leaf(graph::LeafKind::input, "targets", graph::DType::i32, {n_.batch, n_.context});
    const Value embedding = parameter("embedding", {n_.vocab, n_.dim});
    const std::int64_t pairs = n_.dim / n_.heads / 2;
    const Value time =
        graph_.emit(Op::iota, {}, Attributes().set("shape", List{n_.context, 1}).set("axis", std::int64_t{0}));
    const Value channel =
        graph_.emit(Op::iota, {}, Attributes().set("shape", List{1, pairs}).set("axis", std::int64_t{1}));
    const Value angle = graph_.emit(
        Op::mul,
        {time, graph_.emit(Op::exp, {graph_.emit(Op::mul, {channel, number(-9.2 / static_cast<double>(pairs))})})});
    const Value cosine = graph_.emit(Op::cos, {angle});
    const Value sine = graph_.emit(Op::sin, {angle});
    Value x = graph_.emit(Op::gather, {embedding, tokens});
    for (std::int64_t layer = 0; layer < n_.layers; ++layer) {
      const std::string at = "blocks." + std::to_string(layer);
      graph_.push_scope(at);
      const Value a = attention(graph_.emit(Op::rms_norm, {x}), at + ".attn", cosine, sine);
      x = graph_.emit(Op::add, {x, graph_.emit(Op::mul, {a, parameter(at + ".attn.scale", {n_.dim})})});
      const Value m = mlp(graph_.emit(Op::rms_norm, {x}), at + ".mlp");
      x = graph_.emit(Op::add, {x, graph_.emit(Op::mul, {m, parameter(at + ".mlp.scale", {n_.dim})})});
      graph_.pop_scope();
    }
    const Value logits = graph_.emit(Op::linear, {graph_.emit(Op::rms_norm, {x}), embedding});
    const Value nll = graph_.emit(Op::cross_entropy, {logits, targets});
    graph_.output("nll", nll);
    return mean(nll);
  }

  // m <- 0.9 m + g; p <- p - rate m.
  void add_updates(Value loss) {
    const Value rate = graph_.leaf(graph::LeafKind::input, "rate", graph::DType::f32, {});
    std::vector<graph::Leaf> parameters;
    std::vector<Value> wanted;
    for (const graph::Leaf& leaf : graph_.leaves()) {
      if (leaf.kind != graph::LeafKind::parameter) continue;
      parameters.push_back(leaf);
      wanted.push_back(leaf.value);
    }
    const auto gradients = graph::gradients(graph_, loss, wanted);
    if (!gradients) return graph_.fail(gradients.error());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Value m = graph_.leaf(graph::LeafKind::state, "momentum/" + parameters[i].name, graph::DType::f32,
                                  graph_.shape(wanted[i]));
      const Value next = graph_.emit(Op::add, {graph_.emit(Op::mul, {m, number(0.9)}), (*gradients)[i]});
      graph_.update(m, next);
      graph_.update(wanted[i], graph_.emit(Op::sub, {wanted[i], graph_.emit(Op::mul, {next, rate})}));
    }
  }

  ModelSizes n_;
  graph::Graph graph_;
};

// Leaves of such a step: small weights, tokens of the vocabulary.
inline Contents model_leaves(const Graph& graph, const ModelSizes& n) {
  std::mt19937 random(11);
  Contents leaves;
  for (const graph::Leaf& leaf : graph.leaves()) {
    const std::int64_t count = graph.shape(leaf.value).elements();
    if (graph.dtype(leaf.value) == DType::i32) {
      leaves[leaf.name] = random_ints(random, count, 0, static_cast<std::int32_t>(n.vocab - 1));
    } else if (leaf.name == "rate") {
      leaves[leaf.name] = words_of(std::vector<float>{0.05F});
    } else {
      leaves[leaf.name] = random_floats(random, count, -0.4F, 0.4F);
    }
  }
  return leaves;
}

}  // namespace caddie::cpu::testing
