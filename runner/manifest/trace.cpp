#include "runner/manifest/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace caddie::manifest {
namespace {

bool key_less(const Trace& child, std::string_view name) { return child.key < name; }

}  // namespace

Place Place::in_file(std::shared_ptr<const std::string> label, std::uint32_t line, std::uint32_t column) {
  return {Kind::file, line, column, std::move(label)};
}

Place Place::of(Kind kind, std::string source) {
  return {kind, 0, 0, std::make_shared<const std::string>(std::move(source))};
}

std::string Place::text() const {
  const std::string_view name = source ? std::string_view(*source) : std::string_view();
  switch (kind) {
    case Kind::file:
      return fmt::format("{}:{}:{}", name, line, column);
    case Kind::command_line:
      return std::string(name);
    case Kind::plugin_default:
      return fmt::format("plugin default ({})", name);
    case Kind::host_default:
      return "default";
    case Kind::derived:
      return fmt::format("derived from {}", name);
    case Kind::unknown:
      break;
  }
  return "?";
}

const Trace* Trace::member(std::string_view name) const {
  const auto at = std::lower_bound(children.begin(), children.end(), name, key_less);
  return at != children.end() && at->key == name ? &*at : nullptr;
}

Trace* Trace::member(std::string_view name) { return const_cast<Trace*>(std::as_const(*this).member(name)); }

Trace& Trace::put_member(Trace child) {
  const auto at = std::lower_bound(children.begin(), children.end(), std::string_view(child.key), key_less);
  if (at != children.end() && at->key == child.key) {
    child.order = at->order;
    *at = std::move(child);
    return *at;
  }
  child.order = next_order++;
  return *children.insert(at, std::move(child));
}

void Trace::erase_member(std::string_view name) {
  const auto at = std::lower_bound(children.begin(), children.end(), name, key_less);
  if (at != children.end() && at->key == name) children.erase(at);
}

std::vector<const Trace*> Trace::in_written_order() const {
  std::vector<const Trace*> sorted;
  sorted.reserve(children.size());
  for (const Trace& child : children) sorted.push_back(&child);
  std::sort(sorted.begin(), sorted.end(), [](const Trace* a, const Trace* b) { return a->order < b->order; });
  return sorted;
}

const Trace* find_trace(const Trace& root, std::string_view pointer) {
  const Trace* node = &root;
  for (const std::string& step : pointer_steps(pointer)) {
    if (const Trace* child = node->member(step)) {
      node = child;
      continue;
    }
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    const bool number = error == std::errc() && end == step.data() + step.size();
    if (!number || index >= node->children.size() || !node->children[index].key.empty()) return nullptr;
    node = &node->children[index];
  }
  return node;
}

std::string pointer_step(std::string_view key) {
  std::string step;
  for (const char letter : key) {
    if (letter == '~') {
      step += "~0";
    } else if (letter == '/') {
      step += "~1";
    } else {
      step += letter;
    }
  }
  return step;
}

std::string pointer_of(std::span<const std::string> steps) {
  std::string pointer;
  for (const std::string& step : steps) pointer += "/" + pointer_step(step);
  return pointer;
}

std::vector<std::string> pointer_steps(std::string_view pointer) {
  std::vector<std::string> steps;
  for (std::size_t at = 0; at < pointer.size(); ++at) {
    if (pointer[at] == '/') {
      steps.emplace_back();
    } else if (!steps.empty() && pointer[at] == '~' && at + 1 < pointer.size()) {
      steps.back() += pointer[++at] == '1' ? '/' : '~';
    } else if (!steps.empty()) {
      steps.back() += pointer[at];
    }
  }
  return steps;
}

}  // namespace caddie::manifest
