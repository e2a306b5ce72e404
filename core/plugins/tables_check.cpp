#include "core/plugins/tables_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <span>
#include <string>

namespace caddie::plugins {
namespace {

constexpr std::uint32_t kLargestStruct = 1u << 16;
constexpr std::uint32_t kMostPlugins = 256;
constexpr std::size_t kMostNeeds = 64;
constexpr std::size_t kLongestText = 1u << 18;

// How far a struct reached in the first release of this major: sizeof would refuse old plugins once the struct grows.
// Later fields are read behind CADDIE_HAS alone.
#define CADDIE_FIRST(Type, last) (offsetof(Type, last) + sizeof(Type::last))

Error refuse(std::string text) { return {Code::abi, "", std::move(text)}; }

// struct_size stands first in every struct, so it can be read before anything is known of the rest.
Result<void> check_size(const void* table, std::string_view name, std::size_t first_release) {
  std::uint32_t size = 0;
  std::memcpy(&size, table, sizeof size);
  if (size == 0) return refuse(fmt::format("leaves struct_size of its {0} at 0; set it to sizeof({0})", name));
  if (size < first_release) {
    return refuse(
        fmt::format("gives its {0} struct_size {1}, less than the {2} bytes every {0} of this ABI major has; "
                    "set it to sizeof({0})",
                    name, size, first_release));
  }
  if (size > kLargestStruct) {
    return refuse(
        fmt::format("gives its {0} struct_size {1}, which cannot be right; set it to sizeof({0})", name, size));
  }
  return {};
}

struct Text {
  const char* field;
  const char* text;
  bool may_be_empty = false;
};

Result<void> check_text(std::string_view plugin, const Text& text) {
  if (text.text == nullptr)
    return refuse(
        fmt::format("plugin {} has no {} (NULL); every text of a descriptor must be there", plugin, text.field));
  const std::size_t length = strnlen(text.text, kLongestText + 1);
  if (length > kLongestText)
    return refuse(fmt::format("plugin {} has a {} of more than {} bytes", plugin, text.field, kLongestText));
  if (length == 0 && !text.may_be_empty) return refuse(fmt::format("plugin {} has an empty {}", plugin, text.field));
  return {};
}

// Digits, then "." and digits twice, then anything printable: "1.2.0", "1.2.0-rc1".
bool is_version(std::string_view text) {
  std::size_t at = 0;
  for (int part = 0; part < 3; ++part) {
    if (part > 0 && (at >= text.size() || text[at++] != '.')) return false;
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == begin) return false;
  }
  return text.size() <= 64 && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

Result<void> check_needs(std::string_view plugin, const char* const* needs) {
  if (needs == nullptr)
    return refuse(fmt::format("plugin {} has no list of needs (NULL); an empty list is one NULL", plugin));
  for (std::size_t i = 0; i < kMostNeeds; ++i) {
    if (needs[i] == nullptr) return {};
    if (auto checked = check_text(plugin, {"need", needs[i]}); !checked) return checked;
  }
  return refuse(fmt::format("plugin {} names more than {} needs; is the NULL at the end missing?", plugin, kMostNeeds));
}

Result<void> check_descriptor(const caddie_descriptor* descriptor, std::uint32_t index) {
  if (descriptor == nullptr)
    return refuse(fmt::format("its factory has no descriptor {} (NULL), though it counts more", index));
  if (auto checked = check_size(descriptor, "caddie_descriptor", CADDIE_FIRST(caddie_descriptor, needs)); !checked) return checked;
  const std::string number = fmt::format("{}", index);
  if (auto checked = check_text(number, {"id", descriptor->id}); !checked) return checked;
  if (!is_plugin_id(descriptor->id)) {
    return refuse(
        fmt::format("plugin {} has the id \"{}\"; an id is made of lower-case letters, digits, '-' and '.', begins and "
                    "ends with a letter or digit, and has at most 64 characters",
                    index, std::string_view(descriptor->id).substr(0, 80)));
  }
  const std::string name = fmt::format("\"{}\"", descriptor->id);
  const Text texts[] = {{"interface id", descriptor->interface_id}, {"version", descriptor->version},
                        {"summary", descriptor->summary},           {"citation", descriptor->citation, true},
                        {"licence", descriptor->licence},           {"schema", descriptor->schema}};
  for (const Text& text : texts) {
    if (auto checked = check_text(name, text); !checked) return checked;
  }
  if (!is_version(descriptor->version)) {
    return refuse(fmt::format("plugin {} has the version \"{}\"; write three numbers, as in \"1.2.0\"", name,
                              std::string_view(descriptor->version).substr(0, 80)));
  }
  if (std::strchr(descriptor->summary, '\n') != nullptr) {
    return refuse(fmt::format("plugin {} has a summary of several lines; one line is wanted", name));
  }
  return check_needs(name, descriptor->needs);
}

struct Function {
  const char* name;
  std::size_t offset;
};

bool is_null(const void* table, std::size_t offset) {
  void (*function)() = nullptr;
  static_assert(sizeof function == sizeof(void*));
  std::memcpy(&function, static_cast<const char*>(table) + offset, sizeof function);
  return function == nullptr;
}

struct TableForm {
  const char* interface_id;
  const char* type;
  std::size_t size;
  std::vector<Function> functions;
};

#define CADDIE_FUNCTION(Type, field) \
  { #field, offsetof(Type, field) }
const std::vector<TableForm>& table_forms() {
  static const std::vector<TableForm> forms = {
      {CADDIE_BLOCK, "caddie_block", CADDIE_FIRST(caddie_block, attach), {CADDIE_FUNCTION(caddie_block, attach)}},
      {CADDIE_OPTIMIZER, "caddie_optimizer", CADDIE_FIRST(caddie_optimizer, update), {CADDIE_FUNCTION(caddie_optimizer, update)}},
      {CADDIE_SCHEDULE, "caddie_schedule", CADDIE_FIRST(caddie_schedule, scale), {CADDIE_FUNCTION(caddie_schedule, scale)}},
      {CADDIE_AVERAGER,
       "caddie_averager",
       CADDIE_FIRST(caddie_averager, finish),
       {CADDIE_FUNCTION(caddie_averager, accumulate), CADDIE_FUNCTION(caddie_averager, finish)}},
      {CADDIE_LOADER,
       "caddie_loader",
       CADDIE_FIRST(caddie_loader, has_segments),
       {CADDIE_FUNCTION(caddie_loader, open), CADDIE_FUNCTION(caddie_loader, next),
        CADDIE_FUNCTION(caddie_loader, has_segments)}},
      {CADDIE_QUANTIZER,
       "caddie_quantizer",
       CADDIE_FIRST(caddie_quantizer, choose),
       {CADDIE_FUNCTION(caddie_quantizer, encode), CADDIE_FUNCTION(caddie_quantizer, decode)}},
      {CADDIE_COMPRESSOR,
       "caddie_compressor",
       CADDIE_FIRST(caddie_compressor, unpack),
       {CADDIE_FUNCTION(caddie_compressor, pack), CADDIE_FUNCTION(caddie_compressor, unpack)}},
      {CADDIE_EVALUATOR, "caddie_evaluator", CADDIE_FIRST(caddie_evaluator, plan), {CADDIE_FUNCTION(caddie_evaluator, plan)}},
      {CADDIE_TTT,
       "caddie_ttt",
       CADDIE_FIRST(caddie_ttt, adapt),
       {CADDIE_FUNCTION(caddie_ttt, plan), CADDIE_FUNCTION(caddie_ttt, adapts), CADDIE_FUNCTION(caddie_ttt, update),
        CADDIE_FUNCTION(caddie_ttt, adapt)}},
  };
  return forms;
}
#undef CADDIE_FUNCTION

}  // namespace

bool is_plugin_id(std::string_view id) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= 64 && plain(id.front()) && plain(id.back()) &&
         std::ranges::all_of(id, [&](char c) { return plain(c) || c == '-' || c == '.'; });
}

Result<CheckedTables> check_entry(const caddie_entry* entry) {
  if (entry == nullptr) return refuse("caddie_entry_v1 returns NULL; it must return the plugin's entry");
  if (auto checked = check_size(entry, "caddie_entry", CADDIE_FIRST(caddie_entry, build_info)); !checked) return checked.error();
  if (entry->get_factory == nullptr) return refuse("its entry has no get_factory (NULL)");
  if (entry->build_info == nullptr) return refuse("its entry has no build_info (NULL); an empty text will do");

  CheckedTables tables;
  tables.factory = static_cast<const caddie_factory*>(entry->get_factory(CADDIE_FACTORY));
  if (tables.factory == nullptr) return refuse(fmt::format("has no factory \"{}\"", CADDIE_FACTORY));
  if (auto checked = check_size(tables.factory, "caddie_factory", CADDIE_FIRST(caddie_factory, create)); !checked)
    return checked.error();
  if (tables.factory->descriptor == nullptr) return refuse("its factory has no function descriptor (NULL)");
  if (tables.factory->create == nullptr) return refuse("its factory has no function create (NULL)");
  if (tables.factory->count == 0) return refuse("its factory offers no plugins (count is 0)");
  if (tables.factory->count > kMostPlugins) {
    return refuse(fmt::format("its factory claims {} plugins; {} are the most a file may have", tables.factory->count,
                              kMostPlugins));
  }
  std::set<std::string_view> ids;
  for (std::uint32_t i = 0; i < tables.factory->count; ++i) {
    const caddie_descriptor* descriptor = tables.factory->descriptor(i);
    if (auto checked = check_descriptor(descriptor, i); !checked) return checked.error();
    if (!ids.insert(descriptor->id).second) {
      return refuse(fmt::format("has two plugins with the id \"{}\"; ids in a file must differ", descriptor->id));
    }
    tables.descriptors.push_back(descriptor);
  }
  return tables;
}

Result<void> check_object(const caddie_object* object, bool stateful) {
  if (object == nullptr) return refuse("create() reports success and gives no object");
  if (auto checked = check_size(object, "caddie_object", CADDIE_FIRST(caddie_object, load)); !checked) return checked;
  if (object->query == nullptr) return refuse("its object has no function query (NULL)");
  if (object->destroy == nullptr) return refuse("its object has no function destroy (NULL)");
  if (stateful && (object->save == nullptr || object->load == nullptr)) {
    return refuse("calls itself stateful (CADDIE_STATEFUL), and its object has no save and load");
  }
  return {};
}

Result<void> check_table(std::string_view interface_id, const void* table) {
  if (table == nullptr) {
    return refuse(fmt::format(
        "its descriptor names the interface \"{}\", and its object does not have it (query gives NULL)", interface_id));
  }
  const auto form = std::ranges::find(table_forms(), interface_id, &TableForm::interface_id);
  if (form == table_forms().end())
    return refuse(fmt::format("this program does not know the interface \"{}\"", interface_id));
  if (auto checked = check_size(table, form->type, form->size); !checked) return checked;
  for (const Function& function : form->functions) {
    if (is_null(table, function.offset))
      return refuse(fmt::format("its {} has no function {} (NULL)", form->type, function.name));
  }
  if (interface_id == CADDIE_QUANTIZER) {
    const auto* quantizer = static_cast<const caddie_quantizer*>(table);
    if (quantizer->decorator != 0 && quantizer->choose == nullptr) {
      return refuse("its caddie_quantizer is a decorator and has no function choose (NULL)");
    }
  }
  return {};
}

}  // namespace caddie::plugins
