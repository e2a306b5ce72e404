// Running graphs on the CUDA executor over the emulated device. Many programs are compiled before the first one runs,
// so that their kernels are compiled together.
#pragma once

#include <memory>

#include "core/cuda/cuda_executor.hpp"
#include "tests/cpu/test_support.hpp"
#include "tests/cuda/simt/emulated_device.hpp"

#define CADDIE_NEEDS_EMULATOR()                                                                   \
  if (const std::string why = caddie::simt::no_emulator(); !why.empty()) GTEST_SKIP() << why

namespace caddie::cuda::testing {

using cpu::testing::Contents;
using cpu::testing::expect_close;
using cpu::testing::run_reference;
using cpu::testing::RunOptions;
using cpu::testing::relative_error;
using graph::DType;
using graph::Graph;
using graph::Shape;
using graph::Value;

inline std::unique_ptr<graph::Executor> emulated(graph::Precision precision = graph::Precision::f32) {
  graph::ExecutorOptions options;
  options.precision = precision;
  return make_cuda_executor(simt::emulated_device(), options);
}

// Compiles without running, for the sake of kernels that are then compiled together.
inline void foresee(const Graph& graph, graph::Precision precision = graph::Precision::f32) {
  const auto program = emulated(precision)->compile(graph);
  ASSERT_TRUE(program) << program.error().message();
}

inline Contents run_emulated(const Graph& graph, const Contents& leaves, const RunOptions& options = {},
                             graph::Precision precision = graph::Precision::f32) {
  return cpu::testing::run_on(*emulated(precision), graph, leaves, options);
}

// Threads first to last and last to first: what differs is a race.
inline Contents run_both_orders(const Graph& graph, const Contents& leaves, const RunOptions& options = {},
                                graph::Precision precision = graph::Precision::f32) {
  const Contents forward = run_emulated(graph, leaves, options, precision);
  simt::emulated_device()->reverse_order(true);
  const Contents backward = run_emulated(graph, leaves, options, precision);
  simt::emulated_device()->reverse_order(false);
  EXPECT_EQ(forward, backward) << "the order of threads shows in the result\n" << graph.text();
  return forward;
}

}  // namespace caddie::cuda::testing
