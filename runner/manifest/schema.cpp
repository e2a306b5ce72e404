#include "runner/manifest/schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/text.hpp"
#include "runner/manifest/schema_numbers.hpp"
#include "runner/manifest/schema_words.hpp"
#include "runner/manifest/units.hpp"

namespace caddie::manifest {
namespace {

using Kind = Issue::Kind;

class Validator {
 public:
  Validator(const Place& default_place, Findings& findings) : default_place_(default_place), findings_(findings) {}

  void check(const Json& schema, Json& value, Trace& trace, const std::string& pointer) {
    if (!read_unit(schema, value, trace, pointer)) return;
    if (!check_type(schema, value, trace, pointer)) return;
    check_choice(schema, value, trace, pointer);
    if (value.is_number()) check_number(schema, value, trace, pointer);
    if (value.is_string()) {
      check_length(schema, "minLength", "character", value.get_ref<const std::string&>().size(), trace, pointer);
    }
    if (value.is_array()) check_array(schema, value, trace, pointer);
    if (value.is_object()) check_object(schema, value, trace, pointer);
    check_forms(schema, value, trace, pointer);
  }

 private:
  void report(Kind kind, const Place& place, const Trace& trace, const std::string& pointer, std::string message) {
    if (trace.stale) message += "; it was set for another plugin: set it anew, or delete it with null";
    findings_.issues.push_back({kind, place, pointer, std::move(message)});
  }

  // "10min" -> 600.0 where the schema gives a unit.
  bool read_unit(const Json& schema, Json& value, const Trace& trace, const std::string& pointer) {
    const std::string unit = unit_of(schema);
    if (!value.is_string() || (unit != "seconds" && unit != "bytes")) return true;
    if (has_type(type_names(schema), "string")) return true;
    const std::string& text = value.get_ref<const std::string&>();
    Json number;
    std::string problem;
    if (unit == "seconds") {
      const Result<double> seconds = parse_seconds(text);
      seconds ? void(number = *seconds) : void(problem = seconds.error().text);
    } else {
      const Result<std::int64_t> bytes = parse_byte_count(text);
      bytes ? void(number = *bytes) : void(problem = bytes.error().text);
    }
    if (!problem.empty()) {
      report(Kind::form, trace.place, trace, pointer, problem);
      return false;
    }
    value = std::move(number);
    return true;
  }

  bool check_type(const Json& schema, Json& value, const Trace& trace, const std::string& pointer) {
    const std::vector<std::string> types = type_names(schema);
    if (types.empty()) return true;
    const bool fits =
        std::any_of(types.begin(), types.end(), [&](const auto& type) { return is_of_type(value, type); });
    if (!fits) {
      std::string hint;
      if (value.is_string() && (has_type(types, "number") || has_type(types, "integer"))) {
        hint = "; write it without quotes";
      }
      const std::string unit = unit_of(schema);
      const std::string in_unit = unit.empty() ? "" : fmt::format(" ({})", unit);
      report(Kind::type, trace.place, trace, pointer,
             fmt::format("must be {}{}, is {}{}", either(types), in_unit, show_value(value), hint));
      return false;
    }
    if (value.is_number()) normalise_number(types, value);
    return true;
  }

  static void normalise_number(const std::vector<std::string>& types, Json& value) {
    const std::optional<std::int64_t> whole = whole_number(value);
    if (whole && has_type(types, "integer")) {
      value = *whole;
    } else if (has_type(types, "number")) {
      value = value.get<double>() + 0.0;  // -0.0 becomes 0.0
    }
  }

  void check_choice(const Json& schema, const Json& value, const Trace& trace, const std::string& pointer) {
    if (const auto only = schema.find("const"); only != schema.end() && value != *only) {
      report(Kind::range, trace.place, trace, pointer,
             fmt::format("must be {}, is {}", show_value(*only), show_value(value)));
    }
    const auto choices = schema.find("enum");
    if (choices == schema.end() || std::find(choices->begin(), choices->end(), value) != choices->end()) return;
    std::vector<std::string> shown;
    std::vector<std::string> names;
    for (const Json& choice : *choices) {
      shown.push_back(show_value(choice));
      if (choice.is_string()) names.push_back(choice.get<std::string>());
    }
    const std::string near = value.is_string() ? did_you_mean(value.get_ref<const std::string&>(), names) : "";
    report(Kind::range, trace.place, trace, pointer,
           fmt::format("must be one of {}; is {}{}", fmt::join(shown, ", "), show_value(value), near));
  }

  void check_number(const Json& schema, const Json& value, const Trace& trace, const std::string& pointer) {
    const std::string unit = unit_of(schema);
    const auto limit = [&](const char* keyword, const char* words, auto fits) {
      const auto bound = schema.find(keyword);
      if (bound == schema.end() || fits(compare_numbers(value, *bound))) return;
      report(Kind::range, trace.place, trace, pointer,
             fmt::format("must be {} {}{}{}, is {}", words, show_value(*bound), unit.empty() ? "" : " ", unit,
                         show_value(value)));
    };
    limit("minimum", "at least", [](int order) { return order >= 0; });
    limit("maximum", "at most", [](int order) { return order <= 0; });
    limit("exclusiveMinimum", "more than", [](int order) { return order > 0; });
    limit("exclusiveMaximum", "less than", [](int order) { return order < 0; });
    const auto step = schema.find("multipleOf");
    if (step != schema.end() && !is_multiple(value, *step)) {
      report(Kind::range, trace.place, trace, pointer,
             fmt::format("must be a multiple of {}, is {}", show_value(*step), show_value(value)));
    }
  }

  // minItems, maxItems, minLength; `what` names the things counted.
  void check_length(const Json& schema, const char* keyword, std::string_view what, std::size_t length,
                    const Trace& trace, const std::string& pointer) {
    const auto bound = schema.find(keyword);
    if (bound == schema.end()) return;
    const std::size_t limit = bound->get<std::size_t>();
    const bool least = std::string_view(keyword).substr(0, 3) == "min";
    if (least ? length >= limit : length <= limit) return;
    report(Kind::range, trace.place, trace, pointer,
           fmt::format("must have at {} {} {}{}, has {}", least ? "least" : "most", limit, what, limit == 1 ? "" : "s",
                       length));
  }

  void check_array(const Json& schema, Json& value, Trace& trace, const std::string& pointer) {
    check_length(schema, "minItems", "item", value.size(), trace, pointer);
    check_length(schema, "maxItems", "item", value.size(), trace, pointer);
    const auto items = schema.find("items");
    if (items == schema.end()) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
      check(*items, value[i], trace.children[i], fmt::format("{}/{}", pointer, i));
    }
  }

  void check_object(const Json& schema, Json& value, Trace& trace, const std::string& pointer) {
    const auto properties = schema.find("properties");
    if (properties != schema.end()) fill_defaults(*properties, value, trace);
    check_required(schema, value, trace, pointer);
    std::vector<std::string> keys;
    for (const Trace* member : trace.in_written_order()) keys.push_back(member->key);
    for (const std::string& key : keys) {
      const std::string at = pointer + "/" + pointer_step(key);
      const bool known = properties != schema.end() && properties->contains(key);
      if (known) {
        check(properties->at(key), value[key], *trace.member(key), at);
      } else {
        check_other_key(schema, key, value, trace, at);
      }
    }
  }

  void fill_defaults(const Json& properties, Json& value, Trace& trace) const {
    for (const auto& [key, property] : properties.items()) {
      if (value.contains(key) || !property.contains("default")) continue;
      value[key] = property.at("default");
      trace.put_member(trace_at(property.at("default"), key, default_place_));
    }
  }

  void check_required(const Json& schema, const Json& value, const Trace& trace, const std::string& pointer) {
    const auto required = schema.find("required");
    if (required == schema.end()) return;
    for (const Json& name : *required) {
      const std::string& key = name.get_ref<const std::string&>();
      if (value.contains(key)) continue;
      report(Kind::missing_key, trace.place, trace, pointer, fmt::format("the key \"{}\" is missing; add it", key));
    }
  }

  // A key outside "properties".
  void check_other_key(const Json& schema, const std::string& key, Json& value, Trace& trace, const std::string& at) {
    const auto others = schema.find("additionalProperties");
    if (others != schema.end() && others->is_object()) return check(*others, value[key], *trace.member(key), at);
    const bool strict = others != schema.end() ? *others == false : schema.contains("properties");
    if (!strict) return;
    const Trace& member = *trace.member(key);
    if (member.stale) {
      findings_.notes.push_back(
          {Kind::note, member.key_place, at, fmt::format("dropped \"{}\", which was set for another plugin", key)});
      value.erase(key);
      trace.erase_member(key);
      return;
    }
    std::vector<std::string> known;
    const auto properties = schema.find("properties");
    if (properties != schema.end()) {
      for (const auto& [name, property] : properties->items()) known.push_back(name);
    }
    std::string near = did_you_mean(key, known);
    if (near.empty())
      near = known.empty() ? "; no key is known here" : fmt::format("; known are {}", fmt::join(known, ", "));
    report(Kind::unknown_key, member.key_place, member, at, fmt::format("unknown key \"{}\"{}", key, near));
  }

  // oneOf and anyOf.
  void check_forms(const Json& schema, Json& value, Trace& trace, const std::string& pointer) {
    for (const char* keyword : {"oneOf", "anyOf"}) {
      const auto forms = schema.find(keyword);
      if (forms != schema.end()) check_alternatives(*forms, keyword[0] == 'o', value, trace, pointer);
    }
  }

  struct Attempt {
    Json value;
    Trace trace;
    Findings findings;
    bool wrong_type = false;
  };

  Attempt attempt(const Json& form, const Json& value, const Trace& trace, const std::string& pointer) const {
    Attempt tried{value, trace, {}, false};
    Validator(default_place_, tried.findings).check(form, tried.value, tried.trace, pointer);
    const auto& issues = tried.findings.issues;
    tried.wrong_type = std::any_of(issues.begin(), issues.end(), [&](const Issue& issue) {
      return issue.kind == Kind::type && issue.pointer == pointer;
    });
    return tried;
  }

  void check_alternatives(const Json& forms, bool exactly_one, Json& value, Trace& trace, const std::string& pointer) {
    std::vector<Attempt> near;
    std::optional<Attempt> fit;
    int fits = 0;
    for (const Json& form : forms) {
      Attempt tried = attempt(form, value, trace, pointer);
      if (tried.findings.issues.empty()) {
        if (++fits == 1) fit = std::move(tried);
      } else if (!tried.wrong_type) {
        near.push_back(std::move(tried));
      }
    }
    if (fits > 1 && exactly_one) {
      return report(Kind::conflict, trace.place, trace, pointer,
                    fmt::format("{} fits {} of the allowed forms; it must fit one", show_value(value), fits));
    }
    if (fits > 0) return accept(std::move(*fit), value, trace);
    if (near.size() == 1) {
      std::move(near[0].findings.issues.begin(), near[0].findings.issues.end(), std::back_inserter(findings_.issues));
      return;
    }
    std::vector<std::string> shown;
    for (const Json& form : forms) shown.push_back(describe_form(form));
    report(Kind::type, trace.place, trace, pointer,
           fmt::format("{} fits none of the allowed forms: {}", show_value(value), fmt::join(shown, "; ")));
  }

  void accept(Attempt fit, Json& value, Trace& trace) {
    value = std::move(fit.value);
    trace = std::move(fit.trace);
    std::move(fit.findings.notes.begin(), fit.findings.notes.end(), std::back_inserter(findings_.notes));
  }

  const Place& default_place_;
  Findings& findings_;
};

}  // namespace

void validate(const Json& schema, Json& value, Trace& trace, const std::string& pointer, const Place& default_place,
              Findings& findings) {
  Validator(default_place, findings).check(schema, value, trace, pointer);
}

}  // namespace caddie::manifest
