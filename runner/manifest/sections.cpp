#include "runner/manifest/sections.hpp"

#include <array>

namespace caddie::manifest {
namespace {

constexpr std::array<Section, 9> kSections{{
    {"blocks", "block", true, true},
    {"optimizers", "optimizer", true, false},
    {"schedule", "schedule", false, false},
    {"averagers", "averager", true, false},
    {"loader", "loader", false, false},
    {"quantize", "quantizer", true, true},
    {"compress", "compressor", true, true},
    {"ttt", "ttt", false, false},
    {"evaluators", "evaluator", true, false},
}};

}  // namespace

std::span<const Section> plugin_sections() { return kSections; }

const Section* find_section(std::string_view name) {
  for (const Section& section : kSections) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

bool is_entry_path(std::span<const std::string> steps) {
  if (steps.empty()) return false;
  const Section* section = find_section(steps.front());
  return section != nullptr && steps.size() == (section->keyed ? 2U : 1U);
}

}  // namespace caddie::manifest
