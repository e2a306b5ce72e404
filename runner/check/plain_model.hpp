// The plainest supplier of every hook that needs one, so that a single block can be tried in a whole model without any
// other plugin: a table, a norm, attention and a hidden layer, cross-entropy, in as few operations as they take.
// Constant data; any thread.
#pragma once

#include <vector>

#include "core/plugins/build.hpp"

namespace caddie::check {

// Instances "plain.<hook>" for every provide hook of the table that none of `blocks` provides, before `blocks`.
std::vector<plugins::BlockInstance> with_plain_blocks(std::vector<plugins::BlockInstance> blocks);

}  // namespace caddie::check
