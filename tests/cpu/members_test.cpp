// Programs that run once for each of several tensors of one shape: against the reference, which takes them one by one.
#include "core/graph/emitter.hpp"
#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {
namespace {

using graph::Emitter;
using graph::LeafKind;
using graph::Op;

constexpr std::int64_t kMembers = 5;

// Momentum whose direction is x - (x x^T) x / |x|^2, by a rate that is the same for all.
Graph update() {
  Graph graph;
  const Emitter emit{graph};
  const Value weight = graph.leaf(LeafKind::parameter, "weight", DType::f32, {1, 24, 40});
  const Value gradient = graph.leaf(LeafKind::input, "gradient", DType::f32, {1, 24, 40});
  const Value momentum = graph.leaf(LeafKind::state, "momentum", DType::f32, {1, 24, 40});
  const Value rate = graph.leaf(LeafKind::input, "rate", DType::f32, {});
  const Value next = emit.add(emit.scale(momentum, 0.9), gradient);
  graph.update(momentum, next);
  const auto dot = [&](Value a, Value b, std::int64_t axis_b) {
    return graph.emit(Op::dot, {a, b},
                      graph::Attributes()
                          .set("contract_a", std::vector<std::int64_t>{2})
                          .set("contract_b", std::vector<std::int64_t>{axis_b})
                          .set("batch_a", std::vector<std::int64_t>{0})
                          .set("batch_b", std::vector<std::int64_t>{0}));
  };
  const Value square = emit.reduce(Op::reduce_sum, emit.mul(next, next), {1, 2}, true);
  const Value direction = emit.sub(next, emit.div(dot(dot(next, next, 2), next, 1), square));
  graph.update(weight, emit.sub(weight, emit.mul(direction, rate)));
  return graph;
}

Contents contents() {
  std::mt19937 random(3);
  Contents leaves;
  for (const char* name : {"weight", "gradient", "momentum"}) {
    leaves[name] = random_floats(random, kMembers * 24 * 40, -1, 1);
  }
  leaves["rate"] = words_of(std::vector<float>{0.1F});
  return leaves;
}

const graph::Members kAll{kMembers, {"weight", "gradient", "momentum"}};

Contents run_members(graph::Executor& executor, Contents leaves) {
  const auto program = executor.compile_members(update(), kAll);
  EXPECT_TRUE(program) << (program ? "" : program.error().message());
  std::map<std::string, graph::BufferPtr> buffers;
  for (auto& [name, words] : leaves) {
    buffers[name] = *executor.allocate(words.size() * 4);
    EXPECT_TRUE(executor.upload({buffers[name], 0}, std::as_bytes(std::span(words))));
    const auto bound = (*program)->bind(name, {buffers[name], 0});
    EXPECT_TRUE(bound) << bound.error().message();
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE((*program)->run({}));
  for (auto& [name, words] : leaves) {
    EXPECT_TRUE(executor.download(std::as_writable_bytes(std::span(words)), {buffers[name], 0}));
  }
  return leaves;
}

TEST(CpuMembers, AreUpdatedAsByTheReferenceByAnyNumberOfThreads) {
  const auto reference = graph::make_reference_executor({});
  const Contents expected = run_members(*reference, contents());
  const auto one = make_cpu_executor({.threads = 1});
  const Contents got = run_members(*one, contents());
  EXPECT_NE(got.at("weight"), contents().at("weight"));
  for (const auto& [name, words] : expected) {
    const auto want = floats_of(words);
    const auto have = floats_of(got.at(name));
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(have[i], want[i], 1e-4) << name << i;
  }
  for (const int threads : {2, 3, 4, 8}) {
    const auto many = make_cpu_executor({.threads = threads});
    EXPECT_EQ(run_members(*many, contents()), got) << threads;
  }
}

TEST(CpuMembers, MemoryOfTooFewMembersIsRefused) {
  for (const auto& executor : {make_cpu_executor({}), graph::make_reference_executor({})}) {
    const auto program = executor->compile_members(update(), kAll);
    ASSERT_TRUE(program) << program.error().message();
    const auto small = *executor->allocate((kMembers - 1) * 24 * 40 * 4);
    EXPECT_FALSE((*program)->bind("weight", {small, 0}));
    EXPECT_FALSE((*program)->bind("wait", {small, 0}));
    EXPECT_FALSE((*program)->run({}));
  }
}

}  // namespace
}  // namespace caddie::cpu::testing
