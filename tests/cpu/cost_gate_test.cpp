// What a training step costs, counted, not timed: the same on every machine, so a change for the worse shows here. A
// change that is meant is committed with its numbers.
#include "core/cpu/compiled_graph.hpp"
#include "core/cpu/kernels/isa.hpp"
#include "core/graph/batch_split.hpp"
#include "tests/bench/gpt.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {
namespace {

struct Cost {
  std::size_t steps = 0;
  std::int64_t megabytes_moved = 0;   // read or written by the steps, each operand once
  std::int64_t megaflops_elsewhere = 0;  // in steps that are no products and no attention
  std::int64_t arena_kilobytes = 0;

  friend bool operator==(const Cost&, const Cost&) = default;
};

std::ostream& operator<<(std::ostream& out, const Cost& cost) {
  return out << "{" << cost.steps << ", " << cost.megabytes_moved << ", " << cost.megaflops_elsewhere << ", "
             << cost.arena_kilobytes << "}";
}

Cost cost_of(const Graph& graph) {
  const auto compiled = CompiledGraph::compile(graph, {});
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message());
  Cost cost;
  double bytes = 0;
  double flops = 0;
  for (const CompiledGraph::PlacedStep& placed : (*compiled)->steps()) {
    const StepCost step = placed.step->cost();
    const std::string group = step.group;
    bytes += step.bytes;
    if (group != "gemm" && group != "attention" && group != "loss") flops += step.flops;
  }
  cost.steps = (*compiled)->steps().size();
  cost.megabytes_moved = std::llround(bytes * 1e-6);
  cost.megaflops_elsewhere = std::llround(flops * 1e-6);
  cost.arena_kilobytes = static_cast<std::int64_t>((*compiled)->plan().arena_bytes / 1024);
  return cost;
}

// The sizes of manifests/quickstart.json.
TEST(CostGate, ATrainingStepOfThePlainGpt) {
  const Isa before = active_isa();
  ASSERT_TRUE(set_active_isa(Isa::portable));  // workspaces depend on the instruction set
  const bench::GptSizes sizes{.layers = 4, .dim = 256, .heads = 4, .context = 256, .vocab = 1024, .batch = 16};
  const auto graph = bench::gpt_gradient_graph(sizes);
  ASSERT_TRUE(graph) << graph.error().message();
  const auto simple = CompiledGraph::prepared_for_kernels(*graph);
  ASSERT_TRUE(simple);
  const auto split = graph::split_batch(*simple);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->slabs, 16);
  EXPECT_EQ(cost_of(split->body), (Cost{97, 148, 20, 21669})) << "one slab";
  EXPECT_EQ(cost_of(split->tail), (Cost{1, 0, 0, 0})) << "what follows all slabs";
  const auto update = bench::gpt_update_graph(sizes);
  ASSERT_TRUE(update);
  EXPECT_EQ(cost_of(*update), (Cost{16, 98, 56, 0})) << "AdamW";
  set_active_isa(before);
}

// Multiply-adds of products, attention and loss, twice.
std::int64_t megaflops_of_products(const Graph& graph) {
  const auto compiled = CompiledGraph::compile(graph, {});
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message());
  double flops = 0;
  for (const CompiledGraph::PlacedStep& placed : (*compiled)->steps()) {
    const StepCost step = placed.step->cost();
    const std::string group = step.group;
    if (group == "gemm" || group == "attention" || group == "loss") flops += step.flops;
  }
  return std::llround(flops * 1e-6);
}

// Scoring the last 64 of 512 positions: the last layer, head and loss only there, their products for all rows at once.
TEST(CostGate, ScoresOfTheLastPositions) {
  const ModelSizes sizes{.batch = 8, .context = 512, .dim = 256, .heads = 4, .kv_heads = 4, .vocab = 1024, .layers = 4};
  struct Cost {
    std::int64_t slab, after;
    bool operator==(const Cost&) const = default;
  };
  const auto cost = [&](std::int64_t positions) {
    const auto graph = SmallModel(sizes).scores(positions);
    EXPECT_TRUE(graph) << graph.error().message();
    const auto simple = CompiledGraph::prepared_for_kernels(*graph);
    const auto split = graph::split_batch(*simple);
    EXPECT_TRUE(split);
    return Cost{megaflops_of_products(split->body), megaflops_of_products(split->tail)};
  };
  const Cost whole = cost(512);
  const Cost last = cost(64);
  EXPECT_EQ(whole.slab, 4038) << "4 layers of 805.3 and 134.5 of attention, the head's 268.4, the loss's 10.5";
  EXPECT_EQ(whole.after, 0);
  EXPECT_EQ(last.slab, 2993) << "3 layers whole; of the last one keys and values, 64 queries and their attention";
  EXPECT_EQ(last.after, 883) << "the rest of the last layer and the head for 8 times 64 rows";
}

TEST(CostGate, ScoresOfTheLastPositionsAreThoseOfTheReference) {
  const ModelSizes sizes{.batch = 4, .context = 256, .dim = 16, .heads = 2, .kv_heads = 1, .vocab = 32, .layers = 2};
  std::mt19937 random(3);
  const auto whole = SmallModel(sizes).scores(256);
  const auto last = SmallModel(sizes).scores(32);
  ASSERT_TRUE(whole && last);
  Contents leaves;
  for (const graph::Leaf& leaf : whole->leaves()) {
    const std::int64_t count = whole->shape(leaf.value).elements();
    leaves[leaf.name] = whole->dtype(leaf.value) == DType::i32 ? random_ints(random, count, 0, 31)
                                                               : random_floats(random, count, -0.4F, 0.4F);
  }
  expect_close(*last, run_cpu(*last, leaves, 2), run_reference(*last, leaves), 2e-4, 2e-4);
  for (const int threads : {2, 3, 4}) EXPECT_EQ(run_cpu(*last, leaves, threads), run_cpu(*last, leaves, 1)) << threads;
}

}  // namespace
}  // namespace caddie::cpu::testing
