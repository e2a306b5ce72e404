// dot and linear as matrix products. Operands are read where they stand: their batch, free and contracted axes are
// joined to one axis each where strides allow it. Products that cuBLASLt does well go there, the others to a kernel of
// our own that takes any strides. What the library does not take of an epilogue is done in place behind it.
#include <algorithm>
#include <optional>
#include <vector>

#include "core/cuda/epilogue_step.hpp"
#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"
#include "core/graph/contraction.hpp"

namespace caddie::cuda {

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

constexpr std::int64_t kLeastLength = 16;   // of m, n and k for the library
constexpr std::size_t kMostCalls = 32;      // of the library for one product with batches that do not join
constexpr std::size_t kKernelBatches = 3;   // batch axes of our own kernel

bool reads_view(const Graph& graph, const Node& node, std::size_t input, const View& view) {
  if (view.bounded) return false;
  const Contraction c = contraction_of(graph, node);
  return joined(view, c.free[input]) && joined(view, c.contract[input]);
}

struct Batch {  // one batch axis of both operands
  std::int64_t length = 1;
  std::int64_t stride[2] = {0, 0};
};

// Batch axes with neighbours that continue each other in both operands joined, outermost first.
std::vector<Batch> batches_of(const View& a, const View& b, const Contraction& c) {
  std::vector<Batch> out;
  for (std::size_t i = 0; i < c.batch[0].size(); ++i) {
    const auto at_a = static_cast<std::size_t>(c.batch[0][i]);
    const auto at_b = static_cast<std::size_t>(c.batch[1][i]);
    const Batch next{a.shape[static_cast<int>(at_a)], {a.strides[at_a], b.strides[at_b]}};
    if (next.length == 1) continue;
    if (!out.empty() && out.back().stride[0] == next.stride[0] * next.length &&
        out.back().stride[1] == next.stride[1] * next.length) {
      out.back() = {out.back().length * next.length, {next.stride[0], next.stride[1]}};
    } else {
      out.push_back(next);
    }
  }
  return out;
}

class MatrixStep {
 public:
  MatrixStep(const CompileInput& input, const graph::Step& graph_step)
      : input_(input), node_(input.graph.nodes()[graph_step.node]), views_(graph_step.inputs),
        epilogue_(input, graph_step) {
    const Contraction c = contraction_of(input.graph, node_);
    for (const std::size_t side : {0U, 1U}) {
      free_[side] = *joined(views_[side], c.free[side]);
      contract_[side] = *joined(views_[side], c.contract[side]);
    }
    batches_ = batches_of(views_[0], views_[1], c);
    for (const Batch& batch : batches_) batch_ *= batch.length;
  }

  CudaStep make() {
    const std::int64_t m = free_[0].length, n = free_[1].length, k = contract_[0].length;
    const std::size_t outer = batches_.empty() ? 0 : batches_.size() - 1;
    if (fits_library(m, n, k, outer)) {
      const EpilogueStep::Parts parts = epilogue_.library_parts(product());
      walk(outer, [&](std::int64_t a, std::int64_t b, std::int64_t c) { add_call(parts, a, b, c); });
      epilogue_.add_rest(step_, parts, n);
    } else {
      const std::size_t walked = batches_.size() > kKernelBatches ? batches_.size() - kKernelBatches : 0;
      walk(walked, [&](std::int64_t a, std::int64_t b, std::int64_t c) { add_launch(walked, a, b, c); });
    }
    const double read = static_cast<double>(batch_ * m * k * (narrow(0) ? 2 : 4)) +
                        static_cast<double>(batch_ * n * k * (narrow(1) ? 2 : 4));
    step_.cost = {"gemm", 2.0 * static_cast<double>(batch_ * m) * static_cast<double>(n * k), read + epilogue_.bytes()};
    return std::move(step_);
  }

 private:
  [[nodiscard]] bool narrow(std::size_t side) const {
    return input_.narrow_products || input_.is_narrow(views_[side].base);
  }
  [[nodiscard]] Place place(std::size_t side, std::int64_t elements) const {
    const View& view = views_[side];
    if (input_.narrow_products && !input_.is_narrow(view.base)) {
      return {Space::shadow, view.base, (view.offset + elements) * 2};
    }
    return input_.place(view).behind(elements * input_.width(view.base));
  }
  [[nodiscard]] Place result(std::int64_t elements) const {
    return input_.place(epilogue_.result()).behind(elements * input_.width(epilogue_.result()));
  }

  // Element (row, column) of a side: a is [free, contracted], b [contracted, free].
  [[nodiscard]] MatrixOperand operand(std::size_t side) const {
    const Line& rows = side == 0 ? free_[0] : contract_[1];
    const Line& columns = side == 0 ? contract_[0] : free_[1];
    MatrixOperand out;
    out.row_stride = rows.stride;
    out.column_stride = columns.stride;
    out.batch_stride = batches_.empty() ? 0 : batches_.back().stride[side];
    out.narrow = narrow(side);
    return out;
  }

  [[nodiscard]] bool fits_library(std::int64_t m, std::int64_t n, std::int64_t k, std::size_t outer) const {
    if (std::min({m, n, k}) < kLeastLength) return false;
    std::size_t calls = 1;
    for (std::size_t i = 0; i < outer; ++i) calls *= static_cast<std::size_t>(batches_[i].length);
    if (calls > kMostCalls) return false;
    for (const std::size_t side : {0U, 1U}) {
      const MatrixOperand o = operand(side);
      const std::int64_t rows = side == 0 ? m : k, columns = side == 0 ? k : n;
      const bool by_rows = o.column_stride == 1 && o.row_stride >= columns;
      const bool by_columns = o.row_stride == 1 && o.column_stride >= rows;
      const std::int64_t apart = by_rows ? o.row_stride : o.column_stride;
      const std::int64_t unit = o.narrow ? 8 : 4;  // elements of 16 bytes
      if (!by_rows && !by_columns) return false;
      if (o.batch_stride < 0 || o.batch_stride % unit != 0 || apart % unit != 0) return false;
      if (views_[side].offset % unit != 0) return false;
      for (std::size_t i = 0; i < outer; ++i) {
        if (batches_[i].stride[side] % unit != 0) return false;
      }
    }
    return n % (input_.is_narrow(epilogue_.result()) ? 8 : 4) == 0;
  }

  // Calls body with the offsets of a, b and c for every index over the first `count` batch axes.
  template <class Body>
  void walk(std::size_t count, const Body& body) const {
    std::int64_t total = 1;
    for (std::size_t i = 0; i < count; ++i) total *= batches_[i].length;
    const std::int64_t each = batch_ / total * free_[0].length * free_[1].length;
    for (std::int64_t index = 0; index < total; ++index) {
      std::int64_t offsets[2] = {0, 0};
      std::int64_t left = index;
      for (std::size_t i = count; i-- > 0;) {
        for (const std::size_t side : {0U, 1U}) offsets[side] += left % batches_[i].length * batches_[i].stride[side];
        left /= batches_[i].length;
      }
      body(offsets[0], offsets[1], index * each);
    }
  }

  // One call of the library, without an epilogue.
  [[nodiscard]] Product product() const {
    Product product;
    product.batch = batches_.empty() ? 1 : batches_.back().length;
    product.m = free_[0].length;
    product.n = free_[1].length;
    product.k = contract_[0].length;
    product.a = operand(0);
    product.b = operand(1);
    product.c.row_stride = product.n;
    product.c.batch_stride = product.m * product.n;
    product.c.narrow = input_.is_narrow(epilogue_.result());
    product.a.alignment = product.b.alignment = product.c.alignment = 16;
    return product;
  }

  void add_call(const EpilogueStep::Parts& parts, std::int64_t a, std::int64_t b, std::int64_t c) {
    ProductCommand call{.product = product(), .a = place(0, a), .b = place(1, b), .c = result(c)};
    call.product.a.alignment = alignment_of(call.a);
    call.product.b.alignment = alignment_of(call.b);
    call.product.c.alignment = alignment_of(call.c);
    epilogue_.add_to(call, parts, c);
    step_.commands.push_back(std::move(call));
  }

  void add_launch(std::size_t walked, std::int64_t a, std::int64_t b, std::int64_t c) {
    const std::int64_t m = free_[0].length, n = free_[1].length;
    Batch inner[kKernelBatches];
    const std::size_t used = batches_.size() - walked;
    for (std::size_t i = 0; i < used; ++i) inner[kKernelBatches - used + i] = batches_[walked + i];
    Defines defines;
    defines.set("M", m).set("N", n).set("K", contract_[0].length);
    defines.set("BATCH_1", inner[1].length).set("BATCH_2", inner[2].length);
    for (const std::size_t side : {0U, 1U}) {
      const std::string name = side == 0 ? "A" : "B";
      const MatrixOperand o = operand(side);
      defines.set(name + "_T", o.narrow ? "bf16" : "float");
      defines.set(name + "_ROW", o.row_stride).set(name + "_COLUMN", o.column_stride);
      defines.set(name + "_BATCH_0", inner[0].stride[side]).set(name + "_BATCH_1", inner[1].stride[side]);
      defines.set(name + "_BATCH_2", inner[2].stride[side]);
    }
    defines.set("C_T", input_.type(epilogue_.result()));
    std::vector<Place> places{place(0, a), place(1, b), result(c)};
    epilogue_.define({}, defines, places, c);
    const std::int64_t batch = inner[0].length * inner[1].length * inner[2].length;
    const auto pointers = static_cast<std::uint32_t>(places.size());
    step_.launch({"product", defines.before("product"), pointers, 256, 0, true},
                 batch * ceil_div(m, 32) * ceil_div(n, 32), std::move(places));
  }

  const CompileInput& input_;
  const Node& node_;
  const std::vector<View>& views_;
  EpilogueStep epilogue_;
  Line free_[2], contract_[2];
  std::vector<Batch> batches_;
  std::int64_t batch_ = 1;
  CudaStep step_;
};

}  // namespace

const NodeKernel* matrix_kernel(Op op) {
  static const NodeKernel kernel{
      {nullptr, reads_view, -1},
      [](const CompileInput& input, const graph::Step& step) { return MatrixStep(input, step).make(); }};
  return op == Op::dot || op == Op::linear ? &kernel : nullptr;
}

}  // namespace caddie::cuda
