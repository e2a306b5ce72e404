// The checks by interface. Each runs in a process of its own with a fresh Subject; it returns what it measured, or
// throws Failure or Skip. Constant tables; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runner/check/failure.hpp"
#include "runner/check/subject.hpp"

namespace caddie::check {

struct Check {
  const char* name;
  std::string (*run)(Subject&);
};

// For every plugin: identity, schema, lifetime, state.
std::span<const Check> common_checks();
// For an interface by its short name; empty for one that has none.
std::span<const Check> checks_of(std::string_view interface);

std::span<const Check> block_checks();
std::span<const Check> optimizer_checks();
std::span<const Check> averager_checks();
std::span<const Check> schedule_checks();
std::span<const Check> loader_checks();
std::span<const Check> quantizer_checks();
std::span<const Check> compressor_checks();
std::span<const Check> evaluator_checks();
std::span<const Check> ttt_checks();

}  // namespace caddie::check
