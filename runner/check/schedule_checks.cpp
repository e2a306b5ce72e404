// Schedules: the learning-rate scale over whole runs, by steps, by time, by both.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <vector>

#include "runner/check/checks.hpp"

namespace caddie::check {
namespace {

struct Run {
  const char* name;
  std::int64_t steps;
  double budget_seconds;
};
constexpr Run kRuns[] = {{"steps", 1000, 0}, {"steps and time", 1000, 100}, {"time", 0, 100}};
constexpr int kPositions = 200;
constexpr double kLargestScale = 10;

caddie_step position(const Run& run, int at) {
  const double fraction = static_cast<double>(at) / kPositions;
  caddie_step step{};
  step.struct_size = sizeof step;
  step.step = static_cast<std::int64_t>(fraction * 1000);
  step.steps = run.steps;
  step.elapsed_seconds = fraction * 100;
  step.budget_seconds = run.budget_seconds;
  step.fraction = fraction;
  step.scale = 0;
  return step;
}

double scale_at(Subject& subject, const plugins::Object& object, const caddie_step& step) {
  double scale = 0;
  (void)subject.calls().hook(fmt::format("scale() at step {}", step.step), [&] {
    scale = object.table<caddie_schedule>().scale(object.abi(), &step);
    return caddie_code{CADDIE_OK};
  });
  return scale;
}

// Finite and between 0 and 10 at every step of a kind of run, or not finite at all of them: it cannot serve such a run.
bool serves(Subject& subject, const plugins::Object& object, const Run& run, const std::string& configuration) {
  int finite = 0;
  for (int at = 0; at <= kPositions; ++at) {
    const double scale = scale_at(subject, object, position(run, at));
    if (!std::isfinite(scale)) continue;
    ++finite;
    if (scale < 0 || scale > kLargestScale) {
      throw Failure(fmt::format("with {} the scale is {} at fraction {} of a run limited by {}; 0 to {} are sensible",
                                configuration, scale, static_cast<double>(at) / kPositions, run.name, kLargestScale));
    }
  }
  if (finite != 0 && finite != kPositions + 1) {
    throw Failure(fmt::format("with {} the scale is finite at only {} of {} points of a run limited by {}",
                              configuration, finite, kPositions + 1, run.name));
  }
  return finite != 0;
}

std::string range(Subject& subject) {
  std::vector<std::string> served;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    const auto object = subject.make(configuration.values);
    if (!object) continue;
    std::size_t runs = 0;
    for (const Run& run : kRuns) {
      if (!serves(subject, *object, run, configuration.name)) continue;
      ++runs;
      if (&configuration == &all.front()) served.emplace_back(run.name);
    }
    if (runs == 0) throw Failure(fmt::format("with {} no kind of run has a finite scale", configuration.name));
  }
  return fmt::format("finite, within [0, 10], in runs limited by {}", fmt::join(served, "; "));
}

// The same question has the same answer, in any order and from another object.
std::string pure(Subject& subject) {
  const plugins::Object object = subject.make_or_fail(subject.defaults());
  const plugins::Object other = subject.make_or_fail(subject.defaults());
  std::vector<double> forwards;
  for (const Run& run : kRuns)
    for (int at = 0; at <= kPositions; ++at) forwards.push_back(scale_at(subject, object, position(run, at)));
  std::size_t index = forwards.size();
  for (auto run = std::rbegin(kRuns); run != std::rend(kRuns); ++run) {
    for (int at = kPositions; at >= 0; --at) {
      const double expected = forwards[--index];
      for (const plugins::Object* asked : {&object, &other}) {
        const double scale = scale_at(subject, *asked, position(*run, at));
        if (scale != expected && !(std::isnan(scale) && std::isnan(expected))) {
          throw Failure(
              fmt::format("scale() is {} and then {} for the same step; it must be a function of its argument, "
                          "or a resumed run differs",
                          expected, scale));
        }
      }
    }
  }
  return "the same answers backwards and from another object";
}

std::string inert(Subject& subject) {
  const plugins::Object object = subject.make_or_fail(subject.defaults());
  for (const Run& run : kRuns) {
    for (int at = 0; at <= kPositions; ++at) {
      const double scale = scale_at(subject, object, position(run, at));
      if (std::isfinite(scale) && scale != 1)
        return fmt::format("the scale differs from 1, in runs limited by {} first", run.name);
    }
  }
  throw Failure("the scale is 1 everywhere, as without a schedule");
}

}  // namespace

std::span<const Check> schedule_checks() {
  static constexpr Check checks[] = {{"range", range}, {"pure", pure}, {"inert", inert}};
  return checks;
}

}  // namespace caddie::check
