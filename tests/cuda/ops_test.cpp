// Every operation of the table as the CUDA executor computes it, under the emulator, against the reference.
#include "tests/cpu/op_cases.hpp"
#include "tests/cuda/emulated.hpp"

namespace caddie::cuda::testing {
namespace {

using cpu::testing::all_cases;
using cpu::testing::Case;
using cpu::testing::OpCases;

struct Made {
  std::string title;
  Case one;
};

std::vector<Made> made_cases() {
  std::vector<Made> out;
  for (const OpCases& cases : all_cases()) {
    for (std::size_t i = 0; i < cases.cases.size(); ++i) {
      out.emplace_back();
      out.back().title = std::string(graph::info(cases.op).name) + " case " + std::to_string(i);
      cases.cases[i](out.back().one);
    }
  }
  return out;
}

TEST(CudaOps, AgreeWithTheReference) {
  CADDIE_NEEDS_EMULATOR();
  const std::vector<Made> cases = made_cases();
  for (const Made& made : cases) foresee(made.one.graph);
  for (const Made& made : cases) {
    SCOPED_TRACE(made.title);
    const Case& c = made.one;
    expect_close(c.graph, run_both_orders(c.graph, c.leaves), run_reference(c.graph, c.leaves), c.tolerance,
                 c.tolerance);
  }
}

}  // namespace
}  // namespace caddie::cuda::testing
