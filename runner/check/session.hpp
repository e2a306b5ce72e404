// One built graph with the memory of its leaves on an executor: set values, run, read values, compare gradients with
// finite differences. Mistakes are thrown as Failure with the host's message. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/executor.hpp"
#include "core/plugins/build.hpp"

namespace caddie::check {

// A tensor's values, row-major; whole numbers where the type is i32.
struct Array {
  graph::Shape shape;
  std::vector<double> values;
  graph::DType dtype = graph::DType::f32;
};
Array real(graph::Shape shape, std::vector<double> values);
Array whole(graph::Shape shape, std::vector<double> values);
// Irregular numbers in [-size, size], the same in every run: size * sin(1.7 i + 0.9 salt + 0.3).
Array wave(graph::Shape shape, int salt, double size = 1);

// Where a session computes.
struct Machine {
  bool fast = false;  // the processor's executor, else the reference
  int threads = 1;
  graph::Precision precision = graph::Precision::f64;
};
constexpr Machine kReference{};
constexpr Machine fast_with(int threads) { return {true, threads, graph::Precision::f32}; }

caddie_step step_at(std::int64_t step, double scale = 1);

// A gradient that differs from what it should be.
struct GradientMismatch {
  std::string leaf;
  double measured = 0;  // slope of the loss by central differences
  double expected = 0;  // slope as the gradient says
  double size = 1;      // what the difference is to be measured by
};

struct GradientComparison {
  std::size_t slopes = 0;
  double largest_error = 0;  // |measured - expected| / size
  std::vector<GradientMismatch> mismatches;
};

class Session {
 public:
  // Parameters and states hold their initial values, inputs zeros. `outputs` become readable by name. With a `loss` (an
  // f32 scalar), so do "loss" and its gradient for every parameter and every f32 input that it reaches.
  Session(plugins::BuildResult built, const std::map<std::string, graph::Value>& outputs, graph::Value loss,
          const Machine& machine = kReference);
  Session(Session&&) = default;
  Session& operator=(Session&&) = default;

  void set(const std::string& leaf, const std::vector<double>& values);
  // A leaf or an output; outputs are those of the last run.
  [[nodiscard]] std::vector<double> get(const std::string& name) const;
  [[nodiscard]] graph::Shape shape(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return memory_.contains(name); }
  [[nodiscard]] bool has_gradient(const std::string& leaf) const { return memory_.contains("gradient/" + leaf); }
  [[nodiscard]] std::vector<double> gradient(const std::string& leaf) const { return get("gradient/" + leaf); }
  [[nodiscard]] const plugins::BuildResult& built() const { return built_; }
  // Leaves with a gradient, and everything readable.
  [[nodiscard]] const std::vector<std::string>& differentiated() const { return differentiated_; }
  [[nodiscard]] std::vector<std::string> names() const;

  // Once, with updates of parameters and states. `step.step` is also the step of random operations.
  void run(const caddie_step& step, std::uint64_t seed = 1);
  void run(std::int64_t step = 0, std::uint64_t seed = 1);

  // Compares the gradients with central differences of the loss at the values of now, every tensor in a direction that
  // moves all its elements and, with `elements`, at up to so many places one by one. What the graph declares to have no
  // gradient (stop_gradient, rounding to bfloat16) is held where it is (graph/freeze.hpp). For precision f64.
  GradientComparison compare_gradients(double tolerance, std::size_t elements);

  // Keeps plugins alive as long as what they built.
  void keep(std::shared_ptr<void> owner) { owners_.push_back(std::move(owner)); }

 private:
  struct Memory {
    graph::BufferPtr buffer;
    graph::DType dtype = graph::DType::f32;
    std::size_t elements = 0;
    graph::Shape shape;
  };
  void add_memory(const std::string& name, graph::Value value, const graph::Graph& graph);
  void add_gradients(graph::Value loss);
  void initialise(const plugins::TensorDeclaration& tensor);
  void freeze();
  std::unique_ptr<graph::Program> compile(const graph::Graph& graph);
  double loss_at(const std::string& leaf, const std::vector<double>& values);
  void compare_slope(const std::string& leaf, const std::vector<double>& direction, double tolerance,
                     GradientComparison& comparison);

  plugins::BuildResult built_;
  std::unique_ptr<graph::Executor> executor_;
  std::map<std::string, Memory> memory_;
  graph::Graph forward_;                            // without gradients
  std::unique_ptr<graph::Program> frozen_program_;  // the loss, what is frozen held by leaves
  std::unique_ptr<graph::Program> program_;
  std::vector<std::string> differentiated_;
  std::vector<std::string> frozen_;  // leaves of frozen_program_ that outputs of program_ fill
  std::vector<std::shared_ptr<void>> owners_;
};

}  // namespace caddie::check
