// Evaluators: plans for streams of many lengths.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "core/base/text.hpp"
#include "core/score/plan.hpp"
#include "runner/check/checks.hpp"

namespace caddie::check {
namespace {

struct Stream {
  std::int64_t targets, context;
};
constexpr Stream kStreams[] = {{1, 256},    {255, 256},  {256, 256},  {257, 256},
                               {1000, 256}, {5000, 256}, {5121, 512}, {20000, 1024}};

Result<score::Plan> plan_of(Subject& subject, const plugins::Object& object, const Stream& stream) {
  Result<score::Plan> plan = Error{};
  (void)subject.calls().hook(fmt::format("plan() of {} targets, context {}", stream.targets, stream.context), [&] {
    plan = score::make_plan(object, stream.targets, stream.context);
    return caddie_code{CADDIE_OK};
  });
  return plan;
}

// With the defaults every target is scored exactly once.
std::string coverage(Subject& subject) {
  const plugins::Object object = subject.make_or_fail(subject.defaults());
  std::int64_t scored = 0;
  for (const Stream& stream : kStreams) {
    const score::Plan plan = value_or_fail(plan_of(subject, object, stream));
    if (!plan.remarks.empty()) {
      throw Failure(fmt::format("of {} targets with a context of {}, {}; every one is scored once", stream.targets,
                                stream.context, fmt::join(plan.remarks, "; ")));
    }
    scored += stream.targets;
  }
  return fmt::format("{} targets in {} streams, each scored once", with_separators(scored), std::size(kStreams));
}

// Other options may leave out or repeat targets (a rule profile judges that), but their windows are sound.
std::string windows(Subject& subject) {
  std::size_t count = 0;
  for (const Configuration& configuration : subject.configurations()) {
    const auto object = subject.make(configuration.values);
    const auto again = subject.make(configuration.values);
    if (!object || !again) continue;
    for (const Stream& stream : kStreams) {
      const auto plan = plan_of(subject, *object, stream);
      if (!plan) throw Failure(fmt::format("with {}: {}", configuration.name, plan.error().message()));
      const auto second = plan_of(subject, *again, stream);
      const bool same = second && std::ranges::equal(plan->windows, second->windows, [](const auto& a, const auto& b) {
                          return a.first == b.first && a.length == b.length && a.score_first == b.score_first &&
                                 a.score_count == b.score_count;
                        });
      if (!same) throw Failure(fmt::format("with {}: plans differently when asked again", configuration.name));
      ++count;
    }
  }
  return fmt::format("{} plans, each twice the same", count);
}

}  // namespace

std::span<const Check> evaluator_checks() {
  static constexpr Check checks[] = {{"coverage", coverage}, {"windows", windows}};
  return checks;
}

}  // namespace caddie::check
