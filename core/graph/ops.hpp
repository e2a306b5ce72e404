// The registry of operations, made from sdk/include/caddie/ops.def. Constant data; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace caddie::graph {

// One enumerator per row of ops.def, valued by its opcode; `leaf` and `custom` (custom.hpp) are the host's own.
enum class Op : std::uint32_t {
  leaf = 0,
  custom = 0xFFFFFFFF,
#define CADDIE_OP(name, code, inputs, outputs, attributes, kind, text) name = code,
#include "caddie/ops.def"
#undef CADDIE_OP
};

enum class OpKind { primitive, composite, backward };
enum class AttributeType { integer, integers, real, reals };

struct AttributeInfo {
  std::string key;
  AttributeType type = AttributeType::integer;
  bool has_default = false;
  double default_value = 0;  // scalars only
};

struct OpInfo {
  Op op = Op::leaf;
  std::string_view name;
  std::vector<std::string> inputs;   // names; the marks "..." and "?" are taken off
  std::vector<std::string> outputs;
  int min_inputs = 0;
  int max_inputs = 0;                // large for a variadic operation
  std::vector<AttributeInfo> attributes;
  OpKind kind = OpKind::primitive;
  std::string_view text;
};

// Every row, in the table's order.
std::span<const OpInfo> all_ops();
// nullptr for an opcode the table does not have.
const OpInfo* find_op(std::uint32_t opcode);
const OpInfo* find_op(std::string_view name);
// Only for an operation of the table, and for `custom`, which all_ops() and find_op() do not have.
const OpInfo& info(Op op);

}  // namespace caddie::graph
