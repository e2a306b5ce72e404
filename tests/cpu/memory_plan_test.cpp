// The device-independent planner: lifetimes, blocks that are taken over, offsets.
#include <algorithm>
#include <map>

#include "core/graph/memory_plan.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/storage.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {
namespace {

using graph::Home;
using graph::MemoryBlock;
using graph::MemoryPlan;

void expect_no_overlap(const std::vector<MemoryBlock>& blocks, const MemoryPlan& plan, std::size_t alignment) {
  for (std::size_t a = 0; a < blocks.size(); ++a) {
    EXPECT_EQ(plan.offsets[a] % alignment, 0U);
    EXPECT_LE(plan.offsets[a] + blocks[a].bytes, plan.arena_bytes);
    for (std::size_t b = 0; b < a; ++b) {
      const bool together = blocks[a].first <= blocks[b].last && blocks[b].first <= blocks[a].last;
      const bool apart =
          plan.offsets[a] + blocks[a].bytes <= plan.offsets[b] || plan.offsets[b] + blocks[b].bytes <= plan.offsets[a];
      EXPECT_TRUE(!together || apart || blocks[a].bytes == 0 || blocks[b].bytes == 0) << a << " and " << b;
    }
  }
}

TEST(MemoryPlan, BlocksThatMeetNeverOverlap) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<MemoryBlock> blocks;
    const int count = std::uniform_int_distribution<int>(1, 60)(random);
    for (int i = 0; i < count; ++i) {
      MemoryBlock block;
      block.bytes = std::uniform_int_distribution<std::size_t>(0, 5000)(random);
      block.first = std::uniform_int_distribution<std::uint32_t>(0, 30)(random);
      block.last = block.first + std::uniform_int_distribution<std::uint32_t>(0, 10)(random);
      blocks.push_back(block);
    }
    const MemoryPlan plan = graph::plan_memory(blocks, 64);
    expect_no_overlap(blocks, plan, 64);
    EXPECT_GE(plan.arena_bytes, plan.live_bytes);
  }
}

TEST(MemoryPlan, OneAfterTheOtherNeedsOnePlace) {
  const std::vector<MemoryBlock> blocks = {{1000, 0, 1}, {1000, 2, 3}, {900, 4, 4}};
  const MemoryPlan plan = graph::plan_memory(blocks, 64);
  EXPECT_EQ(plan.arena_bytes, 1024U);
  EXPECT_EQ(plan.live_bytes, 1024U);
}

// ---- storage --------------------------------------------------------------------------------------------------------

// Replays a partition over named memory places: before a value is read, its place must hold it.
void expect_values_survive(const Graph& graph) {
  graph::FusionRules rules;
  rules.reads_view = [](const graph::Node&, std::size_t, const graph::View& view) { return view.is_dense(); };
  const graph::Partition partition = graph::partition(graph, rules);
  const graph::StoragePlan plan =
      graph::plan_storage(graph, partition, {[](const graph::Node&, std::size_t) { return false; }});
  std::map<std::pair<int, std::uint64_t>, Value> holds;  // place: value
  const auto place = [&](Value value) {
    const graph::Storage& storage = plan.of[value];
    return std::pair(static_cast<int>(storage.home),
                     storage.home == Home::arena ? std::uint64_t{storage.block} : storage.owner);
  };
  for (const graph::Leaf& leaf : graph.leaves()) holds[place(leaf.value)] = leaf.value;
  const auto expect_held = [&](Value base, std::size_t step) {
    if (plan.of[base].home == Home::constant) return;
    EXPECT_EQ(holds[place(base)], base) << "value " << base << " is gone at step " << step << "\n" << graph.text();
  };
  for (std::size_t i = 0; i < partition.steps.size(); ++i) {
    const graph::Step& step = partition.steps[i];
    for (const graph::View& view : views_read(step)) expect_held(view.base, i);
    for (const Value value : step.writes) {
      for (const graph::View& view : views_read(step)) {
        if (place(view.base) == place(value)) {
          EXPECT_TRUE(reads_in_order(graph, step, view.base));
        }
      }
      if (plan.of[value].home == Home::arena) {
        const MemoryBlock& block = plan.blocks[plan.of[value].block];
        EXPECT_GE(block.bytes, static_cast<std::size_t>(graph.shape(value).elements()) * 4);
        EXPECT_LE(block.first, i);
        EXPECT_GE(block.last, i);
      }
    }
    for (const Value value : step.writes) {
      EXPECT_EQ(std::ranges::count_if(step.writes, [&](Value other) { return place(other) == place(value); }), 1);
      holds[place(value)] = value;
    }
  }
  for (const graph::Output& output : graph.outputs())
    expect_held(partition.views[output.value].base, partition.steps.size());
  for (const graph::LateUpdate& update : plan.late) expect_held(update.from.base, partition.steps.size());
}

TEST(Storage, ValuesSurviveUntilTheirLastReading) {
  for (const std::int64_t layers : {1, 3}) {
    auto graph = SmallModel({.layers = layers}).training_step();
    ASSERT_TRUE(graph) << graph.error().message();
    expect_values_survive(*graph);
    auto primitives = graph::decompose(*graph);
    ASSERT_TRUE(primitives);
    auto simple = graph::simplify(*primitives);
    ASSERT_TRUE(simple);
    expect_values_survive(*simple);
  }
}

// A chain of elementwise operations is one group without memory between.
TEST(Fusion, ChainsAreOneStep) {
  Graph graph;
  const Value x = graph.leaf(graph::LeafKind::input, "x", DType::f32, {8, 16});
  const Value scale = graph.leaf(graph::LeafKind::input, "scale", DType::f32, {16});
  const Value y = graph.emit(graph::Op::mul, {graph.emit(graph::Op::exp, {x}), scale});
  const Value z =
      graph.emit(graph::Op::reshape, {y}, graph::Attributes().set("shape", std::vector<std::int64_t>{2, 4, 16}));
  graph.output("sum", graph.emit(graph::Op::reduce_sum, {graph.emit(graph::Op::sin, {z})},
                                 graph::Attributes().set("axes", std::vector<std::int64_t>{2})));
  graph::FusionRules rules;
  rules.reads_view = [](const graph::Node&, std::size_t, const graph::View&) { return true; };
  const graph::Partition partition = graph::partition(graph, rules);
  ASSERT_EQ(partition.steps.size(), 1U);
  EXPECT_EQ(partition.steps[0].writes.size(), 1U);
  EXPECT_EQ(partition.steps[0].group.members.size(), 4U);
}

// A value that is needed by its own sum as well as by something that waits for the sum takes two walks, not three.
TEST(Fusion, SoftmaxTakesThreeWalks) {
  Graph graph;
  const Value x = graph.leaf(graph::LeafKind::input, "x", DType::f32, {8, 16});
  graph.output("y", graph.emit(graph::Op::softmax, {x}));
  const auto primitives = graph::decompose(graph);
  ASSERT_TRUE(primitives);
  graph::FusionRules rules;
  rules.reads_view = [](const graph::Node&, std::size_t, const graph::View&) { return true; };
  EXPECT_EQ(graph::partition(*primitives, rules).steps.size(), 3U);
}

}  // namespace
}  // namespace caddie::cpu::testing
