// gather, scatter_add, pick and place. Elements are 4 bytes and moved by their bits; an index outside reads zeros and
// writes nothing.
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/cpu/node_kernels.hpp"
#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::int64_t kElementsPerTask = 16384;
constexpr std::int64_t kMostTasks = 64;
constexpr std::int64_t kColumns = 128;  // of a row of scatter_add that one task adds to

bool inside(std::int32_t index, std::int64_t count) { return index >= 0 && index < count; }

std::int64_t tasks_for(std::int64_t items, std::int64_t elements) {
  return std::min(items, std::clamp<std::int64_t>(elements / kElementsPerTask, 1, kMostTasks));
}

class IndexStep : public CpuStep {
 public:
  IndexStep(const CompileInput& input, const graph::Step& step) : inputs_(step.inputs) {
    const Node& node = input.graph.nodes()[step.node];
    result_ = node.first_output;
    elements_ = input.graph.shape(result_).elements();
    bytes_ = 2 * bytes_of(input.graph, result_);
  }
  [[nodiscard]] StepCost cost() const override { return {"index", 0, bytes_}; }

 protected:
  std::vector<View> inputs_;
  graph::Value result_ = 0;
  std::int64_t elements_ = 0;
  double bytes_ = 0;
};

class GatherStep final : public IndexStep {
 public:
  GatherStep(const CompileInput& input, const graph::Step& step)
      : IndexStep(input, step), rows_(inputs_[0].shape[0]), length_(inputs_[0].shape.elements() / rows_) {}

  void run(const RunContext& context) const override {
    const std::int64_t count = elements_ / length_;
    const std::int64_t tasks = tasks_for(count, elements_);
    const float* table = context.read(inputs_[0]);
    const std::int32_t* index = context.read_i32(inputs_[1]);
    float* out = context.write(result_);
    const std::size_t row_bytes = static_cast<std::size_t>(length_) * sizeof(float);
    context.pool.run(tasks, [&](std::int64_t task) {
      for (std::int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
        if (inside(index[i], rows_)) {
          std::memcpy(out + i * length_, table + index[i] * length_, row_bytes);
        } else {
          std::memset(out + i * length_, 0, row_bytes);
        }
      }
    });
  }

 private:
  std::int64_t rows_;
  std::int64_t length_;
};

// Every task owns a range of columns, or of rows where rows are short, and goes through all indices in order.
class ScatterAddStep final : public IndexStep {
 public:
  ScatterAddStep(const CompileInput& input, const graph::Step& step)
      : IndexStep(input, step), rows_(inputs_[0].shape[0]), length_(inputs_[0].shape.elements() / rows_),
        count_(inputs_[1].shape.elements()), by_columns_(length_ >= 2 * kColumns),
        function_(strip_reduction(input.graph.dtype(result_) == graph::DType::f32 ? Reduce::sum : Reduce::sum_i32)) {}

  void run(const RunContext& context) const override {
    const std::int64_t owned = by_columns_ ? (length_ + kColumns - 1) / kColumns : rows_;
    const std::int64_t tasks = by_columns_ ? owned : tasks_for(rows_, elements_);
    context.pool.run(tasks, [&](std::int64_t task) {
      const std::int64_t begin = owned * task / tasks;
      const std::int64_t end = owned * (task + 1) / tasks;
      if (by_columns_) {
        add(context, 0, rows_, begin * kColumns, std::min(end * kColumns, length_));
      } else {
        add(context, begin, end, 0, length_);
      }
    });
  }

 private:
  void add(const RunContext& context, std::int64_t row_begin, std::int64_t row_end, std::int64_t column,
           std::int64_t column_end) const {
    const float* base = context.read(inputs_[0]);
    const std::int32_t* index = context.read_i32(inputs_[1]);
    const float* update = context.read(inputs_[2]) + column;
    float* out = context.write(result_);
    const std::int64_t width = column_end - column;
    const bool splat = inputs_[0].is_splat() && !inputs_[0].is_dense();
    for (std::int64_t row = row_begin; row < row_end; ++row) {
      float* target = out + row * length_ + column;
      if (splat) {
        fill_strip(target, *base, width);
      } else if (base != out) {
        std::memcpy(target, base + row * length_ + column, static_cast<std::size_t>(width) * sizeof(float));
      }
    }
    for (std::int64_t i = 0; i < count_; ++i) {
      if (index[i] < row_begin || index[i] >= row_end) continue;
      function_.accumulate(out + index[i] * length_ + column, update + i * length_, width);
    }
  }

  std::int64_t rows_;
  std::int64_t length_;
  std::int64_t count_;
  bool by_columns_;
  StripReduction function_;
};

class PickStep final : public IndexStep {
 public:
  using IndexStep::IndexStep;
  void run(const RunContext& context) const override {
    const graph::Shape& shape = inputs_[0].shape;
    const std::int64_t length = shape[shape.rank() - 1];
    const float* x = context.read(inputs_[0]);
    const std::int32_t* index = context.read_i32(inputs_[1]);
    float* out = context.write(result_);
    const std::int64_t tasks = tasks_for(elements_, elements_);
    context.pool.run(tasks, [&](std::int64_t task) {
      for (std::int64_t i = elements_ * task / tasks; i < elements_ * (task + 1) / tasks; ++i) {
        out[i] = inside(index[i], length) ? x[i * length + index[i]] : 0.0F;
      }
    });
  }
};

class PlaceStep final : public IndexStep {
 public:
  PlaceStep(const CompileInput& input, const graph::Step& step)
      : IndexStep(input, step), length_(elements_ / inputs_[0].shape.elements()) {}
  void run(const RunContext& context) const override {
    const float* values = context.read(inputs_[0]);
    const std::int64_t step = inputs_[0].is_splat() && !inputs_[0].is_dense() ? 0 : 1;
    const std::int32_t* index = context.read_i32(inputs_[1]);
    float* out = context.write(result_);
    const std::int64_t count = elements_ / length_;
    const std::int64_t tasks = tasks_for(count, elements_);
    context.pool.run(tasks, [&](std::int64_t task) {
      for (std::int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
        std::memset(out + i * length_, 0, static_cast<std::size_t>(length_) * sizeof(float));
        if (inside(index[i], length_)) out[i * length_ + index[i]] = values[i * step];
      }
    });
  }

 private:
  std::int64_t length_;
};

template <class Step>
CpuStepPtr make(const CompileInput& input, const graph::Step& step) {
  return std::make_unique<Step>(input, step);
}

bool first_may_be_splat(const Graph&, const Node&, std::size_t input, const View& view) {
  return view.is_dense() || (input == 0 && view.is_splat());
}

}  // namespace

const NodeKernel* index_kernel(Op op) {
  static const NodeKernel gather{{nullptr, nullptr, -1}, make<GatherStep>};
  static const NodeKernel scatter_add{{nullptr, first_may_be_splat, 0}, make<ScatterAddStep>};
  static const NodeKernel pick{{nullptr, nullptr, -1}, make<PickStep>};
  static const NodeKernel place{{nullptr, first_may_be_splat, -1}, make<PlaceStep>};
  switch (op) {
    case Op::gather: return &gather;
    case Op::scatter_add: return &scatter_add;
    case Op::pick: return &pick;
    case Op::place: return &place;
    default: return nullptr;
  }
}

}  // namespace caddie::cpu
