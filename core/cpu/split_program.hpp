// Programs that are run slab by slab along the batch, or member by member, several at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/cpu/program.hpp"
#include "core/graph/batch_split.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cpu {

Result<std::unique_ptr<graph::Program>> make_split_program(const graph::Graph& graph, const graph::BatchSplit& split,
                                                           const Shared& shared,
                                                           const graph::ExecutorOptions& options);

// Every member is made by one lane: as the threads can be dealt to them evenly, those of a lane share its steps.
Result<std::unique_ptr<graph::Program>> make_member_program(const graph::Graph& graph, const graph::Members& members,
                                                            const Shared& shared,
                                                            const graph::ExecutorOptions& options);

// Mistakes of those who use a program.
Error unknown_name(std::string_view name, const std::vector<std::string>& known);
Error unbound_leaf(const std::string& name);

}  // namespace caddie::cpu
