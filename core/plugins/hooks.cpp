#include "core/plugins/hooks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caddie::plugins {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) list.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

HookInfo parse(std::string_view name, HookKind kind, std::string_view values, std::string_view context, HookPlace place,
               std::string_view text) {
  HookInfo hook{name, kind, {}, {}, words(context), place, text};
  if (const std::size_t arrow = values.find("->"); arrow != std::string_view::npos) {
    hook.inputs = words(values.substr(0, arrow));
    hook.outputs = words(values.substr(arrow + 2));
  } else {
    hook.inputs = words(values);
    hook.outputs = hook.inputs;
  }
  return hook;
}

const std::vector<HookInfo>& table() {
  static const std::vector<HookInfo> hooks = {
#define CADDIE_HOOK(name, kind, values, context, where, text) \
  parse(name, HookKind::kind, values, context, HookPlace::where, text),
#include "core/plugins/hooks.def"
#undef CADDIE_HOOK
  };
  return hooks;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string kind_name(HookKind kind) {
  switch (kind) {
    case HookKind::plan: return "plan";
    case HookKind::provide: return "provide";
    case HookKind::chain: return "chain";
    case HookKind::init: return "init";
  }
  return "";
}

std::string values_text(const HookInfo& hook) {
  if (hook.kind == HookKind::plan) return "the plan";
  if (hook.kind == HookKind::init) return "the initial value";
  std::string text = joined(hook.inputs);
  if (hook.kind == HookKind::provide) text += " → " + joined(hook.outputs);
  return text;
}

std::string escaped(std::string_view text) {  // inside a table of Markdown
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

constexpr std::string_view kIntroduction = R"(# Hooks

A model is a flow of values through these points, in about this order. A block attaches functions to hooks; a block may
also open hooks, as attention opens `attn.qk`. This page is made from `core/plugins/hooks.def`.

- **plan**: blocks change the plan in turn.
- **init**: blocks change how a parameter starts, in turn.
- **provide**: exactly one block supplies the values after the arrow; two for the same layer is an error.
- **chain**: every attached block transforms the values, low phases first, within a phase in the manifest's order.

A function is given the values and then the context, which it reads and does not give back; it may take fewer, from the
left. Hooks with the place *layer* run at every visit of a layer, and a manifest entry's `"layers"` applies to them.
Letters: B batch, T time, D model (in heads: the width of a head), H heads, K key/value heads, V vocabulary.

)";

}  // namespace

std::span<const HookInfo> all_hooks() { return table(); }

const HookInfo* find_hook(std::string_view name) {
  const auto found = std::ranges::find(table(), name, &HookInfo::name);
  return found == table().end() ? nullptr : &*found;
}

std::string hooks_markdown() {
  std::string page(kIntroduction);
  page += "| hook | kind | values | context | place | meaning |\n|---|---|---|---|---|---|\n";
  for (const HookInfo& hook : table()) {
    page += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", hook.name, kind_name(hook.kind), values_text(hook),
                        joined(hook.context), hook.place == HookPlace::layer ? "layer" : "model", escaped(hook.text));
  }
  return page;
}

}  // namespace caddie::plugins
