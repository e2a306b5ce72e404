// Whether a schema itself is usable: check_schema of schema.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/text.hpp"
#include "runner/manifest/schema.hpp"
#include "runner/manifest/schema_numbers.hpp"

namespace caddie::manifest {
namespace {

constexpr std::array<std::string_view, 7> kTypes = {"null",   "boolean", "integer", "number",
                                                    "string", "array",   "object"};

class SchemaChecker {
 public:
  // `part` is true for the alternatives of oneOf and anyOf, which may leave the type to the schema around them.
  void check(const Json& schema, const std::string& pointer, int depth, bool part) {
    if (depth > kMaxNesting) return report(pointer, fmt::format("nested deeper than {} levels", kMaxNesting));
    if (!schema.is_object()) return report(pointer, "a schema is an object");
    const std::size_t before = issues.size();
    for (const auto& [keyword, value] : schema.items()) check_keyword(keyword, value, pointer, depth);
    if (issues.size() != before) return;
    check_bounds(schema, pointer);
    if (!part) check_closed(schema, pointer);
    if (!part && issues.size() == before) check_default(schema, pointer);
  }

  std::vector<Issue> issues;

 private:
  void report(const std::string& pointer, std::string message) {
    issues.push_back({Issue::Kind::bad_schema, Place(), pointer, std::move(message)});
  }

  void check_keyword(const std::string& keyword, const Json& value, const std::string& pointer, int depth) {
    const std::string at = pointer + "/" + pointer_step(keyword);
    if (keyword == "type") return check_type(value, at);
    if (keyword == "properties") return check_properties(value, at, depth);
    if (keyword == "items") return check(value, at, depth + 1, false);
    if (keyword == "oneOf" || keyword == "anyOf") return check_forms(value, at, depth);
    if (keyword == "additionalProperties") {
      if (value.is_object()) return check(value, at, depth + 1, false);
      return expect(value == false, at, "must be false or a schema, for true would take keys that nobody reads");
    }
    if (keyword == "required") return expect(is_list_of_strings(value), at, "must be a list of key names");
    if (keyword == "enum")
      return expect(value.is_array() && !value.empty(), at, "must be a list with at least one value");
    if (keyword == "minItems" || keyword == "maxItems" || keyword == "minLength") {
      const auto number = whole_number(value);
      return expect(number && *number >= 0, at, "must be a whole number from 0 on");
    }
    if (keyword == "minimum" || keyword == "maximum" || keyword == "exclusiveMinimum" ||
        keyword == "exclusiveMaximum") {
      return expect(value.is_number(), at, "must be a number");
    }
    if (keyword == "multipleOf") {
      return expect(value.is_number() && value.get<double>() > 0, at, "must be a number above 0");
    }
    if (is_text_keyword(keyword)) return expect(value.is_string(), at, "must be a string");
    if (keyword == "default" || keyword == "const" || keyword == "examples") return;
    unknown_keyword(keyword, at);
  }

  static bool is_text_keyword(std::string_view keyword) {
    return keyword == "title" || keyword == "description" || keyword == "unit" || keyword == "$schema" ||
           keyword == "$id" || keyword == "$comment";
  }

  void unknown_keyword(const std::string& keyword, const std::string& at) {
    static const std::vector<std::string> kKeywords = {"type",
                                                       "properties",
                                                       "items",
                                                       "oneOf",
                                                       "anyOf",
                                                       "additionalProperties",
                                                       "enum",
                                                       "required",
                                                       "minItems",
                                                       "maxItems",
                                                       "minLength",
                                                       "minimum",
                                                       "maximum",
                                                       "default",
                                                       "exclusiveMinimum",
                                                       "exclusiveMaximum",
                                                       "multipleOf",
                                                       "description",
                                                       "title",
                                                       "unit",
                                                       "const",
                                                       "examples"};
    report(at, fmt::format("the keyword \"{}\" is not supported{}", keyword, did_you_mean(keyword, kKeywords)));
  }

  void expect(bool fine, const std::string& at, const char* message) {
    if (!fine) report(at, message);
  }

  static bool is_list_of_strings(const Json& value) {
    return value.is_array() &&
           std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_string(); });
  }

  void check_type(const Json& value, const std::string& at) {
    const auto known = [](const Json& name) {
      return name.is_string() &&
             std::find(kTypes.begin(), kTypes.end(), name.get_ref<const std::string&>()) != kTypes.end();
    };
    const bool list = value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), known);
    expect(known(value) || list, at,
           "must be null, boolean, integer, number, string, array or object, or a list of these");
  }

  void check_properties(const Json& value, const std::string& at, int depth) {
    if (!value.is_object()) return report(at, "must be an object");
    for (const auto& [key, property] : value.items()) check(property, at + "/" + pointer_step(key), depth + 1, false);
  }

  void check_forms(const Json& value, const std::string& at, int depth) {
    if (!value.is_array() || value.empty()) return report(at, "must be a list with at least one schema");
    for (std::size_t i = 0; i < value.size(); ++i) check(value[i], fmt::format("{}/{}", at, i), depth + 1, true);
  }

  void check_bounds(const Json& schema, const std::string& pointer) {
    for (const auto& [low, high] : {std::pair("minimum", "maximum"), std::pair("minItems", "maxItems")}) {
      if (schema.contains(low) && schema.contains(high) && compare_numbers(schema.at(low), schema.at(high)) > 0) {
        report(pointer, fmt::format("{} is above {}", low, high));
      }
    }
    if (!schema.contains("required")) return;
    for (const Json& name : schema.at("required")) {
      const bool known = schema.contains("properties") && schema.at("properties").contains(name.get<std::string>());
      if (!known)
        report(pointer + "/required", fmt::format("\"{}\" is not among the properties", name.get<std::string>()));
    }
  }

  // Nothing that would take anything at all.
  void check_closed(const Json& schema, const std::string& pointer) {
    const bool typed = schema.contains("type") || schema.contains("enum") || schema.contains("const") ||
                       schema.contains("oneOf") || schema.contains("anyOf");
    if (!typed) return report(pointer, "takes any value; give it a type");
    if (!schema.contains("type")) return;
    const Json& type = schema.at("type");
    const bool object =
        type == "object" || (type.is_array() && std::find(type.begin(), type.end(), "object") != type.end());
    const bool forms = schema.contains("oneOf") || schema.contains("anyOf");
    if (object && !forms && !schema.contains("properties") && !schema.contains("additionalProperties")) {
      report(pointer, "an object without properties takes any key; name its properties");
    }
  }

  void check_default(const Json& schema, const std::string& pointer) {
    if (!schema.contains("default")) return;
    Json value = schema.at("default");
    Trace trace = trace_at(value, "", Place());
    Findings findings;
    validate(schema, value, trace, "", Place(), findings);
    for (const Issue& issue : findings.issues) {
      report(pointer + "/default" + issue.pointer, "the default does not fit: " + issue.message);
    }
  }
};

}  // namespace

std::vector<Issue> check_schema(const Json& schema) {
  SchemaChecker checker;
  checker.check(schema, "", 0, false);
  return std::move(checker.issues);
}

std::vector<Issue> check_plugin_schema(const Json& schema) {
  std::vector<Issue> issues = check_schema(schema);
  if (!issues.empty()) return issues;
  if (schema.value("type", Json()) != "object" || !schema.contains("properties")) {
    issues.push_back({Issue::Kind::bad_schema, Place(), "", "the schema of a plugin is an object with \"properties\""});
  }
  return issues;
}

}  // namespace caddie::manifest
