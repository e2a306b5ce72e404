// A session's graph on the CPU executor beside the session, which ran on the reference executor.
#pragma once

#include <gtest/gtest.h>

#include "tests/cpu/test_support.hpp"
#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {

// Every output of the session's graph, run with the session's leaves, is what the session has.
inline void expect_the_fast_executor_agrees(const Session& session, double tolerance) {
  const graph::Graph& graph = session.built().graph;
  cpu::testing::Contents leaves;
  for (const graph::Leaf& leaf : graph.leaves()) {
    const std::vector<double> values = session.get(leaf.name);
    leaves[leaf.name] = graph.dtype(leaf.value) == graph::DType::i32
                            ? cpu::testing::words_of(std::vector<std::int32_t>(values.begin(), values.end()))
                            : cpu::testing::words_of(std::vector<float>(values.begin(), values.end()));
  }
  const cpu::testing::Contents found = cpu::testing::run_cpu(graph, leaves);
  for (const graph::Output& output : graph.outputs()) {
    SCOPED_TRACE(output.name);
    const std::vector<float> values = cpu::testing::floats_of(found.at(output.name));
    expect_near({values.begin(), values.end()}, session.get(output.name), tolerance);
  }
}

}  // namespace caddie::plugins::test
