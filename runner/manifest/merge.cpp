#include "runner/manifest/merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

// Values of the same level as a new "use" stay fresh: the command line is one level, a file is applied once.
void mark_stale(Trace& trace, bool spare_command_line) {
  if (!spare_command_line || trace.place.kind != Place::Kind::command_line) trace.stale = true;
  for (Trace& child : trace.children) mark_stale(child, spare_command_line);
}

class Patcher {
 public:
  explicit Patcher(Merged& into) : into_(into) {}

  // Both are objects. `steps` lead to `base`.
  void merge(Json& base, Trace& base_trace, const Json& patch, const Trace& patch_trace) {
    if (is_entry_path(steps_)) note_new_plugin(base, base_trace, patch, patch_trace);
    for (const Trace* member : patch_trace.in_written_order()) {
      const Json& value = patch.at(member->key);
      steps_.push_back(member->key);
      if (value.is_null()) {
        erase(base, base_trace, *member);
      } else if (value.is_object()) {
        merge_object(base, base_trace, value, *member);
      } else {
        base[member->key] = value;
        base_trace.put_member(*member);
        forget_removed();
      }
      steps_.pop_back();
    }
  }

 private:
  void merge_object(Json& base, Trace& base_trace, const Json& value, const Trace& member) {
    Json& target = base[member.key];
    Trace* target_trace = base_trace.member(member.key);
    if (!target.is_object() || target_trace == nullptr) {
      target = Json::object();
      Trace fresh;
      fresh.key = member.key;
      target_trace = &base_trace.put_member(std::move(fresh));
    }
    target_trace->key_place = member.key_place;
    target_trace->place = member.place;
    target_trace->stale = false;
    forget_removed();
    merge(target, *target_trace, value, member);
  }

  void erase(Json& base, Trace& base_trace, const Trace& member) {
    if (!base.contains(member.key)) {
      into_.issues.push_back({Issue::Kind::nothing_to_delete, member.key_place, pointer_of(steps_),
                              fmt::format("null deletes nothing: no parent has \"{}\" here{}; remove this line",
                                          member.key, did_you_mean(member.key, keys_of(base)))});
      return;
    }
    remember(base.at(member.key), *base_trace.member(member.key));
    base.erase(member.key);
    base_trace.erase_member(member.key);
  }

  void remember(const Json& value, const Trace& trace) {
    if (is_entry_path(steps_) && value.is_object()) into_.removed.push_back({steps_, value, trace});
  }

  // A new entry in the place of a removed one takes its name.
  void forget_removed() {
    if (into_.removed.empty() || !is_entry_path(steps_)) return;
    std::erase_if(into_.removed, [this](const Removed& entry) { return entry.steps == steps_; });
  }

  static void note_new_plugin(const Json& base, Trace& base_trace, const Json& patch, const Trace& patch_trace) {
    const auto before = base.find("use");
    const auto after = patch.find("use");
    if (before == base.end() || after == patch.end() || *before == *after || after->is_null()) return;
    const bool command_line = patch_trace.member("use")->place.kind == Place::Kind::command_line;
    for (Trace& child : base_trace.children) mark_stale(child, command_line);
  }

  Merged& into_;
  std::vector<std::string> steps_;
};

}  // namespace

void apply_patch(Merged& into, const Document& patch) {
  into.document.trace.place = patch.trace.place;
  Patcher(into).merge(into.document.value, into.document.trace, patch.value, patch.trace);
}

bool remove_at(Merged& merged, std::span<const std::string> steps) {
  if (steps.empty()) return false;
  Json* value = &merged.document.value;
  Trace* trace = &merged.document.trace;
  for (const std::string& step : steps.first(steps.size() - 1)) {
    if (!value->is_object() || !value->contains(step)) return false;
    value = &value->at(step);
    trace = trace->member(step);
  }
  const std::string& last = steps.back();
  if (!value->is_object() || !value->contains(last)) return false;
  if (is_entry_path(steps) && value->at(last).is_object()) {
    merged.removed.push_back({{steps.begin(), steps.end()}, value->at(last), *trace->member(last)});
  }
  value->erase(last);
  trace->erase_member(last);
  return true;
}

}  // namespace caddie::manifest
