// The graph that turns gradients into new parameters: every optimizer's update of its banks and the averagers'
// bookkeeping. Plain values; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/object.hpp"
#include "core/train/banks.hpp"

namespace caddie::train {

// Builds the new value of one bank: an optimizer's update, or a test-time strategy's.
using UpdateFunction =
    std::function<caddie_code(caddie_build*, const caddie_update*, caddie_value* parameter, caddie_error*)>;

// What owns banks: the name is the manifest's, states are kept under it.
struct UpdateOwner {
  std::string name;
  UpdateFunction update;
};

// Wraps an optimizer object.
UpdateOwner optimizer_owner(const plugins::Object& optimizer);

struct UpdateOptions {
  double clip_norm = 0;  // 0: no clipping. Gradients times min(1, clip / (norm + 1e-6)), the norm over all of them
  std::uint64_t seed = 0;
  plugins::Dims dims;
};

// Scalar inputs that the host sets: the schedule's scale; where gradients are clipped, what they are multiplied with.
inline constexpr const char* kScaleLeaf = "host/scale";
inline constexpr const char* kClipLeaf = "host/clip";
// The leaf of a bank's gradients; that of its parameters has the bank's name.
std::string gradient_leaf(const Bank& bank);

// owners[i] updates the banks whose owner is i; averagers may be empty.
Result<plugins::BuildResult> build_updates(const ParameterStore& parameters, const std::vector<UpdateOwner>& owners,
                                           const std::vector<const plugins::Object*>& averagers,
                                           const UpdateOptions& options);

// A build of no model, for graphs over banks.
plugins::Build bank_build(const plugins::Dims& dims);
// What a plugin's function left behind: its mistake or the build's.
Result<void> check_build(caddie_code code, const caddie_error& error, const plugins::Build& build,
                         const std::string& where);

}  // namespace caddie::train
