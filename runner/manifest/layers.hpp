// The way manifests name layers. Any thread.
//
//   7            one layer, counted from 0
//   "all"        every layer
//   "8:"         from layer 8 on; "2:5" is 2, 3, 4 (the end is not included); ":3" is 0, 1, 2
//   "last:4"     the last four
//   [0, 3, "8:"] any of these together; naming a layer twice is an error
#pragma once

#include <vector>

#include "core/base/result.hpp"
#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

// The layers in rising order, at least one, all below `layer_count` (which is positive).
Result<std::vector<int>> expand_layers(const Json& layers, int layer_count);

}  // namespace caddie::manifest
