#include "core/graph/ops.hpp"

#include <cstdlib>
#include <limits>
#include <map>

namespace caddie::graph {
namespace {

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    if (end > start) out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

AttributeType attribute_type(std::string_view word) {
  if (word == "int") return AttributeType::integer;
  if (word == "ints") return AttributeType::integers;
  return word == "float" ? AttributeType::real : AttributeType::reals;
}

// "key:type" or "key:type=default".
AttributeInfo attribute_row(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::size_t equals = text.find('=');
  AttributeInfo row;
  row.key = std::string(text.substr(0, colon));
  row.type = attribute_type(text.substr(colon + 1, equals == text.npos ? text.npos : equals - colon - 1));
  if (equals != text.npos) {
    row.has_default = true;
    row.default_value = std::strtod(std::string(text.substr(equals + 1)).c_str(), nullptr);
  }
  return row;
}

OpInfo op_row(Op op, std::string_view name, std::string_view inputs, std::string_view outputs,
              std::string_view attributes, OpKind kind, std::string_view text) {
  OpInfo row;
  row.op = op;
  row.name = name;
  row.kind = kind;
  row.text = text;
  for (std::string_view input : words(inputs)) {
    ++row.max_inputs;
    if (input.ends_with("?")) {
      input.remove_suffix(1);
    } else {
      ++row.min_inputs;
    }
    if (input.ends_with("...")) {
      input.remove_suffix(3);
      row.max_inputs = std::numeric_limits<int>::max();
    }
    row.inputs.emplace_back(input);
  }
  for (const std::string_view output : words(outputs)) row.outputs.emplace_back(output);
  for (const std::string_view attribute : words(attributes)) row.attributes.push_back(attribute_row(attribute));
  return row;
}

struct Registry {
  std::vector<OpInfo> rows;
  std::vector<const OpInfo*> by_code;
  std::map<std::string_view, const OpInfo*> by_name;

  Registry() {
#define CADDIE_OP(name, code, inputs, outputs, attributes, kind, text) \
  rows.push_back(op_row(Op::name, #name, inputs, outputs, attributes, OpKind::kind, text));
#include "caddie/ops.def"
#undef CADDIE_OP
    for (const OpInfo& row : rows) {
      const auto code = static_cast<std::size_t>(row.op);
      if (code >= by_code.size()) by_code.resize(code + 1, nullptr);
      by_code[code] = &row;
      by_name.emplace(row.name, &row);
    }
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

}  // namespace

std::span<const OpInfo> all_ops() { return registry().rows; }

const OpInfo* find_op(std::uint32_t opcode) {
  const auto& table = registry().by_code;
  return opcode < table.size() ? table[opcode] : nullptr;
}

const OpInfo* find_op(std::string_view name) {
  const auto& table = registry().by_name;
  const auto found = table.find(name);
  return found != table.end() ? found->second : nullptr;
}

const OpInfo& info(Op op) {
  static const OpInfo custom = [] {
    OpInfo row;
    row.op = Op::custom;
    row.name = "custom";
    row.kind = OpKind::composite;
    row.text = "what a plugin computes itself; its reference is its meaning";
    return row;
  }();
  return op == Op::custom ? custom : *find_op(static_cast<std::uint32_t>(op));
}

}  // namespace caddie::graph
