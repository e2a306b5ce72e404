#include "core/cuda/codegen/group_code.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/cuda/codegen/group_body.hpp"

namespace caddie::cuda {

using graph::Op;
using graph::ReducedAxis;

namespace {

constexpr std::int64_t kBlock = 256;
constexpr std::int64_t kBlocksWanted = 1024;  // enough for every multiprocessor of a large device
constexpr std::int64_t kColumns = 32;         // threads side by side along kept elements

const char* number_type(std::int64_t elements) { return elements < (std::int64_t{1} << 31) ? "u32" : "u64"; }

// ---- elementwise ----------------------------------------------------------------------------------------------------

void add_elementwise(const CompileInput& input, const graph::FusedGroup& group, const std::string& name,
                     CudaStep& step) {
  const int lanes = GroupBody::lanes_of(group);
  GroupBody body(input, group, lanes);
  const char* type = number_type(group.elements);
  const std::int64_t threads = group.elements / lanes;
  std::string text = fmt::format(
      "extern \"C\" __global__ void KERNEL(const Pointers at) {{\n"
      "  const {0} t = ({0})blockIdx.x * BLOCK + threadIdx.x;\n"
      "  if (t >= {1}) return;\n"
      "  const {0} e = t * {2};\n"
      "{3}  UNROLL\n  for (int j = 0; j < {2}; ++j) {{\n{4}  }}\n{5}}}\n",
      type, threads, lanes, body.loads(), body.members(), body.stores());
  const auto pointers = static_cast<std::uint32_t>(std::max<std::size_t>(body.places().size(), 1));
  step.launch({name, std::move(text), pointers, kBlock, 0, false}, ceil_div(threads, kBlock), body.places());
}

// ---- reductions -----------------------------------------------------------------------------------------------------

struct ReducedSpace {
  std::int64_t kept = 1, reduced = 1;
  std::string kept_offset, reduced_offset;  // expressions of k and r: offsets of elements

  ReducedSpace(const std::vector<ReducedAxis>& axes, const char* type) {
    for (const ReducedAxis& axis : axes) (axis.reduced ? reduced : kept) *= axis.length;
    std::int64_t stride = 1, inner_kept = 1, inner_reduced = 1;
    for (std::size_t i = axes.size(); i-- > 0;) {
      std::string& text = axes[i].reduced ? reduced_offset : kept_offset;
      std::int64_t& inner = axes[i].reduced ? inner_reduced : inner_kept;
      const std::string index = index_code(axes[i].reduced ? "r" : "k", inner, axes[i].length,
                                           axes[i].reduced ? reduced : kept);
      text += fmt::format("{}({})({}) * {}", text.empty() ? "" : " + ", type, index, stride);
      inner *= axes[i].length;
      stride *= axes[i].length;
    }
    if (kept_offset.empty()) kept_offset = "0";
    if (reduced_offset.empty()) reduced_offset = "0";
  }
};

// Folding the elements of one thread, then of a block, then of the blocks that share a result.
class ReductionCode {
 public:
  ReductionCode(const CompileInput& input, const graph::FusedGroup& group, std::string name, CudaStep& step)
      : input_(input), group_(group), name_(std::move(name)), step_(step), lanes_(GroupBody::lanes_of(group)),
        body_(input, group, lanes_), type_(number_type(group.elements)), space_(group.reduction, type_) {}

  void add() {
    if (group_.reduction.back().reduced) {
      add_rows();
    } else {
      add_columns();
    }
    if (parts_ > 1) add_finish();
  }

 private:
  // Where the results of part 0 stand, then those of part 1, ...
  void place_results() {
    for (const GroupReduction& each : body_.reductions()) {
      const Place to = parts_ == 1 ? input_.place(each.value)
                                   : step_.take_scratch(static_cast<std::size_t>(parts_ * space_.kept) * 4);
      partials_.push_back(to);
      results_.push_back(body_.pointer(to));
    }
  }

  [[nodiscard]] std::string accumulators(int count) const {
    std::string out;
    for (std::size_t i = 0; i < body_.reductions().size(); ++i) {
      const GroupReduction& each = body_.reductions()[i];
      out += fmt::format("  {} a{}[{}];\n  for (int j = 0; j < {}; ++j) a{}[j] = {};\n", each.type(), i, count, count,
                         i, each.identity());
    }
    return out;
  }

  [[nodiscard]] std::string folded() const {
    std::string out = body_.members();
    for (std::size_t i = 0; i < body_.reductions().size(); ++i) {
      const GroupReduction& each = body_.reductions()[i];
      out += fmt::format("    a{0}[j] = {1}(a{0}[j], {2});\n", i, each.combine(), each.operand);
    }
    return out;
  }

  [[nodiscard]] std::string element_code() const {
    return fmt::format("  const {} e = kept_at + {};\n{}  UNROLL\n  for (int j = 0; j < {}; ++j) {{\n{}  }}\n{}", type_,
                       space_.reduced_offset, body_.loads(), lanes_, folded(), body_.stores());
  }

  void finish_kernel(std::string text, std::int64_t block, std::int64_t blocks) {
    const auto pointers = static_cast<std::uint32_t>(body_.places().size());
    step_.launch({name_, std::move(text), pointers, static_cast<std::uint32_t>(block), 0, true}, blocks,
                 body_.places());
  }

  // A block owns one result, or a part of it, and runs along the reduced elements.
  void add_rows() {
    const std::int64_t threads = ceil_div(space_.reduced, lanes_);
    const std::int64_t block = threads <= 32 ? 32 : threads <= 64 ? 64 : threads <= 512 ? 128 : kBlock;
    const std::int64_t wanted = ceil_div(kBlocksWanted, space_.kept);
    const std::int64_t worth = std::max<std::int64_t>(space_.reduced / (block * lanes_ * 4), 1);
    parts_ = std::min(wanted, worth);
    const std::int64_t chunk = ceil_div(ceil_div(space_.reduced, parts_), block * lanes_) * block * lanes_;
    parts_ = ceil_div(space_.reduced, chunk);
    place_results();
    std::string text = fmt::format(
        "extern \"C\" __global__ void KERNEL(const Pointers at) {{\n"
        "  const {0} k = blockIdx.x / {1};\n  const {0} part = blockIdx.x % {1};\n"
        "  const {0} kept_at = {2};\n{3}"
        "  const {0} first = part * {4};\n  const {0} last = first + {4} < {5} ? first + {4} : {5};\n"
        "  for ({0} r = first + threadIdx.x * {6}; r < last; r += BLOCK * {6}) {{\n{7}  }}\n",
        type_, parts_, space_.kept_offset, accumulators(lanes_), chunk, space_.reduced, lanes_, element_code());
    for (std::size_t i = 0; i < body_.reductions().size(); ++i) {
      const GroupReduction& each = body_.reductions()[i];
      text += fmt::format(
          "  __shared__ {0} s{1}[BLOCK / 32];\n  for (int j = 1; j < {2}; ++j) a{1}[0] = {3}(a{1}[0], a{1}[j]);\n"
          "  const {0} y{1} = {4}(a{1}[0], s{1});\n"
          "  if (threadIdx.x == 0) (({0}*){5})[({6})part * {7} + k] = y{1};\n",
          each.type(), i, lanes_, each.combine(), each.block_combine(), results_[i], type_, space_.kept);
    }
    finish_kernel(text + "}\n", block, space_.kept * parts_);
  }

  // 32 threads stand side by side along kept elements, eight of them below each other along the reduced ones.
  void add_columns() {
    const std::int64_t width = kColumns * lanes_;
    const std::int64_t tiles = ceil_div(space_.kept, width);
    const std::int64_t below = kBlock / kColumns;
    parts_ = std::min(ceil_div(kBlocksWanted, tiles), std::max<std::int64_t>(space_.reduced / (below * 8), 1));
    const std::int64_t chunk = ceil_div(space_.reduced, parts_);
    parts_ = ceil_div(space_.reduced, chunk);
    place_results();
    std::string text = fmt::format(
        "extern \"C\" __global__ void KERNEL(const Pointers at) {{\n"
        "  const u32 x = threadIdx.x & 31, y = threadIdx.x >> 5;\n"
        "  const {0} part = blockIdx.x % {1};\n  const {0} k = ({0})(blockIdx.x / {1}) * {2} + x * {3};\n"
        "  const bool inside = k < {4};\n  const {0} kept_at = {5};\n{6}"
        "  const {0} first = part * {7};\n  const {0} last = first + {7} < {8} ? first + {7} : {8};\n"
        "  for ({0} r = first + y; inside && r < last; r += {9}) {{\n{10}  }}\n",
        type_, parts_, width, lanes_, space_.kept, space_.kept_offset, accumulators(lanes_), chunk, space_.reduced,
        below, element_code());
    text += column_results(below, width);
    finish_kernel(text + "}\n", kBlock, tiles * parts_);
  }

  // The lines of a block added up, one result after another in the same shared memory.
  [[nodiscard]] std::string column_results(std::int64_t below, std::int64_t width) const {
    std::string out = fmt::format("  __shared__ u32 space[{}][{}];\n", below, width);
    for (std::size_t i = 0; i < body_.reductions().size(); ++i) {
      const GroupReduction& each = body_.reductions()[i];
      out += fmt::format(
          "  {{\n    {0} (*s)[{3}] = ({0}(*)[{3}])space;\n    __syncthreads();\n"
          "    for (int j = 0; j < {4}; ++j) s[y][x * {4} + j] = a{1}[j];\n    __syncthreads();\n"
          "    if (y == 0 && inside) {{\n      for (int j = 0; j < {4}; ++j) {{\n        {0} sum = a{1}[j];\n"
          "        for (int n = 1; n < {2}; ++n) sum = {5}(sum, s[n][x * {4} + j]);\n"
          "        (({0}*){6})[({7})part * {8} + k + j] = sum;\n      }}\n    }}\n  }}\n",
          each.type(), i, below, width, lanes_, each.combine(), results_[i], type_, space_.kept);
    }
    return out;
  }

  // Adds the parts of every result.
  void add_finish() {
    const bool by_thread = space_.kept >= kBlocksWanted;
    for (std::size_t i = 0; i < body_.reductions().size(); ++i) {
      const GroupReduction& each = body_.reductions()[i];
      std::string text = fmt::format(
          "extern \"C\" __global__ void KERNEL(const Pointers at) {{\n"
          "  const {0}* partial = (const {0}*)at.p[0];\n  {0} sum = {1};\n",
          each.type(), each.identity());
      if (by_thread) {
        text += fmt::format(
            "  const u64 k = (u64)blockIdx.x * BLOCK + threadIdx.x;\n  if (k >= {0}) return;\n"
            "  for (u64 p = 0; p < {1}; ++p) sum = {2}(sum, partial[p * {0} + k]);\n"
            "  (({3}*)at.p[1])[k] = sum;\n}}\n",
            space_.kept, parts_, each.combine(), each.type());
      } else {
        text += fmt::format(
            "  __shared__ {0} space[BLOCK / 32];\n  const u64 k = blockIdx.x;\n"
            "  for (u64 p = threadIdx.x; p < {1}; p += BLOCK) sum = {2}(sum, partial[p * {3} + k]);\n"
            "  sum = {4}(sum, space);\n  if (threadIdx.x == 0) (({0}*)at.p[1])[k] = sum;\n}}\n",
            each.type(), parts_, each.combine(), space_.kept, each.block_combine());
      }
      const std::int64_t block = by_thread ? kBlock : parts_ <= 32 ? 32 : parts_ <= 128 ? 128 : kBlock;
      step_.launch({name_ + "_finish", std::move(text), 2, static_cast<std::uint32_t>(block), 0, !by_thread},
                   by_thread ? ceil_div(space_.kept, kBlock) : space_.kept, {partials_[i], input_.place(each.value)});
    }
  }

  const CompileInput& input_;
  const graph::FusedGroup& group_;
  std::string name_;
  CudaStep& step_;
  int lanes_;
  GroupBody body_;
  const char* type_;
  ReducedSpace space_;
  std::int64_t parts_ = 1;
  std::vector<Place> partials_;
  std::vector<std::string> results_;
};

// ---- costs ----------------------------------------------------------------------------------------------------------

StepCost cost_of(const CompileInput& input, const graph::FusedGroup& group) {
  StepCost cost;
  bool computes = false;
  bool reduces = false;
  for (const graph::View& view : group.inputs) {
    const std::int64_t read = std::min(view.shape.elements(), input.graph.shape(view.base).elements());
    cost.bytes += static_cast<double>(read * input.width(view.base));
  }
  for (const graph::GroupMember& member : group.members) {
    const graph::Node& node = input.graph.nodes()[member.node];
    const graph::Value made = node.first_output;
    const bool moves = graph::moves_only(input.graph, node);
    if (!moves) cost.flops += static_cast<double>(group.elements);
    if (member.stored) cost.bytes += static_cast<double>(input.graph.shape(made).elements() * input.width(made));
    reduces = reduces || graph::is_reduction(node.op);
    computes = computes || !moves;
  }
  cost.group = reduces ? "reduce" : computes ? "elementwise" : "copy";
  return cost;
}

}  // namespace

CudaStep make_fused_step(const CompileInput& input, const graph::FusedGroup& group, const std::string& name) {
  CudaStep step;
  step.cost = cost_of(input, group);
  if (group.reduction.empty()) {
    add_elementwise(input, group, name, step);
  } else {
    ReductionCode(input, group, name, step).add();
  }
  return step;
}

void add_copy(const CompileInput& input, const graph::View& from, const CopyTarget& to, CudaStep& step,
              const Place* instead) {
  const std::int64_t elements = from.shape.elements();
  const bool in_order = to.stretch == to.row;
  const bool fits = to.stretch % 4 == 0 && to.row % 4 == 0 && to.start % 4 == 0 && to.place.bytes % 16 == 0;
  const int lanes = fits && elements % 4 == 0 && reads_four(from) ? 4 : 1;
  const graph::Node& base = input.graph.node_of(from.base);
  OperandCode code{"x", input.type(from.base), "", ""};
  std::vector<Place> places{to.place};
  if (graph::is_splat_constant(base)) {
    code.literal = literal(base.attributes.reals("values")[0], input.graph.dtype(from.base));
  } else {
    code.pointer = fmt::format("({}*)at.p[1]", code.type);
    places.push_back(instead != nullptr ? *instead : input.place(from));
  }
  const std::string target =
      in_order ? "e" : fmt::format("e / {0} * {1} + e % {0} + {2}", to.stretch, to.row, to.start);
  std::string text = fmt::format(
      "extern \"C\" __global__ void KERNEL(const Pointers at) {{\n"
      "  const {7} t = ({7})blockIdx.x * BLOCK + threadIdx.x;\n  if (t >= {0}) return;\n  const {7} e = t * {1};\n"
      "{2}  {3}(({4}*)at.p[0] + ({5}), {6});\n}}\n",
      elements / lanes, lanes, load_code(from, code, {"e", elements, lanes}), lanes == 4 ? "store4" : "store", to.type,
      target, lanes == 4 ? "x" : "x[0]", number_type(std::max(elements, elements / to.stretch * to.row)));
  const auto pointers = static_cast<std::uint32_t>(places.size());
  step.launch({"copy", std::move(text), pointers, kBlock, 0, false}, ceil_div(elements / lanes, kBlock),
              std::move(places));
}

}  // namespace caddie::cuda
