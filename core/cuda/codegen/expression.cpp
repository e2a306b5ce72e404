#include "core/cuda/codegen/expression.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "core/cuda/codegen/view_code.hpp"

namespace caddie::cuda {

using graph::DType;
using graph::Node;
using graph::Op;

namespace {

// {0}, {1}, {2} are the operands; null for operations that need more than a pattern.
const char* pattern(Op op) {
  switch (op) {
    case Op::neg: return "op_neg({0})";
    case Op::abs: return "op_abs({0})";
    case Op::sign: return "op_sign({0})";
    case Op::exp: return "expf({0})";
    case Op::log: return "logf({0})";
    case Op::sin: return "sinf({0})";
    case Op::cos: return "cosf({0})";
    case Op::tanh: return "tanhf({0})";
    case Op::sqrt: return "sqrtf({0})";
    case Op::rsqrt: return "rsqrtf({0})";
    case Op::recip: return "1.0f / {0}";
    case Op::floor: return "floorf({0})";
    case Op::round: return "rintf({0})";
    case Op::sigmoid: return "1.0f / (1.0f + expf(-{0}))";
    case Op::round_bf16: return "op_round_bf16({0})";
    case Op::add: return "op_add({0}, {1})";
    case Op::sub: return "op_sub({0}, {1})";
    case Op::mul: return "op_mul({0}, {1})";
    case Op::div: return "{0} / {1}";
    case Op::max: return "op_max({0}, {1})";
    case Op::min: return "op_min({0}, {1})";
    case Op::pow: return "powf({0}, {1})";
    case Op::lt: return "({0} < {1} ? 1.0f : 0.0f)";
    case Op::le: return "({0} <= {1} ? 1.0f : 0.0f)";
    case Op::eq: return "({0} == {1} ? 1.0f : 0.0f)";
    case Op::bit_and: return "({0} & {1})";
    case Op::bit_or: return "({0} | {1})";
    case Op::bit_xor: return "({0} ^ {1})";
    case Op::shift_left: return "(int)((u32){0} << ({1} & 31))";
    case Op::shift_right: return "({0} >> ({1} & 31))";
    case Op::int_div: return "op_int_div({0}, {1})";
    case Op::int_mod: return "op_int_mod({0}, {1})";
    case Op::where: return "({0} != 0 ? {1} : {2})";
    default: return nullptr;
  }
}

std::string cast_code(DType from, DType to, const std::string& x) {
  if (from == to) return x;
  return to == DType::i32 ? fmt::format("op_to_int({})", x) : fmt::format("(float){}", x);
}

std::string iota_code(const graph::Shape& shape, const Node& node, DType type, const std::string& element) {
  std::int64_t inner = 1;
  const auto axis = static_cast<int>(node.attributes.integer("axis"));
  for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  const std::int64_t length = shape.rank() == 0 ? 1 : shape[axis];
  return fmt::format("({})({})", type == DType::i32 ? "int" : "float",
                     index_code(element, inner, length, shape.elements()));
}

std::string real(double value) {
  return fmt::format("__longlong_as_double((i64)0x{:016X}ULL)", std::bit_cast<std::uint64_t>(value));
}

}  // namespace

std::string expression(const graph::Graph& graph, const Node& node, std::span<const std::string> operands,
                       const std::string& element) {
  const DType type = graph.dtype(node.first_output);
  if (node.op == Op::iota) return iota_code(graph.shape(node.first_output), node, type, element);
  if (node.op == Op::cast) return cast_code(graph.dtype(node.inputs[0]), type, operands[0]);
  const char* form = pattern(node.op);
  if (form == nullptr) return operands[0];  // movement: the element itself
  const std::string none;
  const auto at = [&](std::size_t i) -> const std::string& { return i < operands.size() ? operands[i] : none; };
  return fmt::format(fmt::runtime(form), at(0), at(1), at(2));
}

std::string random_code(const Node& node, const std::string& name, const std::string& e, int lanes,
                        const std::string& run) {
  const std::string site = fmt::format("0x{:016X}ULL", node.site);
  const auto fill = [&](const std::string& to) {
    if (node.op == Op::random_normal) {
      return fmt::format("normal4({}, {}, {}, {} / 4, {}, {});", to, run, site, e, real(node.attributes.real("mean")),
                         real(node.attributes.real("std")));
    }
    const double low = node.attributes.real("low");
    const double high = node.attributes.real("high");
    const auto end = static_cast<float>(high);
    return fmt::format("uniform4({}, {}, {}, {} / 4, {}, {}, {}, {}, {});", to, run, site, e, real(low),
                       real(high - low), literal(high, DType::f32),
                       literal(std::nextafter(end, static_cast<float>(low)), DType::f32), low < high);
  };
  if (lanes == 4) return fmt::format("  float {}[4];\n  {}\n", name, fill(name));
  return fmt::format("  float {0}[1];\n  {{\n    float four[4];\n    {1}\n    {0}[0] = four[{2} % 4];\n  }}\n", name,
                     fill("four"), e);
}

}  // namespace caddie::cuda
