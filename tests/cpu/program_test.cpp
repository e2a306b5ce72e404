// Whole programs: training steps, updates, binding, memory, profiles.
#include <algorithm>
#include <cstdlib>

#include "core/cpu/thread_pool.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {
namespace {

using graph::Attributes;
using graph::LeafKind;
using graph::Op;

TEST(TrainingStep, AgreesWithTheReference) {
  for (const ModelSizes& n :
       {ModelSizes{},
        ModelSizes{
            .batch = 1, .context = 37, .dim = 24, .heads = 3, .kv_heads = 1, .vocab = 51, .layers = 3, .hidden = 2}}) {
    auto graph = SmallModel(n).training_step();
    ASSERT_TRUE(graph) << graph.error().message();
    const Contents leaves = model_leaves(*graph, n);
    expect_close(*graph, run_cpu(*graph, leaves, 2, {.runs = 3}), run_reference(*graph, leaves, {.runs = 3}), 2e-4,
                 2e-3);
  }
}

TEST(TrainingStep, AnyNumberOfThreadsGivesTheSameBits) {
  const ModelSizes n{
      .batch = 2, .context = 70, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 130, .layers = 2, .hidden = 3};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph) << graph.error().message();
  const Contents leaves = model_leaves(*graph, n);
  const Contents one = run_cpu(*graph, leaves, 1, {.runs = 3});
  for (const int threads : {2, 3, 4})
    EXPECT_EQ(run_cpu(*graph, leaves, threads, {.runs = 3}), one) << threads << " threads";
}

// The optimizer's part needs no memory beyond gradients: parameters and momenta are written where they are.
TEST(TrainingStep, UpdatesAreMadeInPlace) {
  Graph graph;
  const Value p = graph.leaf(LeafKind::parameter, "p", DType::f32, {1000});
  const Value m = graph.leaf(LeafKind::state, "m", DType::f32, {1000});
  const Value g = graph.leaf(LeafKind::input, "g", DType::f32, {1000});
  const Value half = graph.emit(
      Op::constant, {}, Attributes().set("values", std::vector<double>{0.5}).set("shape", std::vector<std::int64_t>{}));
  const Value next = graph.emit(Op::add, {graph.emit(Op::mul, {m, half}), g});
  graph.update(m, next);
  graph.update(p, graph.emit(Op::sub, {p, graph.emit(Op::mul, {next, half})}));
  const auto executor = make_cpu_executor({});
  auto program = executor->compile(graph);
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_EQ((*program)->arena_bytes(), 0U);
  std::mt19937 random(1);
  const Contents leaves = random_leaves(graph, random);
  expect_close(graph, run_cpu(graph, leaves, 2, {.runs = 3}), run_reference(graph, leaves, {.runs = 3}), 1e-6, 1e-6);
}

// ---- updates --------------------------------------------------------------------------------------------------------

struct UpdateTest : ::testing::Test {
  Graph graph;
  std::mt19937 random{5};

  Value state(const char* name, const Shape& shape = {6, 50}) {
    return graph.leaf(LeafKind::state, name, DType::f32, shape);
  }
  void check(int runs = 3, double tolerance = 1e-5) {
    ASSERT_TRUE(graph.status()) << graph.status().error().message();
    const Contents leaves = random_leaves(graph, random);
    expect_close(graph, run_cpu(graph, leaves, 2, {.runs = runs}), run_reference(graph, leaves, {.runs = runs}),
                 tolerance, tolerance);
  }
};

TEST_F(UpdateTest, TwoStatesChangePlaces) {
  const Value a = state("a");
  const Value b = state("b");
  graph.update(a, b);
  graph.update(b, a);
  check();
}

TEST_F(UpdateTest, AChainPassesOldValuesOn) {
  const Value a = state("a");
  const Value b = state("b");
  const Value c = state("c");
  graph.update(a, b);
  graph.update(b, c);
  graph.update(c, graph.emit(Op::sin, {a}));
  check();
}

TEST_F(UpdateTest, AViewOfItself) {
  const Value a = state("a", {20, 20});
  graph.update(a, graph.emit(Op::transpose, {a}, Attributes().set("axes", std::vector<std::int64_t>{1, 0})));
  check();
}

TEST_F(UpdateTest, TheOldValueIsStillRead) {
  const Value a = state("a", {64, 64});
  const Value next = graph.emit(Op::tanh, {graph.emit(Op::dot, {a, a},
                                                      Attributes()
                                                          .set("contract_a", std::vector<std::int64_t>{1})
                                                          .set("contract_b", std::vector<std::int64_t>{0}))});
  graph.update(a, next);
  graph.output("old", a);
  graph.output("sum", graph.emit(Op::reduce_sum, {graph.emit(Op::sub, {next, a})},
                                 Attributes().set("axes", std::vector<std::int64_t>{0})));
  check(3, 1e-3);  // every product makes differences of rounding larger
}

TEST_F(UpdateTest, OneValueForTwoStates) {
  const Value a = state("a");
  const Value b = state("b");
  const Value next = graph.emit(Op::add, {a, b});
  graph.update(a, next);
  graph.update(b, next);
  graph.output("difference", graph.emit(Op::sub, {a, b}));
  check();
}

// The update of a and a reduction over a share a walk: the reduction still sees the old value.
TEST_F(UpdateTest, AReductionBesideTheUpdate) {
  const Value a = state("a");
  graph.update(a, graph.emit(Op::cos, {a}));
  graph.output("largest", graph.emit(Op::reduce_max, {a}));
  graph.output("columns", graph.emit(Op::reduce_sum, {graph.emit(Op::mul, {a, a})},
                                     Attributes().set("axes", std::vector<std::int64_t>{0})));
  check();
}

// Row i of the new value needs row i + 1 of the old one.
TEST_F(UpdateTest, AShiftOfItselfIsNotMadeInPlace) {
  const Value a = state("a", {40, 100});
  const Value rest = graph.emit(
      Op::slice, {a},
      Attributes().set("starts", std::vector<std::int64_t>{1, 0}).set("sizes", std::vector<std::int64_t>{39, 100}));
  const Value shifted =
      graph.emit(Op::pad, {rest},
                 Attributes().set("low", std::vector<std::int64_t>{0, 0}).set("high", std::vector<std::int64_t>{1, 0}));
  graph.update(a, graph.emit(Op::add, {a, shifted}));
  check();
}

TEST_F(UpdateTest, ScatterIntoAState) {
  const Value a = state("a", {30, 64});
  const Value index = graph.leaf(LeafKind::input, "index", DType::i32, {100});
  const Value add = graph.leaf(LeafKind::input, "add", DType::f32, {100, 64});
  graph.update(a, graph.emit(Op::scatter_add, {a, index, add}));
  check();
}

TEST_F(UpdateTest, CountersAndConstants) {
  const Value count = graph.leaf(LeafKind::state, "count", DType::i32, {});
  const Value one = graph.emit(Op::constant, {},
                               Attributes()
                                   .set("values", std::vector<double>{1})
                                   .set("shape", std::vector<std::int64_t>{})
                                   .set("dtype", std::int64_t{7}));
  graph.update(count, graph.emit(Op::add, {count, one}));
  const Value flat = state("flat");
  graph.update(
      flat,
      graph.emit(Op::constant, {},
                 Attributes().set("values", std::vector<double>{3}).set("shape", std::vector<std::int64_t>{6, 50})));
  check();
}

// ---- binding --------------------------------------------------------------------------------------------------------

struct BindTest : ::testing::Test {
  Graph graph;
  std::unique_ptr<graph::Executor> executor = make_cpu_executor({});
  std::unique_ptr<graph::Program> program;
  graph::BufferPtr buffer;

  void SetUp() override {
    const Value x = graph.leaf(LeafKind::input, "x", DType::f32, {4});
    graph.output("y", graph.emit(Op::neg, {x}));
    auto compiled = executor->compile(graph);
    ASSERT_TRUE(compiled);
    program = std::move(*compiled);
    buffer = *executor->allocate(64);
  }
};

TEST_F(BindTest, MistakesAreErrors) {
  EXPECT_EQ(program->run({}).error().code, Code::state);
  EXPECT_EQ(program->run({}).error().where, "x");
  EXPECT_EQ(program->bind("z", {buffer, 0}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {nullptr, 0}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {buffer, 52}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {buffer, ~std::size_t{0}}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {buffer, 2}).error().code, Code::argument);
}

TEST_F(BindTest, PartsOfABufferAndUntiedOutputs) {
  const std::vector<float> x = {1, 2, 3, 4};
  ASSERT_TRUE(executor->upload({buffer, 12}, std::as_bytes(std::span(x))));
  ASSERT_TRUE(program->bind("x", {buffer, 12}));
  ASSERT_TRUE(program->run({}));
  ASSERT_TRUE(program->bind("y", {buffer, 36}));
  ASSERT_TRUE(program->run({}));
  std::vector<float> y(4);
  ASSERT_TRUE(executor->download(std::as_writable_bytes(std::span(y)), {buffer, 36}));
  EXPECT_EQ(y, (std::vector<float>{-1, -2, -3, -4}));
}

// States that start at zero are not written. Small memory comes from a heap that others have used, large from mappings.
TEST(Executor, GivesZeroedMemory) {
  for (const auto& executor : {make_cpu_executor({}), graph::make_reference_executor({})}) {
    for (const std::size_t bytes : {std::size_t{1} << 12, std::size_t{4} << 20}) {
      for (int time = 0; time < 2; ++time) {
        const auto buffer = *executor->allocate(bytes);
        std::vector<std::byte> seen(bytes, std::byte{1});
        ASSERT_TRUE(executor->download(seen, {buffer, 0}));
        EXPECT_TRUE(std::ranges::all_of(seen, [](std::byte byte) { return byte == std::byte{0}; })) << bytes;
        std::ranges::fill(seen, std::byte{0xff});
        ASSERT_TRUE(executor->upload({buffer, 0}, seen));
      }
    }
  }
}

TEST(Executor, RefusesDoublePrecision) {
  Graph graph;
  graph.output("y", graph.leaf(LeafKind::input, "x", DType::f32, {4}));
  const auto compiled = make_cpu_executor({.precision = graph::Precision::f64})->compile(graph);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().code, Code::unsupported);
}

TEST(Executor, RefusesAFailedGraph) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::input, "x", DType::f32, {4});
  graph.emit(Op::add, {x, graph.leaf(LeafKind::input, "i", DType::i32, {4})});
  const auto compiled = make_cpu_executor({})->compile(graph);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().code, Code::argument);
}

// Random numbers depend on every part of the key, and on nothing else.
TEST(Executor, RunKeysChooseRandomNumbers) {
  Graph graph;
  graph.output("y", graph.emit(Op::random_normal, {}, Attributes().set("shape", std::vector<std::int64_t>{100})));
  const Contents base = run_cpu(graph, {}, 1, {.key = {1, 2, 3}});
  EXPECT_EQ(run_cpu(graph, {}, 3, {.key = {1, 2, 3}}), base);
  for (const graph::RunKey key : {graph::RunKey{2, 2, 3}, graph::RunKey{1, 3, 3}, graph::RunKey{1, 2, 4}}) {
    EXPECT_NE(run_cpu(graph, {}, 1, {.key = key}), base);
  }
}

TEST(Executor, ProfilesNameWhereTimeGoes) {
  const ModelSizes n;
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph);
  const auto executor = make_cpu_executor({.threads = 2, .profile = true});
  auto program = executor->compile(*graph);
  ASSERT_TRUE(program);
  const Contents leaves = model_leaves(*graph, n);
  for (const auto& [name, words] : leaves) {
    auto buffer = executor->allocate(words.size() * 4);
    ASSERT_TRUE(executor->upload({*buffer, 0}, std::as_bytes(std::span(words))));
    ASSERT_TRUE((*program)->bind(name, {*buffer, 0}));
  }
  EXPECT_TRUE((*program)->profile().empty());
  ASSERT_TRUE((*program)->run({}));
  const auto entries = (*program)->profile();
  for (const char* group : {"gemm", "attention", "elementwise", "loss", "index", "norm"}) {
    const auto found = std::ranges::find(entries, group, &graph::ProfileEntry::group);
    ASSERT_NE(found, entries.end()) << group;
    EXPECT_GT(found->seconds, 0) << group;
    EXPECT_GT(found->bytes, 0) << group;
  }
  EXPECT_TRUE(std::ranges::any_of(entries, [](const auto& entry) { return entry.scope == "blocks.1"; }));
  EXPECT_TRUE((*program)->profile().empty());
}

// The plan is within a fifth of what is alive at once.
TEST(Executor, TheArenaIsNearItsLowerBound) {
  const ModelSizes n{
      .batch = 4, .context = 64, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 256, .layers = 6, .hidden = 4};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph);
  const auto executor = make_cpu_executor({.threads = 2});
  auto program = executor->compile(*graph);
  ASSERT_TRUE(program);
  EXPECT_GE((*program)->arena_bytes(), (*program)->live_bytes());
  EXPECT_LE(static_cast<double>((*program)->arena_bytes()), 1.2 * static_cast<double>((*program)->live_bytes()));
  RecordProperty("arena_bytes", std::to_string((*program)->arena_bytes()));
}

}  // namespace
}  // namespace caddie::cpu::testing
