// The flow of a model through its hooks, from token ids to the training loss. It knows hooks and no technique: everything
// numerical comes from the blocks that are attached.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/object.hpp"

namespace caddie::plugins {

// One block of the manifest.
struct BlockEntry {
  const Object* object = nullptr;
  std::optional<std::vector<int>> layers;
  std::string at;           // another hook for its single chain attachment; empty: its own
  std::vector<int> modes;   // CADDIE_MODE_*; empty: all
};

// The blocks of a model, attached once; builds as many graphs as are needed. Objects must outlive it.
class Model {
 public:
  // Blocks in the manifest's order.
  static Result<Model> attach(const Dims& dims, const std::vector<BlockEntry>& blocks);

  // Of blocks that are attached already, in the order given; what their functions need must outlive the model.
  static Model of(const Dims& dims, std::vector<BlockInstance> blocks);

  [[nodiscard]] const Dims& dims() const { return dims_; }
  [[nodiscard]] const std::vector<BlockInstance>& blocks() const { return blocks_; }

  // Builds inputs "tokens" and "targets" i32 [B,T] (and "segments"), all layers, head and loss.
  // Wires of the result: "nll", "lse", "entropy" [B,T]; in training and adaptation also "loss", a scalar.
  // Graph outputs are left to the caller.
  [[nodiscard]] Result<BuildResult> build(const BuildRequest& request) const;

 private:
  Dims dims_;
  std::vector<BlockInstance> blocks_;
};

}  // namespace caddie::plugins
