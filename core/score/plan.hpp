// An evaluation plan: which windows run and which of their targets are scored. Plain values; one thread while planning.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/object.hpp"

namespace caddie::score {

struct Window {
  std::int64_t first = 0;        // first input token
  std::int64_t length = 0;       // inputs; input i predicts target first + i
  std::int64_t score_first = 0;  // targets [score_first, score_first + score_count) are scored
  std::int64_t score_count = 0;
};

struct Plan {
  std::vector<Window> windows;       // in the order of scoring
  std::vector<std::string> remarks;  // what a rule profile may object to: targets scored twice or never
  std::int64_t scored = 0;           // sum of score_count
};

// Asks the evaluator. Windows outside the stream, longer than the context, or that score what they do not contain are
// errors; a target scored twice counts with its first score only and is a remark.
Result<Plan> make_plan(const plugins::Object& evaluator, std::int64_t targets, std::int64_t context);

// Windows of the context, end to end, every target once; the host's own plan where no evaluator is given.
Plan contiguous_plan(std::int64_t targets, std::int64_t context);

}  // namespace caddie::score
