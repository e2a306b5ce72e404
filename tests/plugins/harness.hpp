// Runs plugins of the build tree on the reference executor in float64: one hook, a whole model, one optimizer update,
// an averager. Mistakes are thrown as std::runtime_error with the host's message, so that a test fails with it. One
// thread.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph/executor.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/model.hpp"
#include "core/plugins/object.hpp"

namespace caddie::plugins::test {

// A tensor of a test, row-major; whole numbers where the type is i32.
struct Array {
  graph::Shape shape;
  std::vector<double> values;
  graph::DType dtype = graph::DType::f32;
};
Array real(graph::Shape shape, std::vector<double> values);
Array whole(graph::Shape shape, std::vector<double> values);
// Irregular numbers in [-size, size], the same in every run: size * sin(1.7 i + 0.9 salt + 0.3).
Array wave(graph::Shape shape, int salt, double size = 1);

// A plugin with a configuration over its defaults. Keys its schema does not have are an error.
Object make_plugin(std::string_view interface, std::string_view id,
                   const nlohmann::json& config = nlohmann::json::object(), std::string instance = "");

// The message of what `body` throws; empty when it throws nothing.
template <class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const std::exception& exception) {
    return exception.what();
  }
  return "";
}

// A built graph with the memory of its leaves. Parameters and states hold their initial values, inputs zeros.
class Session {
 public:
  // `outputs` become readable by name. With a `loss` (an f32 scalar), so does its gradient for every parameter and
  // every f32 input that it reaches.
  Session(BuildResult built, const std::map<std::string, graph::Value>& outputs, graph::Value loss);

  void set(const std::string& leaf, const std::vector<double>& values);
  // A leaf or an output; outputs are those of the last run.
  [[nodiscard]] std::vector<double> get(const std::string& name) const;
  [[nodiscard]] bool has_gradient(const std::string& leaf) const { return memory_.contains("gradient/" + leaf); }
  [[nodiscard]] std::vector<double> gradient(const std::string& leaf) const { return get("gradient/" + leaf); }
  [[nodiscard]] const BuildResult& built() const { return built_; }

  // Once, with updates of parameters and states. `step.step` is also the step of random operations.
  void run(const caddie_step& step, std::uint64_t seed = 1);
  void run(std::int64_t step = 0, std::uint64_t seed = 1);

  // Compares the gradients with central differences of the output "loss" at the values of now. Every tensor is checked
  // in a direction that moves all its elements, and element by element at up to 16 places.
  void expect_gradients(double tolerance = 1e-6);

  // Keeps plugins alive as long as what they built.
  void keep(std::shared_ptr<void> owner) { owners_.push_back(std::move(owner)); }

 private:
  struct Memory {
    graph::BufferPtr buffer;
    graph::DType dtype = graph::DType::f32;
    std::size_t elements = 0;
  };
  void add_memory(const std::string& name, graph::Value value, const graph::Graph& graph);
  void add_gradients(graph::Value loss);
  void initialise(const TensorDeclaration& tensor);
  std::unique_ptr<graph::Program> compile(const graph::Graph& graph);
  double loss_at(const std::string& leaf, const std::vector<double>& values);
  void expect_slope(const std::string& leaf, const std::vector<double>& direction, double tolerance);

  BuildResult built_;
  std::unique_ptr<graph::Executor> executor_;
  std::map<std::string, Memory> memory_;
  std::unique_ptr<graph::Program> value_program_;  // no gradients
  std::unique_ptr<graph::Program> program_;
  std::vector<std::string> differentiated_;
  std::vector<std::shared_ptr<void>> owners_;
};

// ---- what is run
// ------------------------------------------------------------------------------------------------------

struct BlockUse {
  std::string id;
  nlohmann::json config = nlohmann::json::object();
  std::string name = "";  // in the manifest; empty: the id
  std::optional<std::vector<int>> layers = {};
};

// Blocks of a test, attached.
struct Blocks {
  explicit Blocks(const Dims& dims, const std::vector<BlockUse>& uses);
  std::vector<Object> objects;
  std::optional<Model> model;
};

// One run of one hook.
struct HookCase {
  std::vector<BlockUse> blocks;
  std::string hook;
  std::string part = "";
  std::vector<Array> inputs;                // leaves "in0", "in1", ...
  std::size_t outputs = 1;                  // outputs "out0", "out1", ...
  std::map<std::string, Array> wires = {};  // leaves "wire.<name>"
  Dims dims = {};
  BuildRequest request = {};
  std::vector<int> visits = {0};
  int encoder = 0;
  int visit = 0;  // -1: outside the layers
};
// Its loss is a sum of the outputs with irregular weights.
Session build_hook(const HookCase& test);

// Outputs "logits", "nll", "lse", "entropy" and, where the mode has a loss, "loss". Inputs "tokens", "targets".
Session build_model(const Dims& dims, const std::vector<BlockUse>& blocks, const BuildRequest& request);

// The hooks "logits", "loss.token" and "loss.term" after one another, on logits [1, N, V] and targets [1, N]. Outputs
// "logits", "nll", "lse", "entropy" and "loss", which starts as the mean of nll; leaves "in" and "targets".
Session build_loss(const std::vector<BlockUse>& blocks, const Array& logits, const Array& targets,
                   int mode = CADDIE_MODE_TRAIN);

// One update of a bank: leaves "bank", "gradient", "scale"; the bank holds its new values after run().
Session build_update(const std::shared_ptr<Object>& optimizer, const graph::Shape& shape,
                     const std::string& role = "matrix");
// An averager's step on the bank, and what it ends with: outputs "final"; leaves "bank" and "current".
Session build_accumulate(const std::shared_ptr<Object>& averager, const graph::Shape& shape);
Session build_finish(const std::shared_ptr<Object>& averager, const graph::Shape& shape);

caddie_step step_at(std::int64_t step, double scale = 1);

// Element by element: |a - b| <= max(1e-8, 1e-9 |b|).
void expect_near(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance = 1e-8);

// The arrays of a JSON document in the order written, without their nesting.
std::vector<double> flat(const nlohmann::json& nested);

}  // namespace caddie::plugins::test
