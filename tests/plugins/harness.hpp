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
#include "runner/check/builds.hpp"
#include "runner/check/session.hpp"

namespace caddie::plugins::test {

using check::Array;
using check::real;
using check::step_at;
using check::wave;
using check::whole;

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

// The library's session (float64 on the reference executor), with gradients as an expectation.
class Session : public check::Session {
 public:
  using check::Session::Session;
  explicit Session(check::Session session) : check::Session(std::move(session)) {}

  // Compares the gradients with central differences of the output "loss" at the values of now. Every tensor is checked
  // in a direction that moves all its elements, and element by element at up to 16 places.
  void expect_gradients(double tolerance = 1e-6);
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

// One run of one hook, as check::HookRun.
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

// Element by element: |a - b| <= max(1e-8, 1e-9 |b|).
void expect_near(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance = 1e-8);

// The arrays of a JSON document in the order written, without their nesting.
std::vector<double> flat(const nlohmann::json& nested);

}  // namespace caddie::plugins::test
