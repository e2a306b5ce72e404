#include "core/cuda/codegen/group_body.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/cuda/codegen/expression.hpp"

namespace caddie::cuda {

using graph::DType;
using graph::Node;
using graph::Op;
using graph::View;

const char* GroupReduction::combine() const {
  return op == Op::reduce_sum ? "op_add" : op == Op::reduce_max ? "op_max" : "op_min";
}
const char* GroupReduction::block_combine() const {
  return op == Op::reduce_sum ? "block_sum" : op == Op::reduce_max ? "block_max" : "block_min";
}
std::string GroupReduction::identity() const {
  const bool whole = dtype == DType::i32;
  if (op == Op::reduce_sum) return whole ? "0" : "0.0f";
  const bool largest = op == Op::reduce_max;
  if (whole) return largest ? "(int)0x80000000u" : "0x7FFFFFFF";
  return largest ? "__uint_as_float(0xFF800000u)" : "__uint_as_float(0x7F800000u)";
}

int GroupBody::lanes_of(const graph::FusedGroup& group) {
  bool four = group.elements % 4 == 0 && std::ranges::all_of(group.inputs, reads_four);
  if (!group.reduction.empty()) four = four && group.reduction.back().length % 4 == 0;
  return four ? 4 : 1;
}

GroupBody::GroupBody(const CompileInput& input, const graph::FusedGroup& group, int lanes)
    : input_(input), group_(group), range_{"e", group.elements, lanes} {
  for (std::size_t i = 0; i < group.inputs.size(); ++i) add_input(i);
  for (std::uint32_t i = 0; i < group.members.size(); ++i) add_member(i);
}

std::string GroupBody::pointer(const Place& place) {
  places_.push_back(place);
  return fmt::format("at.p[{}]", places_.size() - 1);
}

void GroupBody::add_input(std::size_t number) {
  const View& view = group_.inputs[number];
  const Node& base = input_.graph.node_of(view.base);
  OperandCode code;
  code.name = fmt::format("i{}", number);
  code.type = input_.type(view.base);
  if (graph::is_splat_constant(base)) {
    code.literal = literal(base.attributes.reals("values")[0], input_.graph.dtype(view.base));
  } else {
    code.pointer = pointer(input_.place(view));
    code.pointer = fmt::format("({}*){}", code.type, code.pointer);
  }
  loads_ += load_code(view, code, range_);
}

std::string GroupBody::operand(const graph::GroupOperand& operand) const {
  return operand.is_member ? fmt::format("m{}", operand.index) : fmt::format("i{}[j]", operand.index);
}

void GroupBody::add_member(std::uint32_t number) {
  const graph::GroupMember& member = group_.members[number];
  const Node& node = input_.graph.nodes()[member.node];
  const DType type = input_.graph.dtype(node.first_output);
  const char* word = type == DType::i32 ? "int" : "float";
  std::vector<std::string> operands;
  for (const graph::GroupOperand& each : member.operands) operands.push_back(operand(each));
  if (graph::is_reduction(node.op)) {
    reductions_.push_back({node.op, type, operands[0], node.first_output});
    return;
  }
  if (node.op == Op::random_uniform || node.op == Op::random_normal) {
    const std::string name = fmt::format("r{}", number);
    const std::string run = fmt::format("(const u64*){}", pointer({Space::key, 0, 0}));
    loads_ += random_code(node, name, range_.e, range_.lanes, run);
    members_ += fmt::format("    const float m{} = {}[j];\n", number, name);
  } else {
    members_ += fmt::format("    const {} m{} = {};\n", word, number,
                            expression(input_.graph, node, operands, fmt::format("({} + j)", range_.e)));
  }
  if (!member.stored) return;
  loads_ += fmt::format("  {} o{}[{}];\n", word, number, range_.lanes);
  members_ += fmt::format("    o{0}[j] = m{0};\n", number);
  const std::string to = fmt::format("({}*){} + {}", input_.type(node.first_output),
                                     pointer(input_.place(node.first_output)), range_.e);
  stores_ += range_.lanes == 4 ? fmt::format("  store4({}, o{});\n", to, number)
                               : fmt::format("  store({}, o{}[0]);\n", to, number);
}

}  // namespace caddie::cuda
