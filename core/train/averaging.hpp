// The weights that averagers end with. One thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/train/banks.hpp"
#include "core/train/states.hpp"
#include "core/train/update_graph.hpp"

namespace caddie::train {

// Averagers whose final weights are what they were given.
Result<std::vector<std::string>> averagers_without_effect(const ParameterStore& parameters,
                                                          const std::vector<const plugins::Object*>& averagers,
                                                          const UpdateOptions& options);

// The weights the averagers end with, as buffers shaped like the store's banks; the parameters themselves without
// averagers.
Result<std::vector<graph::BufferPtr>> averaged_values(graph::Executor& executor, const ParameterStore& parameters,
                                                      StateStore& states,
                                                      const std::vector<const plugins::Object*>& averagers,
                                                      const caddie_step& step, const UpdateOptions& options);

}  // namespace caddie::train
