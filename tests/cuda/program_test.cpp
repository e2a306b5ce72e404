// Whole programs on the CUDA executor under the emulator: training steps, updates, binding, keys, profiles, random
// graphs; compared with the reference.
#include <algorithm>
#include <memory>

#include "tests/cpu/op_cases.hpp"
#include "tests/cpu/random_graphs.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cuda/emulated.hpp"
#include "tests/graph/custom_kernel.hpp"

namespace caddie::cuda::testing {
namespace {

using cpu::testing::Case;
using cpu::testing::Generator;
using cpu::testing::model_leaves;
using cpu::testing::ModelSizes;
using cpu::testing::random_leaves;
using cpu::testing::SmallModel;
using cpu::testing::words_of;
using graph::Attributes;
using graph::LeafKind;
using graph::Op;
using List = std::vector<std::int64_t>;

TEST(CudaProgram, TrainingStepsAgreeWithTheReference) {
  CADDIE_NEEDS_EMULATOR();
  for (const ModelSizes& n :
       {ModelSizes{},
        ModelSizes{
            .batch = 1, .context = 37, .dim = 24, .heads = 3, .kv_heads = 1, .vocab = 51, .layers = 3, .hidden = 2},
        ModelSizes{
            .batch = 2, .context = 40, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 128, .layers = 1, .hidden = 4}}) {
    auto graph = SmallModel(n).training_step();
    ASSERT_TRUE(graph) << graph.error().message();
    const Contents leaves = model_leaves(*graph, n);
    // Three runs: the first is issued, the others replay the recording.
    expect_close(*graph, run_both_orders(*graph, leaves, {.runs = 3}), run_reference(*graph, leaves, {.runs = 3}), 2e-4,
                 2e-3);
  }
}

TEST(CudaProgram, RandomGraphsAgreeWithTheReference) {
  CADDIE_NEEDS_EMULATOR();
  std::vector<Graph> graphs;
  for (std::uint32_t seed = 3000; seed < 3040; ++seed) {
    graphs.push_back(Generator(seed).make());
    foresee(graphs.back());
  }
  for (std::uint32_t i = 0; i < graphs.size(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(3000 + i));
    std::mt19937 random(i);
    const Contents leaves = random_leaves(graphs[i], random);
    expect_close(graphs[i], run_both_orders(graphs[i], leaves, {.runs = 2}),
                 run_reference(graphs[i], leaves, {.runs = 2}), 5e-4, 5e-4);
    if (HasFatalFailure()) return;
  }
}

// One walk feeds many sums over rows: their totals take turns in the shared memory of a block.
Graph many_sums() {
  Graph graph;
  const Value x = graph.leaf(LeafKind::input, "x", DType::f32, {40, 256});
  Value y = x;
  for (int i = 0; i < 20; ++i) {
    y = graph.emit(i % 2 == 0 ? Op::sin : Op::cos, {y});
    graph.output("sum" + std::to_string(i), graph.emit(Op::reduce_sum, {y}, Attributes().set("axes", List{0})));
  }
  return graph;
}

TEST(CudaProgram, ManySumsOfOneWalk) {
  CADDIE_NEEDS_EMULATOR();
  const Graph graph = many_sums();
  std::mt19937 random(3);
  const Contents leaves = random_leaves(graph, random);
  expect_close(graph, run_both_orders(graph, leaves), run_reference(graph, leaves), 1e-4, 1e-4);
}

// Rows that no tile has room for: attention is taken apart.
TEST(CudaProgram, AttentionOfVeryLongRows) {
  CADDIE_NEEDS_EMULATOR();
  Graph graph;
  const Value q = graph.leaf(LeafKind::input, "q", DType::f32, {1, 5, 1, 264});
  graph.output("y", graph.emit(Op::attention, {q, q, q}, Attributes().set("scale", 0.1)));
  std::mt19937 random(3);
  const Contents leaves = random_leaves(graph, random);
  expect_close(graph, run_both_orders(graph, leaves), run_reference(graph, leaves), 1e-4, 1e-4);
}

// A plugin's kernel is for the processor; here its reference runs.
TEST(CudaProgram, CustomNodesRunTheirReference) {
  CADDIE_NEEDS_EMULATOR();
  const auto kernel = std::make_shared<graph::testing::SquareRows>(Shape{6, 16}, 0.5);
  Graph graph;
  const Value x = graph.leaf(LeafKind::input, "x", DType::f32, {6, 16});
  const Value w = graph.leaf(LeafKind::input, "w", DType::f32, {16});
  graph.output("y", graph.custom(kernel, std::vector<Value>{x, w}));
  std::mt19937 random(3);
  const Contents leaves = random_leaves(graph, random);
  expect_close(graph, run_both_orders(graph, leaves), run_reference(graph, leaves), 1e-6, 1e-6);
  EXPECT_EQ(kernel->calls, 0);
}

// ---- updates --------------------------------------------------------------------------------------------------------

struct CudaUpdate : ::testing::Test {
  Graph graph;
  std::mt19937 random{5};

  void SetUp() override { CADDIE_NEEDS_EMULATOR(); }
  Value state(const char* name, const Shape& shape = {6, 50}) {
    return graph.leaf(LeafKind::state, name, DType::f32, shape);
  }
  void check(double tolerance = 1e-5) {
    ASSERT_TRUE(graph.status()) << graph.status().error().message();
    const Contents leaves = random_leaves(graph, random);
    expect_close(graph, run_both_orders(graph, leaves, {.runs = 3}), run_reference(graph, leaves, {.runs = 3}),
                 tolerance, tolerance);
  }
};

TEST_F(CudaUpdate, StatesChangePlacesAndPassOldValuesOn) {
  const Value a = state("a"), b = state("b"), c = state("c"), d = state("d");
  graph.update(a, b);
  graph.update(b, a);
  graph.update(c, d);
  graph.update(d, graph.emit(Op::sin, {c}));
  check();
}

TEST_F(CudaUpdate, AViewOfItselfAndAShift) {
  const Value a = state("a", {20, 20}), b = state("b", {40, 100});
  graph.update(a, graph.emit(Op::transpose, {a}, Attributes().set("axes", List{1, 0})));
  const Value rest = graph.emit(Op::slice, {b}, Attributes().set("starts", List{1, 0}).set("sizes", List{39, 100}));
  const Value shifted = graph.emit(Op::pad, {rest}, Attributes().set("low", List{0, 0}).set("high", List{1, 0}));
  graph.update(b, graph.emit(Op::add, {b, shifted}));
  check();
}

TEST_F(CudaUpdate, TheOldValueIsStillRead) {
  const Value a = state("a", {64, 64});
  const Value next = graph.emit(
      Op::tanh,
      {graph.emit(Op::dot, {a, a}, Attributes().set("contract_a", List{1}).set("contract_b", List{0}))});
  graph.update(a, next);
  graph.output("old", a);
  graph.output("sum",
               graph.emit(Op::reduce_sum, {graph.emit(Op::sub, {next, a})}, Attributes().set("axes", List{0})));
  check(1e-3);
}

TEST_F(CudaUpdate, AReductionBesideTheUpdateAndScatterIntoAState) {
  const Value a = state("a"), table = state("table", {30, 64});
  graph.update(a, graph.emit(Op::cos, {a}));
  graph.output("largest", graph.emit(Op::reduce_max, {a}));
  const Value index = graph.leaf(LeafKind::input, "index", DType::i32, {100});
  const Value add = graph.leaf(LeafKind::input, "add", DType::f32, {100, 64});
  graph.update(table, graph.emit(Op::scatter_add, {table, index, add}));
  check();
}

TEST_F(CudaUpdate, CountersAndConstants) {
  const Value count = graph.leaf(LeafKind::state, "count", DType::i32, {});
  const auto constant = [&](double value, List shape, std::int64_t type) {
    return graph.emit(
        Op::constant, {},
        Attributes().set("values", std::vector<double>{value}).set("shape", std::move(shape)).set("dtype", type));
  };
  graph.update(count, graph.emit(Op::add, {count, constant(1, {}, 7)}));
  graph.update(state("flat"), constant(3, {6, 50}, 1));
  check();
}

// ---- binding, keys, profiles ----------------------------------------------------------------------------------------

struct CudaBind : ::testing::Test {
  Graph graph;
  std::unique_ptr<graph::Executor> executor;
  std::unique_ptr<graph::Program> program;
  graph::BufferPtr buffer;

  void SetUp() override {
    CADDIE_NEEDS_EMULATOR();
    executor = emulated();
    const Value x = graph.leaf(LeafKind::state, "x", DType::f32, {4});
    graph.output("y", graph.emit(Op::neg, {x}));
    graph.update(x, graph.emit(Op::add, {x, x}));
    auto compiled = executor->compile(graph);
    ASSERT_TRUE(compiled) << compiled.error().message();
    program = std::move(*compiled);
    buffer = *executor->allocate(64);
  }
};

TEST_F(CudaBind, MistakesAreErrors) {
  EXPECT_EQ(program->run({}).error().code, Code::state);
  EXPECT_EQ(program->run({}).error().where, "x");
  EXPECT_EQ(program->bind("z", {buffer, 0}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {nullptr, 0}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {buffer, 52}).error().code, Code::argument);
  EXPECT_EQ(program->bind("x", {buffer, 2}).error().code, Code::argument);
  const auto host = graph::make_reference_executor({})->allocate(64);
  EXPECT_EQ(program->bind("x", {*host, 0}).error().code, Code::argument);
}

// Addresses that vectors of four cannot be read from, bound anew between runs.
TEST_F(CudaBind, PartsOfABufferAndOutputsTiedLater) {
  const std::vector<float> x = {1, 2, 3, 4};
  ASSERT_TRUE(executor->upload({buffer, 12}, std::as_bytes(std::span(x))));
  ASSERT_TRUE(program->bind("x", {buffer, 12}));
  ASSERT_TRUE(program->run({}));
  ASSERT_TRUE(program->bind("y", {buffer, 36}));
  ASSERT_TRUE(program->run({}));
  std::vector<float> y(4);
  ASSERT_TRUE(executor->download(std::as_writable_bytes(std::span(y)), {buffer, 36}));
  EXPECT_EQ(y, (std::vector<float>{-2, -4, -6, -8}));
  ASSERT_TRUE(executor->download(std::as_writable_bytes(std::span(y)), {buffer, 12}));
  EXPECT_EQ(y, (std::vector<float>{4, 8, 12, 16}));
}

TEST(CudaExecutor, RefusesDoublePrecision) {
  Graph graph;
  graph.output("y", graph.leaf(LeafKind::input, "x", DType::f32, {4}));
  EXPECT_EQ(emulated(graph::Precision::f64)->compile(graph).error().code, Code::unsupported);
}

// The same bits as the reference's whatever the key, and through a replayed recording.
TEST(CudaExecutor, RandomFieldsAreTheReferencesBits) {
  CADDIE_NEEDS_EMULATOR();
  Graph graph;
  graph.output("normal", graph.emit(Op::random_normal, {}, Attributes().set("shape", List{37, 211}).set("std", 0.1)));
  graph.output("uniform", graph.emit(Op::random_uniform, {}, Attributes().set("shape", List{24, 64}).set("low", -1.0)));
  for (const graph::RunKey key : {graph::RunKey{1, 2, 3}, graph::RunKey{2, 2, 3}, graph::RunKey{1, 3, 4}}) {
    const Contents expected = run_reference(graph, {}, {.key = key});
    EXPECT_EQ(run_emulated(graph, {}, {.runs = 1, .key = key}), expected);
    EXPECT_EQ(run_emulated(graph, {}, {.runs = 2, .key = key}), expected);
  }
}

TEST(CudaExecutor, SpecialNumbers) {
  CADDIE_NEEDS_EMULATOR();
  const float nan = std::nanf("");
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> a = {nan, 1, -infinity, infinity, 0, -0.0F, 3e38F, -2.5F, 0.5F, nan, 1e-40F, 8388609.0F};
  const std::vector<float> b = {1, nan, infinity, infinity, 0, 0, 3e38F, 2.5F, -0.0F, nan, 1, 0.5F};
  std::vector<std::pair<std::string, Case>> cases;
  for (const graph::OpInfo& row : graph::all_ops()) {
    const auto code = static_cast<std::uint32_t>(row.op);
    const bool reduction = row.op == Op::reduce_sum || row.op == Op::reduce_max || row.op == Op::reduce_min;
    if (!reduction && (code < 10 || code > 49)) continue;
    Case& c = cases.emplace_back(std::string(row.name), Case()).second;
    c.leaves = {{"a", words_of(a)}, {"b", words_of(b)}};
    const Value x = c.graph.leaf(LeafKind::input, "a", DType::f32, {12});
    const Value y = c.graph.leaf(LeafKind::input, "b", DType::f32, {12});
    if (row.op == Op::cast) {
      c.emit(row.op, {x}, Attributes().set("dtype", std::int64_t{7}));
    } else if (row.inputs.size() == 2) {
      c.emit(row.op, {x, y});
    } else {
      c.emit(row.op, {x});
    }
    foresee(c.graph);
  }
  for (const auto& [name, c] : cases) {
    SCOPED_TRACE(name);
    expect_close(c.graph, run_emulated(c.graph, c.leaves), run_reference(c.graph, c.leaves), 1e-6, 1e-5);
  }
}

TEST(CudaExecutor, ProfilesNameWhereTimeGoes) {
  CADDIE_NEEDS_EMULATOR();
  const ModelSizes n;
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph);
  graph::ExecutorOptions options;
  options.profile = true;
  const auto executor = make_cuda_executor(simt::emulated_device(), options);
  auto program = executor->compile(*graph);
  ASSERT_TRUE(program);
  for (const auto& [name, words] : model_leaves(*graph, n)) {
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
  EXPECT_FALSE((*program)->trace().empty());
}

TEST(CudaExecutor, UpdatesAreMadeInPlace) {
  CADDIE_NEEDS_EMULATOR();
  Graph graph;
  const Value p = graph.leaf(LeafKind::parameter, "p", DType::f32, {1000});
  const Value m = graph.leaf(LeafKind::state, "m", DType::f32, {1000});
  const Value g = graph.leaf(LeafKind::input, "g", DType::f32, {1000});
  const Value next = graph.emit(Op::add, {graph.emit(Op::mul, {m, m}), g});
  graph.update(m, next);
  graph.update(p, graph.emit(Op::sub, {p, next}));
  for (const auto precision : {graph::Precision::f32, graph::Precision::bf16}) {
    auto program = emulated(precision)->compile(graph);
    ASSERT_TRUE(program) << program.error().message();
    EXPECT_EQ((*program)->arena_bytes(), 0U);
  }
}

}  // namespace
}  // namespace caddie::cuda::testing
