// Operations along an axis: concat, cumsum, rope.
#include <algorithm>
#include <bit>

#include "core/cpu/kernels/rowwise.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/cpu/strided_reader.hpp"

namespace caddie::cpu {

using graph::DType;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::int64_t kElementsPerTask = 16384;
constexpr std::int64_t kMostTasks = 64;

std::int64_t tasks_for(std::int64_t items, std::int64_t elements) {
  return std::min(items, std::clamp<std::int64_t>(elements / kElementsPerTask, 1, kMostTasks));
}

// Outer indices x inputs: each input gives one stretch of elements in order for every outer index.
class ConcatStep final : public CpuStep {
 public:
  ConcatStep(const CompileInput& input, const graph::Step& step) {
    const Node& node = input.graph.nodes()[step.node];
    result_ = node.first_output;
    const auto axis = static_cast<int>(node.attributes.integer("axis"));
    for (int i = 0; i < axis; ++i) outer_ *= input.graph.shape(result_)[i];
    std::int64_t start = 0;
    for (const View& view : step.inputs) {
      const std::int64_t length = view.shape.elements() / outer_;
      parts_.push_back({StridedReader(view, input.graph.dtype(result_)), start, length});
      start += length;
    }
    row_ = start;
    bytes_ = 2 * bytes_of(input.graph, result_);
  }

  void run(const RunContext& context) const override {
    float* out = context.write(result_);
    const std::int64_t tasks = tasks_for(outer_, outer_ * row_);
    context.pool.run(tasks, [&](std::int64_t task) {
      for (std::int64_t i = outer_ * task / tasks; i < outer_ * (task + 1) / tasks; ++i) {
        for (const Part& part : parts_) {
          part.reader.copy(context.read(part.reader.base()), i * part.length, part.length, out + i * row_ + part.start);
        }
      }
    });
  }
  [[nodiscard]] StepCost cost() const override { return {"copy", 0, bytes_}; }

 private:
  struct Part {
    StridedReader reader;
    std::int64_t start = 0;
    std::int64_t length = 0;
  };
  std::vector<Part> parts_;
  graph::Value result_ = 0;
  std::int64_t outer_ = 1;
  std::int64_t row_ = 0;
  double bytes_ = 0;
};

// f32 sums are carried in double.
class CumsumStep final : public CpuStep {
 public:
  CumsumStep(const CompileInput& input, const graph::Step& step) : input_(step.inputs[0]) {
    const Node& node = input.graph.nodes()[step.node];
    result_ = node.first_output;
    const graph::Shape& shape = input.graph.shape(result_);
    const auto axis = static_cast<int>(node.attributes.integer("axis"));
    length_ = shape[axis];
    for (int i = 0; i < axis; ++i) outer_ *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner_ *= shape[i];
    reverse_ = node.attributes.integer("reverse") != 0;
    real_ = input.graph.dtype(result_) == DType::f32;
    bytes_ = 2 * bytes_of(input.graph, result_);
  }

  void run(const RunContext& context) const override {
    const std::int64_t lines = outer_ * inner_;
    const std::int64_t tasks = tasks_for(lines, lines * length_);
    context.pool.run(tasks, [&](std::int64_t task) {
      for (std::int64_t line = lines * task / tasks; line < lines * (task + 1) / tasks; ++line) {
        const std::int64_t start = line / inner_ * length_ * inner_ + line % inner_;
        if (real_) {
          sum_line<double>(context.read(input_) + start, context.write(result_) + start,
                           [](double sum, float x) { return sum + static_cast<double>(x); });
        } else {
          sum_line<std::uint32_t>(
              context.read_i32(input_) + start, static_cast<std::int32_t*>(context.memory[result_]) + start,
              [](std::uint32_t sum, std::int32_t x) { return sum + static_cast<std::uint32_t>(x); });
        }
      }
    });
  }
  [[nodiscard]] StepCost cost() const override { return {"reduce", bytes_ / 8, bytes_}; }

 private:
  template <class Sum, class Element, class Plus>
  void sum_line(const Element* x, Element* y, Plus plus) const {
    Sum sum = 0;
    for (std::int64_t n = 0; n < length_; ++n) {
      const std::int64_t at = (reverse_ ? length_ - 1 - n : n) * inner_;
      sum = plus(sum, x[at]);
      y[at] = static_cast<Element>(sum);
    }
  }

  View input_;
  graph::Value result_ = 0;
  std::int64_t outer_ = 1, length_ = 1, inner_ = 1;
  bool reverse_ = false;
  bool real_ = true;
  double bytes_ = 0;
};

// x [B,T,H,D], cos and sin [T,P]: (a, b) -> (a cos + b sin, b cos - a sin) for channels j and j + P.
class RopeStep final : public CpuStep {
 public:
  RopeStep(const CompileInput& input, const graph::Step& step)
      : x_(step.inputs[0]), cos_(step.inputs[1]), sin_(step.inputs[2]) {
    const Node& node = input.graph.nodes()[step.node];
    result_ = node.first_output;
    narrow_x_ = input.narrow[x_.base];
    narrow_y_ = input.narrow[result_];
    bytes_ = (1 - (narrow_x_ ? 0.25 : 0) - (narrow_y_ ? 0.25 : 0)) * 2 * bytes_of(input.graph, result_);
  }

  void run(const RunContext& context) const override {
    const std::int64_t length = x_.shape[1];
    const std::int64_t positions = x_.shape[0] * length;
    const std::int64_t tasks = tasks_for(positions, x_.shape.elements());
    context.pool.run(tasks, [&](std::int64_t task) {
      const std::int64_t end = positions * (task + 1) / tasks;
      for (std::int64_t i = positions * task / tasks; i < end;) {  // sequence by sequence
        const std::int64_t count = std::min(end - i, length - i % length);
        turn_heads(context, i / length, i % length, count);
        i += count;
      }
    });
  }
  [[nodiscard]] StepCost cost() const override {
    return {"elementwise", 3 * static_cast<double>(x_.shape.elements()), bytes_};
  }

 private:
  // `count` positions of sequence b, from t on.
  void turn_heads(const RunContext& context, std::int64_t b, std::int64_t t, std::int64_t count) const {
    const Heads heads{x_.shape[2], x_.shape[3], cos_.shape[1]};
    const std::int64_t row = heads.count * heads.dim;
    const std::int64_t from = x_.offset + b * x_.strides[0] + t * x_.strides[1];
    const std::int64_t to = (b * x_.shape[1] + t) * row;
    const Rows x = narrow_x_ ? Rows{nullptr, x_.strides[1], context.read_narrow(x_.base) + from}
                             : Rows{context.read(x_.base) + from, x_.strides[1]};
    const RowsOut y = narrow_y_ ? RowsOut{nullptr, row, context.write_narrow(result_) + to}
                                : RowsOut{context.write(result_) + to, row};
    rope(count, x, x_.strides[2], heads, context.read(cos_) + t * heads.pairs, context.read(sin_) + t * heads.pairs, y);
  }

  View x_, cos_, sin_;
  graph::Value result_ = 0;
  bool narrow_x_ = false, narrow_y_ = false;
  double bytes_ = 0;
};

bool any_view(const Graph&, const Node&, std::size_t, const View&) { return true; }

bool rope_reads_view(const Graph&, const Node&, std::size_t input, const View& view) {
  return view.is_dense() || (input == 0 && !view.bounded && (view.strides[3] == 1 || view.shape[3] == 1));
}

template <class Step>
CpuStepPtr make(const CompileInput& input, const graph::Step& step) {
  return std::make_unique<Step>(input, step);
}

}  // namespace

const NodeKernel* sequence_kernel(Op op) {
  static const NodeKernel concat{{nullptr, any_view, -1}, make<ConcatStep>};
  static const NodeKernel cumsum{{nullptr, nullptr, -1}, make<CumsumStep>};
  static const NodeKernel rope{{nullptr, rope_reads_view, -1}, make<RopeStep>};
  switch (op) {
    case Op::concat: return &concat;
    case Op::cumsum: return &cumsum;
    case Op::rope: return &rope;
    default: return nullptr;
  }
}

}  // namespace caddie::cpu
