#include "core/plugins/claims.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/base/text.hpp"

namespace caddie::plugins {
namespace {

using Json = nlohmann::json;

Error bad(const std::string& where, std::string text) { return {Code::argument, where, std::move(text)}; }

Result<std::vector<std::string>> read_texts(const Json& json, const std::string& where) {
  std::vector<std::string> texts;
  const Json list = json.is_array() ? json : Json::array({json});
  for (const Json& entry : list) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty()) {
      return bad(where, fmt::format("{} is not a name; give a text or a list of texts", entry.dump()));
    }
    texts.push_back(entry.get<std::string>());
  }
  if (texts.empty()) return bad(where, "the list is empty and would claim nothing; name something, or remove the key");
  return texts;
}

Result<std::vector<int>> read_layers(const Json& json, const std::string& where) {
  std::vector<int> layers;
  const Json list = json.is_array() ? json : Json::array({json});
  for (const Json& entry : list) {
    const bool fits = entry.is_number_integer() && entry >= 0 && entry <= std::numeric_limits<int>::max();
    if (!fits) return bad(where, fmt::format("{} is not the number of a layer; layers count from 0", entry.dump()));
    layers.push_back(entry.get<int>());
  }
  if (layers.empty()) return bad(where, "the list is empty and would claim nothing; name a layer, or remove the key");
  return layers;
}

Result<std::int64_t> read_count(const Json& json, const std::string& where) {
  const bool fits = json.is_number_integer() && json >= 0 && json <= std::numeric_limits<std::int64_t>::max();
  if (!fits) return bad(where, fmt::format("{} is not a number of elements", json.dump()));
  return json.get<std::int64_t>();
}

template <class T>
bool any_or_empty(const std::vector<T>& list, auto&& test) {
  return list.empty() || std::any_of(list.begin(), list.end(), test);
}

std::string quoted(std::span<const std::string> texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) out.push_back(fmt::format("\"{}\"", text));
  return fmt::format("{}", fmt::join(out, " or "));
}

// The roles that occur, for claims that take nothing.
std::string roles_of(std::span<const TensorKey> tensors) {
  std::set<std::string> roles;
  for (const TensorKey& tensor : tensors) roles.emplace(tensor.role);
  return fmt::format("{}", fmt::join(roles, ", "));
}

// Which claimants want a tensor; the one for the rest only when nobody else does.
std::vector<std::size_t> wanted_by(const TensorKey& tensor, std::span<const Claimant> claimants) {
  std::vector<std::size_t> wanted;
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < claimants.size(); ++i) {
    if (!claimants[i].claims.matches(tensor)) continue;
    (claimants[i].claims.rest() ? rest : wanted).push_back(i);
  }
  return wanted.empty() ? rest : wanted;
}

}  // namespace

Result<Claims> Claims::from_json(const Json& json, const std::string& where) {
  Claims claims;
  if (json.is_null()) return claims;
  if (!json.is_object()) return bad(where, fmt::format("claims are an object, not {}", json.type_name()));
  static const std::vector<std::string> known = {"role", "name", "except", "layers", "min_elements", "max_elements"};
  for (const auto& [key, value] : json.items()) {
    const std::string at = where + "/" + key;
    if (key == "role" || key == "name" || key == "except") {
      auto texts = read_texts(value, at);
      if (!texts) return texts.error();
      (key == "role" ? claims.roles : key == "name" ? claims.names : claims.except) = std::move(*texts);
    } else if (key == "layers") {
      auto layers = read_layers(value, at);
      if (!layers) return layers.error();
      claims.layers = std::move(*layers);
    } else if (key == "min_elements" || key == "max_elements") {
      auto count = read_count(value, at);
      if (!count) return count.error();
      (key == "min_elements" ? claims.min_elements : claims.max_elements) = *count;
    } else {
      return bad(at, fmt::format("claims know no \"{}\"{}; they know {}", key, did_you_mean(key, known),
                                 fmt::join(known, ", ")));
    }
  }
  if (claims.min_elements > claims.max_elements) return bad(where, "min_elements is above max_elements; nothing fits");
  return claims;
}

bool Claims::rest() const {
  const Claims everything;
  return roles.empty() && names.empty() && layers.empty() && min_elements == everything.min_elements &&
         max_elements == everything.max_elements;
}

bool Claims::matches(const TensorKey& tensor) const {
  return any_or_empty(roles, [&](const std::string& role) { return role == tensor.role; }) &&
         any_or_empty(names, [&](const std::string& glob) { return matches_glob(glob, tensor.name); }) &&
         any_or_empty(layers, [&](int layer) { return layer == tensor.layer; }) && tensor.elements >= min_elements &&
         tensor.elements <= max_elements &&
         std::ranges::none_of(except, [&](const std::string& glob) { return matches_glob(glob, tensor.name); });
}

std::string Claims::text() const {
  std::vector<std::string> parts;
  if (!roles.empty()) parts.push_back("role " + quoted(roles));
  if (!names.empty()) parts.push_back("name " + quoted(names));
  if (!layers.empty()) parts.push_back(fmt::format("layer {}", fmt::join(layers, " or ")));
  const Claims everything;
  if (min_elements != everything.min_elements) parts.push_back(fmt::format("at least {} elements", min_elements));
  if (max_elements != everything.max_elements) parts.push_back(fmt::format("at most {} elements", max_elements));
  if (parts.empty()) parts.emplace_back("the rest");
  if (!except.empty()) parts.push_back("but not name " + quoted(except));
  return fmt::format("{}", fmt::join(parts, ", "));
}

Result<std::vector<std::size_t>> assign_owners(std::span<const TensorKey> tensors, std::span<const Claimant> claimants,
                                               std::string_view kind) {
  std::vector<std::string> problems;
  std::vector<std::size_t> owners(tensors.size());
  std::vector<std::size_t> taken(claimants.size());
  std::vector<std::string> unclaimed;

  std::vector<std::string> rest;
  for (const Claimant& claimant : claimants) {
    if (claimant.claims.rest()) rest.push_back(claimant.instance);
  }
  if (rest.size() > 1) {
    problems.push_back(
        fmt::format("the {}s {} all ask for the rest; give claims to all but one", kind, fmt::join(rest, ", ")));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::vector<std::size_t> wanted = wanted_by(tensors[i], claimants);
    for (const std::size_t claimant : wanted) ++taken[claimant];
    if (wanted.empty()) {
      unclaimed.emplace_back(tensors[i].name);
    } else if (wanted.size() == 1 || claimants[wanted.front()].claims.rest()) {
      owners[i] = wanted.front();
    } else {
      std::vector<std::string> names;
      for (const std::size_t claimant : wanted) names.push_back(claimants[claimant].instance);
      problems.push_back(
          fmt::format("{} is claimed by {}; one {} may own it", tensors[i].name, fmt::join(names, " and "), kind));
    }
  }
  if (!unclaimed.empty()) {
    problems.push_back(
        fmt::format("no {} claims {}; widen the claims of one, or add one with empty claims for the rest", kind,
                    fmt::join(unclaimed, ", ")));
  }
  for (std::size_t i = 0; i < claimants.size(); ++i) {
    if (taken[i] > 0 || claimants[i].allow_inert) continue;
    problems.push_back(
        fmt::format("the {} {} takes nothing (it claims {}; roles here: {}); correct its claims, or remove it", kind,
                    claimants[i].instance, claimants[i].claims.text(), roles_of(tensors)));
  }
  if (!problems.empty()) return Error{Code::argument, "", fmt::format("{}", fmt::join(problems, ". "))};
  return owners;
}

}  // namespace caddie::plugins
