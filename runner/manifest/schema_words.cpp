#include "runner/manifest/schema_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "runner/manifest/schema.hpp"
#include "runner/manifest/schema_numbers.hpp"

namespace caddie::manifest {
namespace {

std::string article(const std::string& type) {
  if (type == "integer") return "a whole number";
  if (type == "array") return "a list";
  if (type == "boolean") return "true or false";
  if (type == "null") return "null";
  return (type == "object" ? "an " : "a ") + type;
}

}  // namespace

std::vector<std::string> type_names(const Json& schema) {
  const auto type = schema.find("type");
  if (type == schema.end()) return {};
  if (type->is_string()) return {type->get<std::string>()};
  return type->get<std::vector<std::string>>();
}

bool has_type(const std::vector<std::string>& types, std::string_view name) {
  return std::find(types.begin(), types.end(), name) != types.end();
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "integer") return whole_number(value).has_value();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return value.is_null();
}

std::string either(const std::vector<std::string>& types) {
  std::vector<std::string> words;
  for (const std::string& type : types) words.push_back(article(type));
  return fmt::format("{}", fmt::join(words, " or "));
}

std::string unit_of(const Json& schema) {
  const auto unit = schema.find("unit");
  return unit != schema.end() && unit->is_string() ? unit->get<std::string>() : "";
}

std::string describe_form(const Json& form) {
  for (const char* keyword : {"title", "description"}) {
    const auto words = form.find(keyword);
    if (words != form.end() && words->is_string()) return words->get<std::string>();
  }
  if (form.contains("const")) return show_value(form.at("const"));
  if (form.contains("enum")) return "one of " + show_value(form.at("enum"));
  return either(type_names(form));
}

std::string show_value(const Json& value) {
  constexpr std::size_t kLength = 60;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kLength) return text;
  std::size_t cut = kLength;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  return text.substr(0, cut) + "...";
}

Trace trace_at(const Json& value, std::string key, const Place& place) {
  Trace trace;
  trace.key = std::move(key);
  trace.key_place = trace.place = place;
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) trace.put_member(trace_at(member, name, place));
  } else if (value.is_array()) {
    for (const Json& item : value) {
      trace.children.push_back(trace_at(item, "", place));
      trace.children.back().order = trace.next_order++;
    }
  }
  return trace;
}

}  // namespace caddie::manifest
