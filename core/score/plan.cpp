#include "core/score/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/plugins/call.hpp"

namespace caddie::score {
namespace {

// Collects windows while the evaluator plans, and checks each of them.
struct Collector {
  std::int64_t targets = 0;
  std::int64_t context = 0;
  Plan plan;
  std::string error;
};

caddie_code add(caddie_windows* handle, int64_t first, int64_t length, int64_t score_first, int64_t score_count) {
  Collector& collector = *reinterpret_cast<Collector*>(handle);
  const bool inside = first >= 0 && length >= 1 && first <= collector.targets - length;
  const bool fits = inside && length <= collector.context;
  const bool scores = fits && score_count >= 0 && score_first >= first && score_first - first <= length - score_count;
  if (!scores) {
    collector.error = fmt::format(
        "planned the window [{}, {}+{}) that scores [{}, {}+{}); with {} targets and a context of {} it must lie "
        "inside the stream, be no longer than the context, and contain what it scores",
        first, first, length, score_first, score_first, score_count, collector.targets, collector.context);
    return CADDIE_ERROR_ARGUMENT;
  }
  collector.plan.windows.push_back({first, length, score_first, score_count});
  collector.plan.scored += score_count;
  return CADDIE_OK;
}

constexpr caddie_host_windows kWindowsTable = {sizeof(caddie_host_windows), 0, add};

// Cuts away what an earlier window scores already, so that the first score of a target is its only one.
std::int64_t drop_repeats(Plan& plan, std::int64_t targets) {
  std::vector<bool> seen(static_cast<std::size_t>(targets), false);
  std::vector<Window> kept;
  std::int64_t repeats = 0;
  for (const Window& window : plan.windows) {
    // A window may lose targets in its middle; what is left stays in runs of its own over the same inputs.
    Window run = window;
    run.score_count = 0;
    for (std::int64_t target = window.score_first; target < window.score_first + window.score_count; ++target) {
      const bool repeat = seen[static_cast<std::size_t>(target)];
      seen[static_cast<std::size_t>(target)] = true;
      repeats += repeat ? 1 : 0;
      if (!repeat && run.score_count == 0) run.score_first = target;
      if (!repeat) ++run.score_count;
      if (repeat && run.score_count > 0) {
        kept.push_back(run);
        run.score_count = 0;
      }
    }
    if (run.score_count > 0) kept.push_back(run);
  }
  plan.windows = std::move(kept);
  plan.scored -= repeats;
  return repeats;
}

}  // namespace

Result<Plan> make_plan(const plugins::Object& evaluator, std::int64_t targets, std::int64_t context) {
  Collector collector;
  collector.targets = targets;
  collector.context = context;
  const caddie_eval_info info = {sizeof(caddie_eval_info), 0, targets, context};
  caddie_error error = plugins::fresh_error();
  const auto& table = evaluator.table<caddie_evaluator>();
  const caddie_code code = plugins::guarded(error, [&] {
    return table.plan(evaluator.abi(), &info, &kWindowsTable, reinterpret_cast<caddie_windows*>(&collector), &error);
  });
  if (!collector.error.empty()) return Error{Code::argument, evaluator.instance(), collector.error};
  if (code != CADDIE_OK) return plugins::to_error(code, error, evaluator.instance());
  const std::int64_t repeats = drop_repeats(collector.plan, targets);
  if (repeats > 0) {
    collector.plan.remarks.push_back(
        fmt::format("{} targets were planned to be scored again; their first score counts", repeats));
  }
  if (collector.plan.scored < targets) {
    collector.plan.remarks.push_back(
        fmt::format("{} of {} targets are not scored", targets - collector.plan.scored, targets));
  }
  return std::move(collector.plan);
}

Plan contiguous_plan(std::int64_t targets, std::int64_t context) {
  Plan plan;
  for (std::int64_t first = 0; first < targets; first += context) {
    const std::int64_t length = std::min(context, targets - first);
    plan.windows.push_back({first, length, first, length});
  }
  plan.scored = targets;
  return plan;
}

}  // namespace caddie::score
