// Random small graphs: elementwise, broadcasts, movement, reductions, products, updates.
#pragma once

#include <algorithm>
#include <random>

#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {

class Generator {
  using Attributes = graph::Attributes;
  using LeafKind = graph::LeafKind;
  using Op = graph::Op;

 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  Graph make() {
    const int leaves = pick(2, 5);
    for (int i = 0; i < leaves; ++i) {
      const LeafKind kind = i % 2 == 0 ? LeafKind::input : LeafKind::state;
      add(graph_.leaf(kind, "leaf" + std::to_string(i), DType::f32, random_shape()));
    }
    const int nodes = pick(4, 40);
    for (int i = 0; i < nodes; ++i) grow();
    const int outputs = pick(1, 4);
    for (int i = 0; i < outputs; ++i) graph_.output("out" + std::to_string(i), any());
    graph_.output("last", values_.back());
    add_updates();
    EXPECT_TRUE(graph_.status()) << graph_.status().error().message();
    return std::move(graph_);
  }

 private:
  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  Value any() { return values_[static_cast<std::size_t>(pick(0, static_cast<int>(values_.size()) - 1))]; }
  void add(Value value) {
    ASSERT_NE(value, 0U) << graph_.status().error().message();
    if (graph_.shape(value).elements() <= 20000) values_.push_back(value);
  }
  const Shape& shape(Value value) { return graph_.shape(value); }

  Shape random_shape() {
    static const std::int64_t lengths[] = {1, 2, 3, 5, 8, 17, 32};
    Shape out;
    const int rank = pick(0, 4);
    for (int i = 0; i < rank; ++i) out.append(lengths[pick(0, 6)]);
    return out;
  }

  // Keeps magnitudes moderate, so that differences in rounding stay small.
  Value tame(Value x) { return graph_.emit(Op::tanh, {x}); }

  void grow() {
    switch (pick(0, 11)) {
      case 0:
      case 1: return add(unary(any()));
      case 2:
      case 3:
      case 4: return add(binary());
      case 5: return add(reduce(any()));
      case 6:
      case 7:
      case 8: return add(move(any()));
      case 9: return add(product(any()));
      case 10:
        return add(graph_.emit(Op::where, {graph_.emit(Op::lt, {any_like(), scalar(0.1)}), last_like_, scalar(0.5)}));
      default: return add(concat(any()));
    }
  }

  Value scalar(double value) {
    return graph_.emit(
        Op::constant, {},
        Attributes().set("values", std::vector<double>{value}).set("shape", std::vector<std::int64_t>{}));
  }
  Value any_like() { return last_like_ = any(); }

  Value unary(Value x) {
    static const Op ops[] = {Op::neg, Op::abs, Op::sin, Op::cos, Op::tanh, Op::sigmoid, Op::exp};
    const Op op = ops[pick(0, 6)];
    return op == Op::exp ? graph_.emit(op, {tame(x)}) : graph_.emit(op, {x});
  }

  Value binary() {
    static const Op ops[] = {Op::add, Op::sub, Op::mul, Op::max, Op::min};
    const Op op = ops[pick(0, 4)];
    for (int attempt = 0; attempt < 20; ++attempt) {
      const Value a = any();
      const Value b = any();
      Shape both;
      if (!broadcast_shapes(shape(a), shape(b), both) || both.elements() > 20000 || both.rank() > 6) continue;
      return op == Op::mul ? graph_.emit(op, {tame(a), tame(b)}) : graph_.emit(op, {a, b});
    }
    return graph_.emit(op, {any(), scalar(0.75)});
  }

  Value reduce(Value x) {
    std::vector<std::int64_t> axes;
    for (int axis = 0; axis < shape(x).rank(); ++axis) {
      if (pick(0, 1) == 1) axes.push_back(axis);
    }
    static const Op ops[] = {Op::reduce_sum, Op::reduce_max, Op::reduce_min};
    const Value y =
        graph_.emit(ops[pick(0, 2)], {x}, Attributes().set("axes", axes).set("keep", std::int64_t{pick(0, 1)}));
    return pick(0, 1) == 1 ? tame(y) : y;
  }

  Value move(Value x) {
    const int rank = shape(x).rank();
    std::vector<std::int64_t> all;
    for (int axis = 0; axis < rank; ++axis) all.push_back(axis);
    switch (pick(0, 6)) {
      case 0: {
        std::ranges::shuffle(all, random_);
        return graph_.emit(Op::transpose, {x}, Attributes().set("axes", all));
      }
      case 1: return reshape(x);
      case 2: {
        std::vector<std::int64_t> starts, sizes;
        for (const std::int64_t length : shape(x).lengths()) {
          sizes.push_back(pick(1, static_cast<int>(length)));
          starts.push_back(pick(0, static_cast<int>(length - sizes.back())));
        }
        return graph_.emit(Op::slice, {x}, Attributes().set("starts", starts).set("sizes", sizes));
      }
      case 3: {
        std::vector<std::int64_t> low, high;
        for (int axis = 0; axis < rank; ++axis) {
          low.push_back(pick(0, 2));
          high.push_back(pick(0, 2));
        }
        return graph_.emit(Op::pad, {x}, Attributes().set("low", low).set("high", high).set("value", pick(0, 1) * 0.5));
      }
      case 4: {
        if (rank == 0) return x;
        return graph_.emit(
            Op::reverse, {x},
            Attributes().set("axes", std::vector<std::int64_t>{all[static_cast<std::size_t>(pick(0, rank - 1))]}));
      }
      case 5: {
        if (rank > 5 || shape(x).elements() > 4000) return x;
        std::vector<std::int64_t> to(shape(x).lengths().begin(), shape(x).lengths().end());
        to.insert(to.begin(), pick(1, 4));
        return graph_.emit(Op::broadcast, {x}, Attributes().set("shape", to));
      }
      default: {
        if (rank == 0) return x;
        const auto axis = static_cast<std::int64_t>(pick(0, rank - 1));
        return tame(
            graph_.emit(Op::cumsum, {x}, Attributes().set("axis", axis).set("reverse", std::int64_t{pick(0, 1)})));
      }
    }
  }

  Value reshape(Value x) {
    std::vector<std::int64_t> to;
    std::int64_t left = shape(x).elements();
    for (const std::int64_t factor : {2, 3, 5, 8}) {
      if (left % factor == 0 && pick(0, 1) == 1) {
        to.push_back(factor);
        left /= factor;
      }
    }
    to.insert(to.begin() + pick(0, static_cast<int>(to.size())), left);
    return graph_.emit(Op::reshape, {x}, Attributes().set("shape", to));
  }

  // x times itself over one axis, with or without a batch.
  Value product(Value x) {
    const int rank = shape(x).rank();
    if (rank < 2 || rank > 4 || shape(x).elements() > 2000) return tame(x);
    using List = std::vector<std::int64_t>;
    const std::int64_t contracted = pick(0, rank - 1);
    List batch;
    if (rank > 2 && pick(0, 1) == 1) batch.push_back((contracted + 1) % rank);
    const Value other = graph_.emit(Op::sin, {x});
    return tame(graph_.emit(Op::dot, {x, other},
                            Attributes()
                                .set("batch_a", batch)
                                .set("batch_b", batch)
                                .set("contract_a", List{contracted})
                                .set("contract_b", List{contracted})));
  }

  Value concat(Value x) {
    const int rank = shape(x).rank();
    if (rank == 0 || shape(x).elements() > 5000) return x;
    return graph_.emit(Op::concat, {x, unary(x), x}, Attributes().set("axis", std::int64_t{pick(0, rank - 1)}));
  }

  void add_updates() {
    for (const graph::Leaf& leaf : std::vector<graph::Leaf>(graph_.leaves().begin(), graph_.leaves().end())) {
      if (leaf.kind != LeafKind::state) continue;
      std::vector<Value> fitting{leaf.value};
      for (const Value value : values_) {
        if (shape(value) == shape(leaf.value)) fitting.push_back(value);
      }
      Value to = fitting[static_cast<std::size_t>(pick(0, static_cast<int>(fitting.size()) - 1))];
      if (pick(0, 2) > 0) to = graph_.emit(Op::sub, {leaf.value, graph_.emit(Op::mul, {tame(to), scalar(0.3)})});
      graph_.update(leaf.value, to);
    }
  }

  std::mt19937 random_;
  Graph graph_;
  std::vector<Value> values_;
  Value last_like_ = 0;
};

}  // namespace caddie::cpu::testing
