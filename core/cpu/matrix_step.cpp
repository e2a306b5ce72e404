// dot and linear as matrix products. Operands are read where they stand: their batch, free and contracted axes are
// joined to one axis each where strides allow it; transpositions become a flag.
#include <optional>
#include <vector>

#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/graph/contraction.hpp"

namespace caddie::cpu {

using graph::AxisList;
using graph::Contraction;
using graph::contraction_of;
using graph::Graph;
using graph::joined;
using graph::Line;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

// Products of few operations are dealt whole to threads.
constexpr double kSmallProduct = 4e6;

// The matrix [rows, columns] as the kernel reads it.
std::optional<Operand> operand_of(const Line& rows, const Line& columns) {
  const auto fits = [](const Line& side_by_side, const Line& apart) {
    return (side_by_side.stride == 1 || side_by_side.length == 1) && (apart.stride >= 0);
  };
  if (fits(columns, rows)) return Operand{nullptr, rows.length == 1 ? columns.length : rows.stride, false, 0};
  if (fits(rows, columns)) return Operand{nullptr, columns.length == 1 ? rows.length : columns.stride, true, 0};
  return std::nullopt;
}

struct Side {
  Line free, contract;
};

std::optional<Side> side_of(const View& view, const Contraction& c, std::size_t side) {
  if (view.bounded) return std::nullopt;
  for (const std::int64_t axis : c.batch[side]) {
    if (view.strides[static_cast<std::size_t>(axis)] < 0) return std::nullopt;
  }
  const auto free = joined(view, c.free[side]);
  const auto contract = joined(view, c.contract[side]);
  if (!free || !contract) return std::nullopt;
  if (!operand_of(*free, *contract)) return std::nullopt;
  return Side{*free, *contract};
}

bool reads_view(const Graph& graph, const Node& node, std::size_t input, const View& view) {
  return side_of(view, contraction_of(graph, node), input).has_value();
}

Activation activation_of(graph::Activation activation) {
  switch (activation) {
    case graph::Activation::relu: return Activation::relu;
    case graph::Activation::gelu: return Activation::gelu;
    case graph::Activation::squared_relu: return Activation::squared_relu;
    default: return Activation::none;
  }
}

class MatrixStep final : public CpuStep {
 public:
  MatrixStep(const CompileInput& input, const graph::Step& step)
      : a_(step.inputs[0]), b_(step.inputs[1]), threads_(input.threads) {
    const Node& node = input.graph.nodes()[step.node];
    value_ = node.first_output;
    if (step.epilogue) set_epilogue(*step.epilogue);
    const Contraction c = contraction_of(input.graph, node);
    const Side left = *side_of(a_, c, 0);
    const Side right = *side_of(b_, c, 1);
    product_.factors = input.factors;
    product_.m = left.free.length;
    product_.n = right.free.length;
    product_.k = left.contract.length;
    product_.a = *operand_of(left.free, left.contract);
    product_.b = *operand_of(right.contract, right.free);
    product_.ldc = product_.n;
    product_.c_batch_stride = product_.m * product_.n;
    set_batches(c);
    narrow_a_ = input.narrow[a_.base];
    narrow_b_ = input.narrow[b_.base];
    narrow_c_ = input.narrow[value_];
    narrow_before_ = before_ != 0 && input.narrow[before_];
    narrow_slope_ = slope_at_.base != 0 && input.narrow[slope_at_.base];
    bytes_ = bytes_of_all(input, step);
    if (input.steady[b_.base] && starts_.size() == 1 && product_.batch == 1) {
      packed_bytes_ = packed_b_bytes(product_.factors, product_.k, product_.n);
      static constexpr float kPacked = 0;  // only whether there is some counts for the workspace
      product_.packed_b = &kPacked;
    }
    workspace_ = round_to_line(gemm_workspace_bytes(product_, threads_));
    dealt_ = starts_.size() > 1 && flops_of_one() < kSmallProduct;
  }

  void run(const RunContext& context) const override {
    const auto one = [&](std::int64_t index, std::byte* workspace) {
      Gemm product = product_;
      const Start& start = starts_[static_cast<std::size_t>(index)];
      read(context, a_, narrow_a_, start.a, product.a);
      read(context, b_, narrow_b_, start.b, product.b);
      if (narrow_c_) {
        product.narrow_c = context.write_narrow(value_) + start.c;
      } else {
        product.c = context.write(value_) + start.c;
      }
      product.accumulate = context.accumulate;
      if (has_epilogue_) set_memory(context, start.c, product);
      if (packed_bytes_ > 0) product.packed_b = reinterpret_cast<const float*>(context.prepared);
      gemm(product, context.pool, workspace);
    };
    const auto count = static_cast<std::int64_t>(starts_.size());
    if (dealt_) {
      context.pool.run(count, [&](std::int64_t index, int thread) {
        one(index, context.scratch + static_cast<std::size_t>(thread) * workspace_);
      });
    } else {
      for (std::int64_t index = 0; index < count; ++index) one(index, context.scratch);
    }
  }

  [[nodiscard]] bool can_accumulate() const override { return !has_epilogue_; }

  void prepare(const RunContext& context) const override {
    Operand b = product_.b;
    read(context, b_, narrow_b_, starts_[0].b, b);
    pack_b(product_.factors, b, product_.k, product_.n, context.pool, reinterpret_cast<float*>(context.prepared));
  }
  [[nodiscard]] std::size_t prepared_bytes() const override { return packed_bytes_; }

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return dealt_ ? workspace_ * static_cast<std::size_t>(threads_) : workspace_;
  }
  [[nodiscard]] StepCost cost() const override {
    return {"gemm", flops_of_one() * static_cast<double>(starts_.size()), bytes_};
  }

 private:
  struct Start {  // offsets of one call of the kernel
    std::int64_t a = 0, b = 0, c = 0;
  };

  [[nodiscard]] double flops_of_one() const {
    return 2.0 * static_cast<double>(product_.m) * static_cast<double>(product_.n) * static_cast<double>(product_.k) *
           static_cast<double>(product_.batch);
  }

  static void read(const RunContext& context, const View& view, bool narrow, std::int64_t at, Operand& operand) {
    if (narrow) {
      operand.narrow = context.read_narrow(view.base) + view.offset + at;
    } else {
      operand.data = context.read(view) + at;
    }
  }

  void set_epilogue(const graph::Epilogue& found) {
    has_epilogue_ = true;
    value_ = found.result;
    scale_ = found.scale;
    addend_ = found.addend;
    bias_ = found.bias;
    before_ = found.before;
    slope_at_ = found.slope_at;
    product_.epilogue.alpha = static_cast<float>(found.alpha);
    product_.epilogue.beta = static_cast<float>(found.beta);
    product_.epilogue.activation = activation_of(found.activation);
    product_.epilogue.leak = static_cast<float>(found.leak);
  }
  // Of a call whose result begins at element `at`.
  void set_memory(const RunContext& context, std::int64_t at, Gemm& product) const {
    if (scale_.base != 0) product.epilogue.alpha = *context.read(scale_);
    if (addend_.base != 0) product.epilogue.addend = context.read(addend_) + at;
    if (bias_.base != 0) product.epilogue.bias = context.read(bias_);
    if (before_ != 0 && narrow_before_) {
      product.epilogue.narrow_before = context.write_narrow(before_) + at;
    } else if (before_ != 0) {
      product.epilogue.before = context.write(before_) + at;
    }
    if (slope_at_.base != 0 && narrow_slope_) {
      product.epilogue.narrow_slope_at = context.read_narrow(slope_at_.base) + slope_at_.offset + at;
    } else if (slope_at_.base != 0) {
      product.epilogue.slope_at = context.read(slope_at_) + at;
    }
  }

  // As many of the last batch axes as continue each other in both operands go to the kernel, the others are walked
  // here.
  void set_batches(const Contraction& c) {
    std::size_t walked = c.batch[0].size();
    AxisList inner_a, inner_b;
    while (walked > 0) {
      AxisList more_a = inner_a;
      AxisList more_b = inner_b;
      more_a.insert(more_a.begin(), c.batch[0][walked - 1]);
      more_b.insert(more_b.begin(), c.batch[1][walked - 1]);
      if (!joined(a_, more_a) || !joined(b_, more_b)) break;
      inner_a = std::move(more_a);
      inner_b = std::move(more_b);
      --walked;
    }
    std::int64_t batch = 1;
    for (const std::int64_t axis : inner_a) batch *= a_.shape[static_cast<int>(axis)];
    product_.batch = batch;
    product_.a.batch_stride = joined(a_, inner_a)->stride;
    product_.b.batch_stride = joined(b_, inner_b)->stride;
    starts_.assign(1, Start{});
    for (std::size_t i = 0; i < walked; ++i) {
      const auto axis_a = static_cast<std::size_t>(c.batch[0][i]);
      const auto axis_b = static_cast<std::size_t>(c.batch[1][i]);
      std::vector<Start> more;
      for (const Start& start : starts_) {
        for (std::int64_t index = 0; index < a_.shape[static_cast<int>(axis_a)]; ++index) {
          more.push_back({start.a + index * a_.strides[axis_a], start.b + index * b_.strides[axis_b], 0});
        }
      }
      starts_ = std::move(more);
    }
    for (std::size_t i = 0; i < starts_.size(); ++i)
      starts_[i].c = static_cast<std::int64_t>(i) * batch * product_.c_batch_stride;
  }

  View a_, b_;
  View scale_{}, addend_{}, bias_{}, slope_at_{};  // of the epilogue; base 0: none
  graph::Value value_ = 0;            // the result
  graph::Value before_ = 0;
  bool has_epilogue_ = false;
  bool narrow_a_ = false, narrow_b_ = false, narrow_c_ = false, narrow_before_ = false;
  bool narrow_slope_ = false;
  int threads_;
  Gemm product_{};
  std::vector<Start> starts_;
  std::size_t workspace_ = 0;
  std::size_t packed_bytes_ = 0;
  bool dealt_ = false;
  double bytes_ = 0;
};

}  // namespace

// An addend in place is scaled by beta / alpha: no product that is multiplied by 0, or by what only the run knows.
bool product_takes(const graph::Epilogue& epilogue) {
  return epilogue.alpha != 0 && (epilogue.scale.base == 0 || epilogue.addend.base == 0);
}

const NodeKernel* matrix_kernel(Op op) {
  static const NodeKernel kernel{{nullptr, reads_view, -1},
                                 [](const CompileInput& input, const graph::Step& step) -> CpuStepPtr {
                                   return std::make_unique<MatrixStep>(input, step);
                                 }};
  return op == Op::dot || op == Op::linear ? &kernel : nullptr;
}

}  // namespace caddie::cpu
