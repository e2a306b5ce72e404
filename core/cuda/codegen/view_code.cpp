#include "core/cuda/codegen/view_code.hpp"

#include <fmt/format.h>

#include <bit>
#include <vector>

namespace caddie::cuda {

using graph::View;
using graph::ViewAxis;

namespace {

struct Term {  // one axis of a view
  std::string index;
  ViewAxis axis;
};

std::vector<Term> terms_of(const View& view, const ElementRange& range) {
  const std::vector<ViewAxis> axes = graph::joined_axes(view);
  std::vector<Term> terms(axes.size());
  std::int64_t divisor = 1;
  for (std::size_t i = axes.size(); i-- > 0;) {
    terms[i] = {index_code(range.e, divisor, axes[i].length, range.elements), axes[i]};
    divisor *= axes[i].length;
  }
  return terms;
}

bool has_bounds(const ViewAxis& axis) { return axis.begin > 0 || axis.end < axis.length; }

std::string condition(const Term& term, const std::string& index) {
  std::string out;
  if (term.axis.begin > 0) out += fmt::format("{} >= {}", index, term.axis.begin);
  if (term.axis.end < term.axis.length) {
    if (!out.empty()) out += " && ";
    out += fmt::format("{} < {}", index, term.axis.end);
  }
  return out;
}

std::string all_of(const std::vector<std::string>& conditions) {
  return conditions.empty() ? "" : fmt::format("{}", fmt::join(conditions, " && "));
}

}  // namespace

std::string literal(double value, graph::DType type) {
  if (type == graph::DType::i32) {
    return fmt::format("(int)0x{:08X}u", static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
  }
  return fmt::format("__uint_as_float(0x{:08X}u)", std::bit_cast<std::uint32_t>(static_cast<float>(value)));
}

std::string index_code(const std::string& e, std::int64_t divisor, std::int64_t length, std::int64_t elements) {
  std::string out = e;
  if (length == 1) return "0";
  if (divisor > 1) out += fmt::format(" / {}", divisor);
  if (divisor * length < elements) out += fmt::format(" % {}", length);
  return out;
}

bool reads_four(const View& view) {
  const std::vector<ViewAxis> axes = graph::joined_axes(view);
  return axes.empty() || axes.back().length % 4 == 0;
}

std::string load_code(const View& view, const OperandCode& operand, const ElementRange& range) {
  const bool whole_number = operand.type == "int";
  const graph::DType type = whole_number ? graph::DType::i32 : graph::DType::f32;
  const std::string& name = operand.name;
  std::string out = fmt::format("  {} {}[{}];\n", whole_number ? "int" : "float", name, range.lanes);
  const std::vector<Term> terms = terms_of(view, range);
  const bool lanes = range.lanes > 1;
  std::vector<std::string> outer_inside;
  std::string offset;
  bool aligned = true;  // whole vectors, if the innermost axis runs in order
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const bool inner = i + 1 == terms.size();
    const std::string index = fmt::format("{}_{}", name, i);
    out += fmt::format("  const i64 {} = {};\n", index, terms[i].index);
    if (terms[i].axis.stride != 0) offset += fmt::format(" + {} * {}LL", index, terms[i].axis.stride);
    if (!inner && terms[i].axis.stride % 4 != 0) aligned = false;
    if (has_bounds(terms[i].axis) && !(inner && lanes)) outer_inside.push_back(condition(terms[i], index));
  }
  const bool inner_bounds = lanes && !terms.empty() && has_bounds(terms.back().axis);
  const std::int64_t inner_stride = terms.empty() ? 0 : terms.back().axis.stride;
  const std::string inside = all_of(outer_inside);
  const std::string fill = literal(view.bounded ? view.fill : 0, type);
  const bool constant = operand.pointer.empty();
  if (!constant) {
    out +=
        fmt::format("  const {0}* const {1}_at = (const {0}*){2}{3};\n", operand.type, name, operand.pointer, offset);
  }
  if (lanes && !constant && inner_stride == 1 && aligned && view.offset % 4 == 0 && !inner_bounds) {
    const std::string all = fmt::format("load4({0}, {0}_at);", name);
    if (inside.empty()) return out + "  " + all + "\n";
    return out + fmt::format("  if ({}) {{\n    {}\n  }} else {{\n    {} = {};\n  }}\n", inside, all,
                             fmt::format("{0}[0] = {0}[1] = {0}[2] = {0}[3]", name), fill);
  }
  for (int j = 0; j < range.lanes; ++j) {
    std::vector<std::string> conditions = outer_inside;
    if (inner_bounds) {
      conditions.push_back(condition(terms.back(), fmt::format("({}_{} + {})", name, terms.size() - 1, j)));
    }
    const std::string value = constant ? operand.literal : fmt::format("load({}_at + {}LL)", name, j * inner_stride);
    const std::string element = fmt::format("{}[{}]", name, j);
    out += conditions.empty() ? fmt::format("  {} = {};\n", element, value)
                              : fmt::format("  {} = {} ? {} : {};\n", element, all_of(conditions), value, fill);
  }
  return out;
}

}  // namespace caddie::cuda
