#include "tests/bench/gpt.hpp"

#include <cmath>
#include <cstring>

#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"

namespace caddie::bench {

using graph::Attributes;
using graph::Axes;
using graph::DType;
using graph::Emitter;
using graph::Graph;
using graph::LeafKind;
using graph::Op;
using graph::Shape;
using graph::Value;

namespace {

constexpr GptOptions kOptions;

std::string leaf_name(const GptBank& bank, std::int64_t layer) {
  return bank.stacked ? bank.name + "." + std::to_string(layer) : bank.name;
}

class Builder {
 public:
  explicit Builder(const GptSizes& sizes) : n_(sizes) {}

  Result<Graph> gradient_graph() {
    graph_.output("loss", loss());
    Result<Graph> fused = graph::fuse_linear_cross_entropy(graph_);
    if (!fused) return fused.error();
    graph_ = std::move(*fused);
    std::vector<graph::Leaf> parameters;
    std::vector<Value> wanted;
    for (const graph::Leaf& leaf : graph_.leaves()) {
      if (leaf.kind != LeafKind::parameter) continue;
      parameters.push_back(leaf);
      wanted.push_back(leaf.value);
    }
    const auto gradients = graph::gradients(graph_, graph_.outputs()[0].value, wanted);
    if (!gradients) return gradients.error();
    for (std::size_t i = 0; i < wanted.size(); ++i) graph_.output("gradient/" + parameters[i].name, (*gradients)[i]);
    if (auto good = graph_.status(); !good) return good.error();
    return std::move(graph_);
  }

  Result<Graph> update_graph() {
    const Value corrections = graph_.leaf(LeafKind::input, "corrections", DType::f32, {2});
    const Value first = e_.reshape(e_.slice_axis(corrections, 0, 0, 1), {});
    const Value second = e_.reshape(e_.slice_axis(corrections, 0, 1, 1), {});
    for (const GptBank& bank : gpt_banks(n_)) {
      const Shape shape{bank.count * bank.shape.elements()};
      const Value p = graph_.leaf(LeafKind::parameter, bank.name, DType::f32, shape);
      const Value g = graph_.leaf(LeafKind::input, "gradient/" + bank.name, DType::f32, shape);
      const Value m = graph_.leaf(LeafKind::state, "m/" + bank.name, DType::f32, shape);
      const Value v = graph_.leaf(LeafKind::state, "v/" + bank.name, DType::f32, shape);
      const Value new_m = e_.add(e_.scale(m, kOptions.beta1), e_.scale(g, 1 - kOptions.beta1));
      const Value new_v = e_.add(e_.scale(v, kOptions.beta2), e_.scale(e_.mul(g, g), 1 - kOptions.beta2));
      const Value size = e_.add(e_.op(Op::sqrt, e_.mul(new_v, second)), e_.scalar(kOptions.epsilon));
      const Value step = e_.add(e_.div(e_.mul(new_m, first), size), e_.scale(p, kOptions.decay));
      graph_.update(m, new_m);
      graph_.update(v, new_v);
      graph_.update(p, e_.sub(p, e_.scale(step, kOptions.rate)));
    }
    if (auto good = graph_.status(); !good) return good.error();
    return std::move(graph_);
  }

 private:
  Value parameter(const std::string& name, const Shape& shape) {
    return graph_.leaf(LeafKind::parameter, name, DType::f32, shape);
  }
  Value norm(Value x, const std::string& name, const std::string& at) {
    const Value weight = parameter(name + "w" + at, {n_.dim});
    return graph_.emit(Op::layer_norm, {x, weight, parameter(name + "b" + at, {n_.dim})});
  }
  Value linear(Value x, const std::string& name, const std::string& at, std::int64_t out, std::int64_t in) {
    const Value y = graph_.emit(Op::linear, {x, parameter(name + "w" + at, {out, in})});
    return e_.add(y, parameter(name + "b" + at, {out}));
  }
  Value gelu(Value x) {
    const Value cube = e_.mul(e_.mul(x, x), x);
    const Value inner = e_.scale(e_.add(x, e_.scale(cube, 0.044715)), std::sqrt(2 / std::acos(-1.0)));
    return e_.mul(e_.scale(x, 0.5), e_.add(e_.op(Op::tanh, inner), e_.scalar(1)));
  }
  Value attention(Value x, const std::string& at) {
    const std::int64_t size = n_.dim / n_.heads;
    const Value qkv = linear(x, "qkv", at, 3 * n_.dim, n_.dim);
    Value parts[3];
    for (int i = 0; i < 3; ++i) {
      parts[i] = e_.reshape(e_.slice_axis(qkv, 2, i * n_.dim, n_.dim), {n_.batch, n_.context, n_.heads, size});
    }
    const Value y = graph_.emit(Op::attention, {parts[0], parts[1], parts[2]},
                                Attributes().set("scale", 1 / std::sqrt(static_cast<double>(size))));
    return linear(e_.reshape(y, {n_.batch, n_.context, n_.dim}), "attproj", at, n_.dim, n_.dim);
  }
  Value loss() {
    const Value tokens = graph_.leaf(LeafKind::input, "tokens", DType::i32, {n_.batch, n_.context});
    const Value targets = graph_.leaf(LeafKind::input, "targets", DType::i32, {n_.batch, n_.context});
    const Value embedding = parameter("wte", {n_.vocab, n_.dim});
    Value x = e_.add(graph_.emit(Op::gather, {embedding, tokens}), parameter("wpe", {n_.context, n_.dim}));
    for (std::int64_t layer = 0; layer < n_.layers; ++layer) {
      const std::string at = "." + std::to_string(layer);
      graph_.push_scope("blocks" + at);
      x = e_.add(x, attention(norm(x, "ln1", at), at));
      const Value up = gelu(linear(norm(x, "ln2", at), "fc", at, 4 * n_.dim, n_.dim));
      x = e_.add(x, linear(up, "fcproj", at, n_.dim, 4 * n_.dim));
      graph_.pop_scope();
    }
    const Value logits = graph_.emit(Op::linear, {norm(x, "lnf", ""), embedding});
    const Value nll = graph_.emit(Op::cross_entropy, {logits, targets});
    return e_.scale(e_.reduce(Op::reduce_sum, nll, {}, false), 1.0 / static_cast<double>(n_.batch * n_.context));
  }

  GptSizes n_;
  Graph graph_;
  Emitter e_{graph_};
};

// Uniform in [0, 1) from a counter.
double noise(std::uint64_t counter) {
  std::uint64_t z = (counter + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

}  // namespace

std::vector<GptBank> gpt_banks(const GptSizes& n) {
  const std::int64_t d = n.dim;
  const std::int64_t layers = n.layers;
  const auto stacked = [&](std::string name, Shape shape) { return GptBank{std::move(name), shape, layers, true}; };
  return {{"wte", {n.vocab, d}},        {"wpe", {n.context, d}},      stacked("ln1w", {d}),
          stacked("ln1b", {d}),         stacked("qkvw", {3 * d, d}),  stacked("qkvb", {3 * d}),
          stacked("attprojw", {d, d}),  stacked("attprojb", {d}),     stacked("ln2w", {d}),
          stacked("ln2b", {d}),         stacked("fcw", {4 * d, d}),   stacked("fcb", {4 * d}),
          stacked("fcprojw", {d, 4 * d}), stacked("fcprojb", {d}),    {"lnfw", {d}},
          {"lnfb", {d}}};
}

std::vector<float> gpt_weights(const GptSizes& sizes) {
  std::vector<float> all;
  for (const GptBank& bank : gpt_banks(sizes)) {
    const bool is_norm_weight = bank.name.starts_with("ln") && bank.name.ends_with("w");
    const bool is_zero = bank.shape.rank() == 1 && !is_norm_weight;
    for (std::int64_t i = 0; i < bank.count * bank.shape.elements(); ++i) {
      const double random = (noise(all.size()) - 0.5) * 2 * 0.035;
      all.push_back(is_norm_weight ? 1.0F : is_zero ? 0.0F : static_cast<float>(random));
    }
  }
  return all;
}

std::vector<std::int32_t> gpt_tokens(const GptSizes& n, std::int64_t batches) {
  std::vector<std::int32_t> all;
  std::uint64_t counter = std::uint64_t{1} << 40;
  std::int64_t token = 0;
  for (std::int64_t i = 0; i < batches * n.batch * (n.context + 1); ++i) {
    all.push_back(static_cast<std::int32_t>(token));
    const bool surprise = noise(counter++) < 0.25;
    token = surprise ? static_cast<std::int64_t>(noise(counter++) * static_cast<double>(n.vocab))
                     : (token * 37 + 11) % n.vocab;
  }
  return all;
}

double gpt_flops_per_token(const GptSizes& n) {
  const auto d = static_cast<double>(n.dim);
  const double weights = static_cast<double>(n.layers) * 12 * d * d + d * static_cast<double>(n.vocab);
  return 6 * weights + static_cast<double>(n.layers) * 6 * static_cast<double>(n.context + 1) * d;
}

Result<Graph> gpt_gradient_graph(const GptSizes& sizes) { return Builder(sizes).gradient_graph(); }

Result<Graph> gpt_update_graph(const GptSizes& sizes) { return Builder(sizes).update_graph(); }

Result<graph::BufferPtr> GptTrainer::bound(graph::Program& program, const std::string& name, std::size_t floats) {
  auto buffer = executor_->allocate(floats * sizeof(float));
  if (!buffer) return buffer.error();
  if (auto done = program.bind(name, {*buffer, 0}); !done) return done.error();
  return buffer;
}

Result<std::unique_ptr<GptTrainer>> GptTrainer::make(graph::Executor& executor, const GptSizes& sizes,
                                                     const std::vector<float>& weights) {
  std::unique_ptr<GptTrainer> self(new GptTrainer(sizes));
  self->executor_ = &executor;
  const auto gradient_graph = gpt_gradient_graph(sizes);
  if (!gradient_graph) return gradient_graph.error();
  const auto update_graph = gpt_update_graph(sizes);
  if (!update_graph) return update_graph.error();
  auto gradients = executor.compile(*gradient_graph);
  if (!gradients) return gradients.error();
  auto update = executor.compile(*update_graph);
  if (!update) return update.error();
  self->gradients_ = std::move(*gradients);
  self->update_ = std::move(*update);
  std::size_t at = 0;
  for (const GptBank& bank : gpt_banks(sizes)) {
    const auto floats = static_cast<std::size_t>(bank.shape.elements());
    const std::size_t all = floats * static_cast<std::size_t>(bank.count);
    for (const char* state : {"m/", "v/"}) {
      if (auto made = self->bound(*self->update_, state + bank.name, all); !made) return made.error();
    }
    const auto values = self->bound(*self->update_, bank.name, all);
    const auto slopes = self->bound(*self->update_, "gradient/" + bank.name, all);
    if (!values) return values.error();
    if (!slopes) return slopes.error();
    if (auto done = executor.upload({*values, 0}, std::as_bytes(std::span(weights).subspan(at, all))); !done) {
      return done.error();
    }
    at += all;
    for (std::int64_t layer = 0; layer < bank.count; ++layer) {
      const std::size_t offset = static_cast<std::size_t>(layer) * floats * sizeof(float);
      const std::string name = leaf_name(bank, layer);
      if (auto done = self->gradients_->bind(name, {*values, offset}); !done) return done.error();
      if (auto done = self->gradients_->bind("gradient/" + name, {*slopes, offset}); !done) return done.error();
    }
  }
  const auto cells = static_cast<std::size_t>(sizes.batch * sizes.context);
  const auto tie = [&](graph::Program& program, const char* name, std::size_t floats,
                       graph::BufferPtr& buffer) -> Result<void> {
    auto made = self->bound(program, name, floats);
    if (!made) return made.error();
    buffer = *made;
    return {};
  };
  if (auto done = tie(*self->gradients_, "tokens", cells, self->tokens_); !done) return done.error();
  if (auto done = tie(*self->gradients_, "targets", cells, self->targets_); !done) return done.error();
  if (auto done = tie(*self->gradients_, "loss", 1, self->loss_); !done) return done.error();
  if (auto done = tie(*self->update_, "corrections", 2, self->corrections_); !done) return done.error();
  return self;
}

Result<float> GptTrainer::step(const std::int32_t* tokens) {
  const auto row = static_cast<std::size_t>(sizes_.context);
  auto* inputs = static_cast<std::int32_t*>(tokens_->host_data());
  auto* targets = static_cast<std::int32_t*>(targets_->host_data());
  for (std::size_t b = 0; b < static_cast<std::size_t>(sizes_.batch); ++b) {
    std::memcpy(inputs + b * row, tokens + b * (row + 1), row * sizeof(std::int32_t));
    std::memcpy(targets + b * row, tokens + b * (row + 1) + 1, row * sizeof(std::int32_t));
  }
  ++steps_;
  auto* corrections = static_cast<float*>(corrections_->host_data());
  corrections[0] = static_cast<float>(1 / (1 - std::pow(kOptions.beta1, static_cast<double>(steps_))));
  corrections[1] = static_cast<float>(1 / (1 - std::pow(kOptions.beta2, static_cast<double>(steps_))));
  const graph::RunKey key{1, 0, static_cast<std::uint64_t>(steps_)};
  if (auto ran = gradients_->run(key); !ran) return ran.error();
  if (auto ran = update_->run(key); !ran) return ran.error();
  return *static_cast<const float*>(loss_->host_data());
}

}  // namespace caddie::bench
