// The table of hooks (hooks.def) and what blocks attach to it. Constant data and plain values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caddie/abi.h"

namespace caddie::plugins {

enum class HookKind { plan, provide, chain, init };
enum class HookPlace { model, layer };

struct HookInfo {
  std::string_view name;
  HookKind kind = HookKind::chain;
  std::vector<std::string> inputs;   // values a function is given; for a chain also those it gives back
  std::vector<std::string> outputs;
  std::vector<std::string> context;  // further inputs, after `inputs`
  HookPlace place = HookPlace::model;
  std::string_view text;
};

std::span<const HookInfo> all_hooks();
const HookInfo* find_hook(std::string_view name);
// docs/hooks.md.
std::string hooks_markdown();

// One function at one hook.
struct Attachment {
  std::string hook = {};
  HookKind kind = HookKind::chain;
  std::int32_t phase = 0;
  caddie_hook_function function = nullptr;
  caddie_plan_function plan = nullptr;
  caddie_init_function init = nullptr;
  void* user = nullptr;
};

}  // namespace caddie::plugins
