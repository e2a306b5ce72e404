// Sessions of what plugins build: one hook, a whole model, the update of a bank, an average. Failures carry the host's
// message. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/plugins/model.hpp"
#include "runner/check/session.hpp"

namespace caddie::check {

// One run of one hook.
struct HookRun {
  std::string hook;
  std::string part = "";
  std::vector<Array> inputs;                // leaves "in0", "in1", ...
  std::size_t outputs = 1;                  // outputs "out0", "out1", ...
  std::map<std::string, Array> wires = {};  // leaves "wire.<name>"
  plugins::Dims dims = {};
  plugins::BuildRequest request = {};
  std::vector<int> visits = {0};
  int encoder = 0;
  int visit = 0;  // -1: outside the layers
};
// Its loss is a sum of the outputs with irregular weights. The blocks must outlive the call.
Session hook_session(const std::vector<plugins::BlockInstance>& blocks, const HookRun& run,
                     const Machine& machine = kReference);

// Outputs "logits", "nll", "lse", "entropy" and, where the mode has a loss, "loss". Inputs "tokens", "targets".
Session model_session(const plugins::Model& model, const plugins::BuildRequest& request,
                      const Machine& machine = kReference);
Session model_session(plugins::BuildResult built, const Machine& machine = kReference);

// Builds the new value of a bank, as an optimizer and a test-time strategy do.
using UpdateFunction =
    std::function<caddie_code(caddie_build*, const caddie_update*, caddie_value* parameter, caddie_error*)>;
// One update: leaves "bank", "gradient", "scale" (1); the bank holds its new values after run().
plugins::BuildResult build_update(const std::string& instance, const UpdateFunction& update, const graph::Shape& shape,
                                  const std::string& role);

// An averager's step on the bank, and what it ends with: output "final"; leaves "bank" and "current".
using AccumulateFunction = std::function<caddie_code(caddie_build*, caddie_value parameter, caddie_error*)>;
plugins::BuildResult build_accumulate(const std::string& instance, const AccumulateFunction& accumulate,
                                      const graph::Shape& shape);
using FinishFunction = std::function<caddie_code(caddie_build*, caddie_value parameter, caddie_value current,
                                                 caddie_value* out, caddie_error*)>;
// The wire "final" of the result is the average.
plugins::BuildResult build_finish(const std::string& instance, const FinishFunction& finish, const graph::Shape& shape);

}  // namespace caddie::check
