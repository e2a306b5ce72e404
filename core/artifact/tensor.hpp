// The tensors of a model on their way into the artifact and back. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "caddie/abi.h"
#include "core/graph/shape.hpp"
#include "core/plugins/claims.hpp"

namespace caddie::artifact {

// Who a tensor is.
struct TensorId {
  std::string name;    // "blocks.7.attn.q.weight"; unique in a model
  std::string role;    // "matrix", "embedding", "scalar", "head", "adapter"
  int layer = -1;      // -1 outside the layers
  graph::Shape shape;  // every length is at least 1

  friend bool operator==(const TensorId&, const TensorId&) = default;
};

// A tensor with its values, row-major; data.size() is the shape's elements.
struct NamedTensor {
  TensorId id;
  std::vector<float> data;
};

inline plugins::TensorKey key_of(const TensorId& id) { return {id.name, id.role, id.layer, id.shape.elements()}; }

// The same for a plugin; borrows from `id`.
inline caddie_tensor_info info_of(const TensorId& id) {
  caddie_tensor_info info{};
  info.struct_size = sizeof info;
  info.layer = id.layer;
  info.name = id.name.c_str();
  info.role = id.role.c_str();
  info.rank = static_cast<std::uint32_t>(id.shape.rank());
  info.lengths = id.shape.lengths().data();
  return info;
}

}  // namespace caddie::artifact
