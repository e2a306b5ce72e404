// Random small graphs on both executors.
#include "tests/cpu/random_graphs.hpp"

namespace caddie::cpu::testing {
namespace {

class RandomGraphs : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomGraphs, AgreeWithTheReference) {
  for (std::uint32_t seed = GetParam() * 50; seed < GetParam() * 50 + 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph graph = Generator(seed).make();
    std::mt19937 random(seed);
    const Contents leaves = random_leaves(graph, random);
    expect_close(graph, run_cpu(graph, leaves), run_reference(graph, leaves), 2e-4, 2e-4);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraphs, ::testing::Range(0U, 8U));

// Two runs from the same program: nothing of the first is left over.
TEST(RandomGraphs, RunTwiceLikeTheReference) {
  for (std::uint32_t seed = 1000; seed < 1030; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph graph = Generator(seed).make();
    std::mt19937 random(seed);
    const Contents leaves = random_leaves(graph, random);
    expect_close(graph, run_cpu(graph, leaves, 2, {.runs = 2}), run_reference(graph, leaves, {.runs = 2}), 5e-4, 5e-4);
    if (HasFatalFailure()) return;
  }
}

TEST(RandomGraphs, AnyNumberOfThreadsGivesTheSameBits) {
  for (std::uint32_t seed = 2000; seed < 2040; ++seed) {
    const Graph graph = Generator(seed).make();
    std::mt19937 random(seed);
    const Contents leaves = random_leaves(graph, random);
    const Contents one = run_cpu(graph, leaves, 1);
    for (const int threads : {2, 3, 4})
      EXPECT_EQ(run_cpu(graph, leaves, threads), one) << "seed " << seed << ", threads " << threads;
  }
}

}  // namespace
}  // namespace caddie::cpu::testing
