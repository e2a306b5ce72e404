// Programs that run slab by slab along the batch: what is cut, and that results are those of the whole.
#include "core/graph/batch_split.hpp"

#include <algorithm>

#include "core/cpu/compiled_graph.hpp"
#include "core/graph/emitter.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {
namespace {

using graph::Attributes;
using graph::Emitter;
using graph::LeafKind;
using graph::Op;

Contents leaves_of(const Graph& graph, std::int64_t vocab) {
  std::mt19937 random(7);
  Contents leaves;
  for (const graph::Leaf& leaf : graph.leaves()) {
    const std::int64_t count = graph.shape(leaf.value).elements();
    leaves[leaf.name] = graph.dtype(leaf.value) == DType::i32
                            ? random_ints(random, count, 0, static_cast<std::int32_t>(vocab - 1))
                            : random_floats(random, count, -0.4F, 0.4F);
  }
  return leaves;
}

std::optional<graph::BatchSplit> split_of(const Graph& graph) {
  const auto simple = CompiledGraph::prepared_for_kernels(graph);
  EXPECT_TRUE(simple) << (simple ? "" : simple.error().message());
  return graph::split_batch(*simple);
}

// tokens [B, T] -> rows of a table -> a map; what follows is up to the test.
struct Rows {
  Rows(std::int64_t batch, std::int64_t context) : batch_(batch), context_(context) {
    const Value tokens = graph.leaf(LeafKind::input, "tokens", DType::i32, {batch, context});
    const Value table = graph.leaf(LeafKind::parameter, "table", DType::f32, {16, 8});
    w = graph.leaf(LeafKind::parameter, "w", DType::f32, {8, 8});
    x = graph.emit(Op::linear, {graph.emit(Op::gather, {table, tokens}), w});
  }
  void check(double tolerance = 1e-3) const {
    ASSERT_TRUE(graph.status()) << graph.status().error().message();
    const Contents leaves = leaves_of(graph, 16);
    const Contents one = run_cpu(graph, leaves, 1, {.runs = 2});
    expect_close(graph, one, run_reference(graph, leaves, {.runs = 2}), tolerance, tolerance);
    for (const int threads : {2, 3, 4, 6}) EXPECT_EQ(run_cpu(graph, leaves, threads, {.runs = 2}), one) << threads;
  }
  Graph graph;
  Emitter e{graph};
  Value w, x;
  std::int64_t batch_, context_;
};

TEST(BatchSplit, ATrainingStepIsCutIntoSlabsOfTokens) {
  const ModelSizes n{.batch = 4, .context = 128, .dim = 16, .heads = 2, .kv_heads = 1, .vocab = 32, .layers = 1};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph) << graph.error().message();
  const auto split = split_of(*graph);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->slabs, 2);
  const Contents leaves = leaves_of(*graph, n.vocab);
  const Contents one = run_cpu(*graph, leaves, 1, {.runs = 2});
  expect_close(*graph, one, run_reference(*graph, leaves, {.runs = 2}), 2e-4, 2e-3);
  for (const int threads : {2, 3, 4}) EXPECT_EQ(run_cpu(*graph, leaves, threads, {.runs = 2}), one) << threads;
}

TEST(BatchSplit, ManySlabsAddToOneSum) {
  Rows rows(20, 512);
  rows.graph.output("sum", rows.e.reduce(Op::reduce_sum, rows.x, {0, 1}, false));
  rows.graph.output("rows", rows.x);
  const auto split = split_of(rows.graph);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->slabs, 20);
  rows.check(1e-2);
}

TEST(BatchSplit, RandomFieldsAreThoseOfTheWholeBatch) {
  Rows rows(8, 128);
  const Value noise = rows.graph.emit(Op::random_normal, {}, Attributes().set("shape", std::vector<std::int64_t>{8, 128, 8}));
  const Value once = rows.graph.emit(Op::random_uniform, {}, Attributes().set("shape", std::vector<std::int64_t>{128, 8}));
  rows.graph.output("noisy", rows.e.add(rows.e.add(rows.x, rows.e.scale(noise, 0.5)), once));
  ASSERT_TRUE(split_of(rows.graph));
  rows.check(1e-5);
}

// Places along a row are the same in every slab, rows of the batch are not: the body is given its slab of them.
TEST(BatchSplit, CountsAlongARowAndAlongTheBatch) {
  Rows rows(4, 256);
  const Value tokens = rows.graph.find_leaf("tokens")->value;
  const auto real = [&](Value x) { return rows.graph.emit(Op::cast, {x}, Attributes().set("dtype", std::int64_t{1})); };
  const Value places = rows.e.add(rows.e.iota({4, 256}, 1), tokens);
  const Value numbers = rows.e.add(rows.e.iota({4, 256}, 0), tokens);
  const Value factor = rows.e.add(rows.e.scale(real(places), 0.01), real(numbers));
  rows.graph.output("y", rows.e.mul(rows.x, rows.e.reshape(factor, {4, 256, 1})));
  const auto split = split_of(rows.graph);
  ASSERT_TRUE(split);
  EXPECT_TRUE(split->tail.nodes().empty());
  EXPECT_EQ(std::ranges::count(split->crossings, graph::Crossing::Kind::given, &graph::Crossing::kind), 1);
  rows.check(1e-2);
}

TEST(BatchSplit, SumsGoOnAfterTheSlabs) {
  Rows rows(4, 256);
  const Value total = rows.e.reduce(Op::reduce_sum, rows.x, {0, 1}, false);
  rows.graph.output("root", rows.e.op(Op::sqrt, rows.e.add(rows.e.mul(total, total), rows.e.scalar(1))));
  rows.graph.output("total", total);
  const Value count = rows.graph.leaf(LeafKind::state, "count", DType::f32, {8});
  rows.graph.update(count, rows.e.add(count, total));
  ASSERT_TRUE(split_of(rows.graph));
  rows.check(1e-2);
}

// Rows stay apart, the weights' gradients are sums over slabs.
TEST(BatchSplit, LayerNormsAreCut) {
  Rows r(6, 128);
  const Value weight = r.graph.leaf(LeafKind::parameter, "weight", DType::f32, {8});
  const Value bias = r.graph.leaf(LeafKind::parameter, "bias", DType::f32, {8});
  const Value y = r.graph.emit(Op::layer_norm, {r.x, weight, bias});
  const Value at_end = r.graph.emit(Op::linear, {y, r.w});
  const Value loss = r.e.reduce(Op::reduce_sum, r.e.mul(at_end, at_end), {}, false);
  const Value leaves[] = {r.w, weight, bias};
  const auto made = graph::gradients(r.graph, loss, leaves);
  ASSERT_TRUE(made) << made.error().message();
  for (std::size_t i = 0; i < made->size(); ++i) r.graph.output("d" + std::to_string(i), (*made)[i]);
  const auto split = split_of(r.graph);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->slabs, 3);
  EXPECT_TRUE(split->tail.nodes().empty()) << split->tail.text();
  r.check(5e-3);
}

// A few positions of every row at the end: their products take the rows of all slabs at once.
TEST(BatchSplit, ProductsOfFewRowsComeAfterTheSlabs) {
  Rows rows(4, 256);
  const Value last = rows.e.slice_axis(rows.x, 1, 224, 32);
  const Value y = rows.graph.emit(Op::linear, {rows.e.op(Op::tanh, last), rows.w});
  const Value targets = rows.graph.leaf(LeafKind::input, "targets", DType::i32, {4, 256});
  const Value loss = rows.graph.emit(Op::linear_cross_entropy, {y, rows.w, rows.e.slice_axis(targets, 1, 224, 32)});
  rows.graph.output("nll", loss);
  const auto split = split_of(rows.graph);
  ASSERT_TRUE(split);
  const auto products = [](const Graph& graph) {
    return std::ranges::count_if(graph.nodes(), [](const graph::Node& node) {
      return node.op == Op::linear || node.op == Op::linear_cross_entropy;
    });
  };
  EXPECT_EQ(products(split->body), 1);
  EXPECT_EQ(products(split->tail), 2);
  rows.check();
}

// Not where attention over all positions still follows.
TEST(BatchSplit, ProductsOfFewRowsBeforeAttentionStayInTheSlabs) {
  Rows rows(4, 256);
  const Value q = rows.graph.emit(Op::linear, {rows.e.slice_axis(rows.x, 1, 224, 32), rows.w});
  const Value k = rows.e.reshape(rows.x, {4, 256, 1, 8});
  const Value y = rows.graph.emit(Op::attention, {rows.e.reshape(q, {4, 32, 1, 8}), k, k},
                                  Attributes().set("scale", 0.3).set("causal", std::int64_t{2}));
  rows.graph.output("y", y);
  const auto split = split_of(rows.graph);
  ASSERT_TRUE(split);
  EXPECT_TRUE(std::ranges::none_of(split->tail.nodes(), [](const graph::Node& node) { return node.op == Op::linear; }));
  rows.check();
}

// What depends on no token is computed once, whatever reads it.
TEST(BatchSplit, WeightsAreTransformedOnce) {
  Rows rows(4, 256);
  const Value rounded = rows.graph.emit(Op::round_bf16, {rows.e.scale(rows.w, 3)});
  const Value y = rows.graph.emit(Op::linear, {rows.x, rounded});
  rows.graph.output("y", y);
  rows.graph.output("weights", rounded);
  const auto split = split_of(rows.graph);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->shared.outputs().size(), 1U);
  rows.check();
}

TEST(BatchSplit, RowsThatAreMixedBeforeAProductAreNotCut) {
  Rows rows(4, 256);
  const Value highest = rows.e.reduce(Op::reduce_max, rows.x, {0}, true);
  rows.graph.output("y", rows.graph.emit(Op::linear, {rows.e.sub(rows.x, highest), rows.w}));
  EXPECT_FALSE(split_of(rows.graph));
  rows.check();
}

TEST(BatchSplit, TooFewTokensAreNotCut) {
  Rows rows(4, 64);
  rows.graph.output("x", rows.x);
  EXPECT_FALSE(split_of(rows.graph));
}

TEST(BatchSplit, TheArenaHoldsSlabsInsteadOfTheBatch) {
  const ModelSizes n{.batch = 16, .context = 256, .dim = 32, .heads = 2, .kv_heads = 2, .vocab = 64, .layers = 3};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph);
  const auto split = split_of(*graph);
  ASSERT_TRUE(split);
  const auto body = CompiledGraph::compile(split->body, {});
  const auto whole = CompiledGraph::compile(*graph, {});
  ASSERT_TRUE(body && whole);
  EXPECT_LT((*body)->plan().arena_bytes * 6, (*whole)->plan().arena_bytes);
}

}  // namespace
}  // namespace caddie::cpu::testing
