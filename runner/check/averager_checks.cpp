// Averagers: their states over a run of changing weights, and the weights they end with.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "core/graph/emitter.hpp"
#include "runner/check/builds.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/compare.hpp"
#include "runner/check/kernel_duties.hpp"

namespace caddie::check {
namespace {

constexpr int kSteps = 1000;
const graph::Shape kShape = {3, 6, 4};

caddie_step position(int step) {
  caddie_step at = step_at(step);
  at.steps = kSteps;
  at.fraction = static_cast<double>(step) / kSteps;
  at.scale = 1 - at.fraction;
  return at;
}

// One averager over a run, and its end.
class Course {
 public:
  Course(Subject& subject, const nlohmann::json& config, const Machine& machine = kReference)
      : object_(std::make_shared<plugins::Object>(subject.make_or_fail(config))) {
    const auto& table = object_->table<caddie_averager>();
    accumulate_ = std::make_unique<Session>(
        build_accumulate(
            object_->instance(),
            [&](caddie_build* build, caddie_value parameter, caddie_error* error) {
              return subject.calls().hook(
                  "accumulate()", [&] { return table.accumulate(object_->abi(), build, "bank", parameter, error); });
            },
            kShape),
        std::map<std::string, graph::Value>{}, 0, machine);
    plugins::BuildResult end = build_finish(
        object_->instance(),
        [&](caddie_build* build, caddie_value parameter, caddie_value current, caddie_value* out, caddie_error* error) {
          return subject.calls().hook(
              "finish()", [&] { return table.finish(object_->abi(), build, "bank", parameter, current, out, error); });
        },
        kShape);
    const graph::Value final = end.wire("final");
    if (end.graph.shape(final) != kShape)
      throw Failure(
          fmt::format("finish() gives weights of {} for a bank of {}", end.graph.shape(final).text(), kShape.text()));
    finish_ =
        std::make_unique<Session>(std::move(end), std::map<std::string, graph::Value>{{"final", final}}, 0, machine);
  }

  // States that start as copies of the weights take these.
  void start(const std::vector<double>& weights) {
    for (const plugins::TensorDeclaration& state : accumulate_->built().states)
      if (state.initialiser.kind == CADDIE_INIT_COPY) accumulate_->set(state.path, weights);
  }
  void step(int step, const std::vector<double>& weights) {
    accumulate_->set("bank", weights);
    accumulate_->run(position(step));
  }
  std::vector<double> finish(const std::vector<double>& weights) {
    finish_->set("bank", weights);
    finish_->set("current", weights);
    for (const plugins::TensorDeclaration& state : finish_->built().states) {
      if (!accumulate_->has(state.path))
        throw Failure(fmt::format("finish() reads the state {}, which accumulate() never declares", state.path));
      finish_->set(state.path, accumulate_->get(state.path));
    }
    finish_->run(position(kSteps));
    return finish_->get("final");
  }
  [[nodiscard]] const graph::Graph& accumulation() const { return accumulate_->built().graph; }
  [[nodiscard]] const graph::Graph& ending() const { return finish_->built().graph; }

 private:
  std::shared_ptr<plugins::Object> object_;
  std::unique_ptr<Session> accumulate_, finish_;
};

std::vector<double> weights_at(int step) { return wave(kShape, step, 1).values; }

std::vector<double> whole_course(Course& course) {
  course.start(weights_at(0));
  for (int step = 0; step < kSteps; ++step) course.step(step, weights_at(step + 1));
  return course.finish(weights_at(kSteps));
}

std::string averages(Subject& subject) {
  std::size_t count = 0;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    if (&configuration != &all.front() && !subject.make(configuration.values)) continue;
    Course course(subject, configuration.values);
    for (const double value : whole_course(course)) {
      if (!std::isfinite(value)) throw Failure(fmt::format("with {}: the average is not finite", configuration.name));
    }
    ++count;
  }
  return fmt::format("{} steps in {} configuration{}", kSteps, count, count == 1 ? "" : "s");
}

std::string constant(Subject& subject) {
  Course course(subject, subject.defaults());
  const std::vector<double> weights = weights_at(0);
  course.start(weights);
  for (int step = 0; step < kSteps; ++step) course.step(step, weights);
  const std::vector<double> average = course.finish(weights);
  double error = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) error = std::max(error, std::abs(average[i] - weights[i]));
  if (!(error < 1e-6))
    throw Failure(fmt::format("the average of weights that never change differs from them by {:.1e}", error));
  return "the average of constant weights is these weights";
}

std::string inert(Subject& subject) {
  Course course(subject, subject.defaults());
  if (whole_course(course) == weights_at(kSteps))
    throw Failure(
        fmt::format("after {} steps of changing weights the average is the last weights: it has no effect", kSteps));
  return "differs from the last weights";
}

std::string executors(Subject& subject) {
  Course reference(subject, subject.defaults());
  Course fast(subject, subject.defaults(), fast_with(1));
  const std::vector<double> a = whole_course(reference);
  const std::vector<double> b = whole_course(fast);
  double error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) error = std::max(error, std::abs(a[i] - b[i]));
  if (!(error < 1e-4)) throw Failure(fmt::format("the fast executor and the reference disagree by {:.1e}", error));
  return fmt::format("at most {:.0e} apart", error);
}

std::string threads(Subject& subject) {
  Course one(subject, subject.defaults(), fast_with(1));
  Course two(subject, subject.defaults(), fast_with(2));
  if (whole_course(one) != whole_course(two))
    throw Failure("the average has other bits with two threads than with one");
  return "the same bits with 1 and 2 threads";
}

std::string kernels(Subject& subject) {
  const Course course(subject, subject.defaults());
  KernelDuties duties;
  duties.expect(course.accumulation());
  duties.expect(course.ending());
  return duties.sentence();
}

}  // namespace

std::span<const Check> averager_checks() {
  static constexpr Check checks[] = {{"averages", averages},   {"constant", constant}, {"inert", inert},
                                     {"executors", executors}, {"threads", threads},   {"kernels", kernels}};
  return checks;
}

}  // namespace caddie::check
