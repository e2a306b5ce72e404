// Writes what is generated from the table of operations:
//   caddie_generate_ops header   sdk/include/caddie/ops.h, a typed C99 wrapper for each operation
//   caddie_generate_ops docs     docs/ops.md
// to the standard output. Same table, same bytes.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Attribute {
  std::string key;
  std::string type;
  std::string default_value;  // empty when it must be given
};

struct Input {
  std::string name;
  bool variadic = false;
  bool optional = false;
};

struct Row {
  std::string name;
  int code;
  std::vector<Input> inputs;
  std::vector<std::string> outputs;
  std::vector<Attribute> attributes;
  std::string kind;
  std::string text;
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    if (end > start) out.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

Input input_of(std::string word) {
  Input input;
  if (word.ends_with('?')) {
    input.optional = true;
    word.pop_back();
  }
  if (word.ends_with("...")) {
    input.variadic = true;
    word.resize(word.size() - 3);
  }
  input.name = word;
  return input;
}

Attribute attribute_of(const std::string& word) {
  const std::size_t colon = word.find(':');
  const std::size_t equals = std::min(word.find('='), word.size());
  return {word.substr(0, colon), word.substr(colon + 1, equals - colon - 1),
          equals < word.size() ? word.substr(equals + 1) : ""};
}

Row row_of(const char* name, int code, const char* inputs, const char* outputs, const char* attributes,
           const char* kind, const char* text) {
  Row row{name, code, {}, words(outputs), {}, kind, text};
  for (const std::string& word : words(inputs)) row.inputs.push_back(input_of(word));
  for (const std::string& word : words(attributes)) row.attributes.push_back(attribute_of(word));
  return row;
}

std::vector<Row> table() {
  return {
#define CADDIE_OP(name, code, inputs, outputs, attributes, kind, text) \
  row_of(#name, code, inputs, outputs, attributes, #kind, text),
#include "caddie/ops.def"
#undef CADDIE_OP
  };
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

// ---- the header -----------------------------------------------------------------------------------------------------

bool is_list(const Attribute& attribute) { return attribute.type.ends_with('s'); }
std::string number_type(const Attribute& attribute) { return attribute.type.starts_with("int") ? "int64_t" : "double"; }

// Parts with commas between them, in lines of at most 120 columns; later lines are indented.
std::string signature(const std::string& head, const std::vector<std::string>& parts, const std::string& tail) {
  std::string out;
  std::string line = head;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string part = parts[i] + (i + 1 < parts.size() ? "," : tail);
    if (line.size() + 1 + part.size() > 120) {
      out += line + "\n";
      line = "    " + part;
    } else {
      line += (i > 0 ? " " : "") + part;
    }
  }
  return out + line + "\n";
}

std::vector<std::string> parameters(const Row& row) {
  std::vector<std::string> out{"const caddie_host_graph* host", "caddie_graph* graph"};
  for (const Input& input : row.inputs) {
    if (input.variadic) {
      out.push_back("const caddie_value* " + input.name);
      out.push_back("uint32_t " + input.name + "_count");
    } else {
      out.push_back("caddie_value " + input.name);
    }
  }
  for (const Attribute& attribute : row.attributes) {
    if (is_list(attribute)) {
      out.push_back("const " + number_type(attribute) + "* " + attribute.key);
      out.push_back("uint32_t " + attribute.key + "_count");
    } else {
      out.push_back(number_type(attribute) + " " + attribute.key);
    }
  }
  return out;
}

// Text in comment lines of at most 120 columns.
std::string comment(const std::string& text) {
  std::string out;
  std::string line = "/*";
  for (const std::string& word : words(text)) {
    if (line.size() + 1 + word.size() > 116) {
      out += line + "\n";
      line = "  ";
    }
    line += " " + word;
  }
  return out + line + " */\n";
}

std::string description(const Row& row) {
  std::string text = row.name + ": " + row.text + ".";
  if (row.outputs.size() > 1)
    text += " Gives " + joined(row.outputs, ", ") + ": the value returned and those after it.";
  for (const Input& input : row.inputs) {
    if (input.optional) text += " " + input.name + " may be 0, none.";
  }
  for (const Attribute& attribute : row.attributes) {
    if (!attribute.default_value.empty()) text += " " + attribute.key + ": usually " + attribute.default_value + ".";
  }
  return text;
}

std::string attribute_call(const Attribute& attribute) {
  const std::string kind = attribute.type.starts_with("int") ? "ints" : "floats";
  const std::string type =
      std::string("CADDIE_ATTRIBUTE_") + (kind == "ints" ? "INT" : "FLOAT") + (is_list(attribute) ? "S" : "");
  const std::string data =
      is_list(attribute) ? attribute.key + ", " + attribute.key + "_count" : "&" + attribute.key + ", 1";
  return "caddie_attribute_of_" + kind + "(\"" + attribute.key + "\", " + type + ", " + data + ")";
}

std::string wrapper(const Row& row) {
  std::string out = comment(description(row));
  out += signature("static inline caddie_value caddie_op_" + row.name + "(", parameters(row), ") {");
  std::string inputs = "0";
  std::string input_count = "0";
  if (row.inputs.size() == 1 && row.inputs[0].variadic) {
    inputs = row.inputs[0].name;
    input_count = row.inputs[0].name + "_count";
  } else if (!row.inputs.empty()) {
    out += "  caddie_value inputs[" + std::to_string(row.inputs.size()) + "];\n";
    for (std::size_t i = 0; i < row.inputs.size(); ++i)
      out += "  inputs[" + std::to_string(i) + "] = " + row.inputs[i].name + ";\n";
    inputs = "inputs";
    input_count = std::to_string(row.inputs.size());
  }
  if (!row.attributes.empty()) {
    out += "  caddie_attribute attributes[" + std::to_string(row.attributes.size()) + "];\n";
    for (std::size_t i = 0; i < row.attributes.size(); ++i) {
      out += "  attributes[" + std::to_string(i) + "] = " + attribute_call(row.attributes[i]) + ";\n";
    }
  }
  const std::string attributes =
      row.attributes.empty() ? "0, 0" : "attributes, " + std::to_string(row.attributes.size());
  return out + "  return host->emit(graph, " + std::to_string(row.code) + ", " + inputs + ", " + input_count + ", " +
         attributes + ");\n}\n";
}

constexpr const char* kHeaderTop =
    "/* Typed wrappers of the graph service's emit, one for each operation. Generated from ops.def by "
    "caddie_generate_ops;\n"
    " * do not edit. C99. A list is a pointer and a count. After a mistake every wrapper gives 0, see the service. */\n"
    "#ifndef CADDIE_OPS_H_\n"
    "#define CADDIE_OPS_H_\n"
    "\n"
    "#include <caddie/abi.h>\n"
    "\n"
    "#ifdef __cplusplus\n"
    "extern \"C\" {\n"
    "#endif\n"
    "\n"
    "static inline caddie_attribute caddie_attribute_of_ints(const char* key, uint32_t type, const int64_t* data,\n"
    "    uint32_t count) {\n"
    "  caddie_attribute attribute;\n"
    "  attribute.key = key;\n"
    "  attribute.type = type;\n"
    "  attribute.count = count;\n"
    "  attribute.data.ints = data;\n"
    "  return attribute;\n"
    "}\n"
    "\n"
    "static inline caddie_attribute caddie_attribute_of_floats(const char* key, uint32_t type, const double* data,\n"
    "    uint32_t count) {\n"
    "  caddie_attribute attribute;\n"
    "  attribute.key = key;\n"
    "  attribute.type = type;\n"
    "  attribute.count = count;\n"
    "  attribute.data.floats = data;\n"
    "  return attribute;\n"
    "}\n";

void print_header() {
  std::string out = kHeaderTop;
  for (const Row& row : table()) out += "\n" + wrapper(row);
  out += "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  std::fputs(out.c_str(), stdout);
}

// ---- the page -------------------------------------------------------------------------------------------------------

struct Family {
  int first_code;
  const char* title;
};

// Opcodes are grouped by tens and hundreds in the table.
constexpr Family kFamilies[] = {
    {1, "Sources"},           {10, "One operand, elementwise"}, {40, "Two operands, elementwise, broadcasting"},
    {60, "Three operands"},   {70, "Reductions"},               {80, "Movement"},
    {90, "Contraction"},      {100, "Index"},                   {200, "Composites"},
    {220, "Gradients of composites"},
};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '<' || c == '_' || c == '[') out += '\\';
    out += c;
  }
  return out;
}

std::string inputs_text(const Row& row) {
  std::vector<std::string> out;
  for (const Input& input : row.inputs)
    out.push_back("`" + input.name + (input.variadic ? "..." : "") + (input.optional ? "?" : "") + "`");
  return joined(out, " ");
}

std::string attributes_text(const Row& row) {
  std::vector<std::string> out;
  for (const Attribute& attribute : row.attributes) {
    out.push_back("`" + attribute.key + "` " + attribute.type +
                  (attribute.default_value.empty() ? "" : " = " + attribute.default_value));
  }
  return joined(out, ", ");
}

std::string line(const Row& row) {
  std::vector<std::string> outputs;
  for (const std::string& output : row.outputs) outputs.push_back("`" + output + "`");
  return "| `" + row.name + "` | " + std::to_string(row.code) + " | " + inputs_text(row) + " | " +
         joined(outputs, " ") + " | " + attributes_text(row) + " | " + escaped(row.text) + " |\n";
}

constexpr const char* kPageTop =
    "# Operations\n"
    "\n"
    "Generated from `sdk/include/caddie/ops.def` by `caddie_generate_ops docs`; do not edit.\n"
    "\n"
    "Everything numerical in Caddie is a graph of these operations. Values are f32 or i32 tensors of rank 0 to 8 with "
    "static\n"
    "shapes. Two-operand operations broadcast as NumPy does. Arithmetic, comparisons, choice, reductions, movement and "
    "index\n"
    "operations take f32 or i32, both operands alike (i32 wraps around); functions of reals take f32, bit and "
    "whole-number\n"
    "operations i32. Comparisons give f32 masks of 0 and 1. Negative axes count from the end. `x...` takes one or more "
    "inputs,\n"
    "`x?` may be left out. Every operation has a gradient or declares it to be zero.\n"
    "\n"
    "A *primitive* is implemented by every executor. A *composite* means what its decomposition into primitives "
    "computes;\n"
    "executors may do better. The gradients of composites are emitted by differentiation alone.\n";

void print_page() {
  std::string out = kPageTop;
  std::map<int, std::string> tables;  // by the first code of the family
  for (const Row& row : table()) {
    int family = 0;
    for (const Family& each : kFamilies) {
      if (row.code >= each.first_code) family = each.first_code;
    }
    tables[family] += line(row);
  }
  for (const Family& family : kFamilies) {
    out += "\n## " + std::string(family.title) +
           "\n\n| name | code | inputs | outputs | attributes | meaning |\n|---|---|---|---|---|---|\n";
    out += tables[family.first_code];
  }
  std::fputs(out.c_str(), stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view what = count == 2 ? arguments[1] : "";
  if (what == "header") {
    print_header();
  } else if (what == "docs") {
    print_page();
  } else {
    std::fputs("usage: caddie_generate_ops header|docs\n", stderr);
    return 2;
  }
  return 0;
}
