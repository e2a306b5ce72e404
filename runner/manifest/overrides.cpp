#include "runner/manifest/overrides.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "core/base/text.hpp"
#include "runner/manifest/json_scanner.hpp"
#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

using Steps = std::vector<std::string>;

Steps split_dots(std::string_view path) {
  Steps steps(1);
  for (const char letter : path) {
    if (letter == '.') {
      steps.emplace_back();
    } else {
      steps.back() += letter;
    }
  }
  return steps;
}

std::optional<std::size_t> as_index(std::string_view step) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  if (error != std::errc() || end != step.data() + step.size()) return std::nullopt;
  return index;
}

class Overrider {
 public:
  Overrider(Merged& merged, const Override& change)
      : merged_(merged), change_(change), place_(Place::of(Place::Kind::command_line, change.as_option())) {}

  void apply() {
    if (!is_utf8(change_.text) || change_.text.find('\0') != std::string::npos) {
      place_ = Place::of(Place::Kind::command_line, "command line");
      return report("", "an option holds bytes that are not UTF-8 text");
    }
    switch (change_.kind) {
      case Override::Kind::set:
        return set();
      case Override::Kind::unset:
        return unset();
      case Override::Kind::disable:
        return disable();
      case Override::Kind::enable:
        return enable();
      case Override::Kind::seed:
        return set_path({"seed"}, change_.text);
    }
  }

 private:
  void report(std::string pointer, std::string message) {
    merged_.issues.push_back({Issue::Kind::override_error, place_, std::move(pointer), std::move(message)});
  }

  void set() {
    const std::size_t equals = change_.text.find('=');
    if (equals == std::string::npos) return report("", "needs path=value, for example train.steps=100");
    const Steps steps = split_dots(std::string_view(change_.text).substr(0, equals));
    if (std::find(steps.begin(), steps.end(), "") != steps.end()) {
      return report("", "the path has an empty name; write names with single dots between them");
    }
    if (steps.size() >= static_cast<std::size_t>(kMaxNesting)) return report("", "the path is too deep");
    set_path(steps, std::string_view(change_.text).substr(equals + 1));
  }

  // JSON when it reads as such. Text that begins like JSON and is none is an issue, not a string.
  bool read_value(const Steps& steps, std::string_view text, Document& out) {
    ParsedDocument parsed = parse_document_at(text, place_);
    if (parsed.ok()) {
      out = std::move(parsed.document);
      return true;
    }
    const std::size_t first = text.find_first_not_of(" \t");
    const char letter = first == std::string_view::npos ? 'x' : text[first];
    if (letter == '{' || letter == '[' || letter == '"') {
      report(pointer_of(steps), "the value is not JSON: " + parsed.issues.front().message);
      return false;
    }
    out.value = std::string(text);
    out.trace = Trace();
    out.trace.place = place_;
    return true;
  }

  void set_path(const Steps& steps, std::string_view text) {
    Document leaf;
    if (!read_value(steps, text, leaf)) return;
    if (steps.size() == 1 && (steps[0] == "extends" || steps[0] == "$schema")) {
      return report(pointer_of(steps), "cannot be set here; write it in the file");
    }
    if (set_in_list(steps, leaf)) return;
    Document patch = std::move(leaf);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      patch.trace.key = *step;
      patch.trace.key_place = place_;
      Trace outer;
      outer.place = place_;
      outer.put_member(std::move(patch.trace));
      Json object = Json::object();
      object[*step] = std::move(patch.value);
      patch = {std::move(object), std::move(outer)};
    }
    const Place file = merged_.document.trace.place;
    apply_patch(merged_, patch);
    merged_.document.trace.place = file;
  }

  // Whether the path goes through a list; then the item is replaced, or the reason why not reported.
  bool set_in_list(const Steps& steps, Document& leaf) {
    Json* value = &merged_.document.value;
    Trace* trace = &merged_.document.trace;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (value->is_array()) return replace_item(steps, i, *value, *trace, leaf);
      if (!value->is_object() || !value->contains(steps[i])) return false;
      value = &value->at(steps[i]);
      trace = trace->member(steps[i]);
    }
    return false;
  }

  bool replace_item(const Steps& steps, std::size_t at, Json& list, Trace& trace, Document& leaf) {
    const std::optional<std::size_t> index = as_index(steps[at]);
    if (!index || *index >= list.size()) {
      report(pointer_of(steps),
             fmt::format("\"{}\" is no item of a list of {}; items count from 0", steps[at], list.size()));
      return true;
    }
    if (at + 1 != steps.size()) {
      report(pointer_of(steps), "a path cannot go on inside a list's item; set the whole item");
      return true;
    }
    leaf.trace.order = trace.children[*index].order;
    leaf.trace.key_place = place_;
    list[*index] = std::move(leaf.value);
    trace.children[*index] = std::move(leaf.trace);
    trace.place = place_;
    return true;
  }

  void unset() {
    const Steps steps = split_dots(change_.text);
    const Json* value = &merged_.document.value;
    for (const std::string& step : steps) {
      if (!value->is_object())
        return report(pointer_of(steps), "there is nothing to unset: the path leads into a value");
      if (!value->contains(step)) {
        Steps known;
        for (const auto& [key, child] : value->items()) known.push_back(key);
        return report(pointer_of(steps),
                      fmt::format("there is nothing to unset: no \"{}\" here{}", step, did_you_mean(step, known)));
      }
      value = &value->at(step);
    }
    remove_at(merged_, steps);
  }

  // Steps of all entries of the manifest.
  std::vector<Steps> entries() const {
    std::vector<Steps> found;
    for (const Section& section : plugin_sections()) {
      const auto at = merged_.document.value.find(section.name);
      if (at == merged_.document.value.end() || !at->is_object()) continue;
      if (!section.keyed) {
        found.push_back({std::string(section.name)});
        continue;
      }
      for (const auto& [name, entry] : at->items()) found.push_back({std::string(section.name), name});
    }
    return found;
  }

  bool is_named(const Steps& entry) const {
    return entry.back() == change_.text || fmt::format("{}", fmt::join(entry, ".")) == change_.text;
  }

  bool uses(const Steps& entry) const {
    const Json* value = &merged_.document.value;
    for (const std::string& step : entry) value = &value->at(step);
    if (!value->is_object()) return false;
    const auto use = value->find("use");
    return use != value->end() && *use == change_.text;
  }

  // A block whose parameters have an optimizer of the block's name: one technique in two entries.
  static bool is_block_with_optimizer(const std::vector<Steps>& hits) {
    const auto in = [&](const char* section) {
      return std::any_of(hits.begin(), hits.end(), [&](const Steps& hit) { return hit.size() == 2 && hit.front() == section; });
    };
    return hits.size() == 2 && hits[0].back() == hits[1].back() && in("blocks") && in("optimizers");
  }

  void disable() {
    const std::vector<Steps> all = entries();
    std::vector<Steps> hits;
    std::copy_if(all.begin(), all.end(), std::back_inserter(hits), [&](const Steps& entry) { return is_named(entry); });
    if (hits.empty()) {
      std::copy_if(all.begin(), all.end(), std::back_inserter(hits), [&](const Steps& entry) { return uses(entry); });
    }
    if (hits.size() == 1 || is_block_with_optimizer(hits)) {
      for (const Steps& hit : hits) remove_at(merged_, hit);
      return;
    }
    if (hits.empty()) {
      return report("", fmt::format("no plugin entry is named \"{}\"{}", change_.text,
                                    did_you_mean(change_.text, names_of(all))));
    }
    report("", ambiguous(hits));
  }

  void enable() {
    std::vector<Removed>& removed = merged_.removed;
    std::vector<Steps> hits;
    std::vector<Steps> all;
    for (const Removed& entry : removed) {
      all.push_back(entry.steps);
      if (is_named(entry.steps) && std::find(hits.begin(), hits.end(), entry.steps) == hits.end()) {
        hits.push_back(entry.steps);
      }
    }
    if (hits.size() > 1) return report("", ambiguous(hits));
    if (hits.empty()) return report("", not_removed(all));
    const auto last = std::find_if(removed.rbegin(), removed.rend(),
                                   [&](const Removed& entry) { return entry.steps == hits.front(); });
    Removed entry = std::move(*last);
    std::erase_if(removed, [&](const Removed& other) { return other.steps == hits.front(); });
    restore(std::move(entry));
  }

  void restore(Removed entry) {
    Json* value = &merged_.document.value;
    Trace* trace = &merged_.document.trace;
    if (entry.steps.size() == 2) {
      const std::string& section = entry.steps.front();
      if (!value->contains(section) || !value->at(section).is_object()) {
        (*value)[section] = Json::object();
        Trace fresh;
        fresh.key = section;
        fresh.key_place = fresh.place = place_;
        trace->put_member(std::move(fresh));
      }
      value = &value->at(section);
      trace = trace->member(section);
    }
    (*value)[entry.steps.back()] = std::move(entry.value);
    const std::uint32_t order = entry.trace.order;
    trace->put_member(std::move(entry.trace)).order = order;  // back where it stood
  }

  std::string not_removed(const std::vector<Steps>& removed) const {
    const std::vector<Steps> present = entries();
    if (std::any_of(present.begin(), present.end(), [&](const Steps& entry) { return is_named(entry); })) {
      return fmt::format("\"{}\" is on already; leave the option out", change_.text);
    }
    const std::string near = did_you_mean(change_.text, names_of(removed));
    return fmt::format("no entry \"{}\" was switched off by a manifest{}", change_.text,
                       near.empty() ? "; add it with --set blocks.NAME.use=PLUGIN" : near);
  }

  std::string ambiguous(const std::vector<Steps>& hits) const {
    Steps names;
    for (const Steps& hit : hits) names.push_back(fmt::format("{}", fmt::join(hit, ".")));
    return fmt::format("\"{}\" is several entries; say which: {}", change_.text, fmt::join(names, ", "));
  }

  static Steps names_of(const std::vector<Steps>& entries) {
    Steps names;
    for (const Steps& entry : entries) names.push_back(entry.back());
    return names;
  }

  Merged& merged_;
  const Override& change_;
  Place place_;
};

}  // namespace

std::string Override::as_option() const {
  switch (kind) {
    case Kind::set:
      return "--set " + text;
    case Kind::unset:
      return "--unset " + text;
    case Kind::disable:
      return "--disable " + text;
    case Kind::enable:
      return "--enable " + text;
    case Kind::seed:
      return "--seed " + text;
  }
  return text;
}

void apply_overrides(Merged& merged, std::span<const Override> overrides) {
  for (const Override& change : overrides) Overrider(merged, change).apply();
}

}  // namespace caddie::manifest
