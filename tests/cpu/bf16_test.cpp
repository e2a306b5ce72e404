// Precision::bf16 on the processor against the reference in f32: factors of products are rounded to 8 bits (2^-9 = 0.2
// %) where the processor multiplies those faster, sums and values are not.
#include "core/cpu/compiled_graph.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/graph/emitter.hpp"
#include "tests/bench/gpt.hpp"
#include "tests/cpu/op_cases.hpp"
#include "tests/cpu/small_model.hpp"

namespace caddie::cpu::testing {
namespace {

using graph::Precision;

bool multiplies(Op op) {
  return op == Op::dot || op == Op::linear || op == Op::attention || op == Op::attention_backward ||
         op == Op::linear_cross_entropy || op == Op::linear_cross_entropy_backward;
}

TEST(CpuBf16, ProductsAreWithinBfloat16OfTheReference) {
  for (const OpCases& cases : all_cases()) {
    if (!multiplies(cases.op)) continue;
    for (const auto& make : cases.cases) {
      Case c;
      make(c);
      const Contents got = run_cpu(c.graph, c.leaves, 2, {}, Precision::bf16);
      const Contents expected = run_reference(c.graph, c.leaves);
      for (const graph::Output& output : c.graph.outputs()) {
        EXPECT_LT(relative_error(got, expected, output.name), 0.02) << output.name << "\n" << c.graph.text();
      }
    }
  }
}

// Values between products are kept in bfloat16 also where they are read in pieces: joined by padding, cut by slices.
TEST(CpuBf16, ValuesThatAreJoinedAndCutAreWithinBfloat16OfTheReference) {
  using List = std::vector<std::int64_t>;
  constexpr std::int64_t kRows = 70;
  for (const std::int64_t width : {96, 77, 300}) {
    for (const std::int64_t before : {0, 3, 256}) {
      Case c;
      const Value x = c.real({kRows, 40});
      const auto product = [&](Value of, std::int64_t depth, std::int64_t columns) {
        return c.graph.emit(Op::linear, {of, c.real({columns, depth})});
      };
      const auto pad = [&](Value of, List low, List high, double value) {
        return c.graph.emit(Op::pad, {of}, graph::Attributes().set("low", low).set("high", high).set("value", value));
      };
      const Value left = product(x, 40, width);
      const Value right = product(x, 40, width);
      const std::int64_t whole = before + 2 * width;
      const Value joined = c.graph.emit(Op::add, {pad(left, {0, before}, {0, width}, 0.5),
                                                  pad(right, {0, before + width}, {0, 0}, -1.0)});
      c.graph.output("joined", product(joined, whole, 8));
      const Value shifted = c.graph.emit(Op::mul, {pad(left, {2, 0}, {1, 5}, 2.0), pad(right, {0, 5}, {3, 0}, 1.0)});
      c.graph.output("shifted", product(shifted, width + 5, 8));
      const Value cut = c.graph.emit(
          Op::slice, {right}, graph::Attributes().set("starts", List{3, 5}).set("sizes", List{60, width - 7}));
      c.graph.output("cut", product(c.graph.emit(Op::tanh, {cut}), width - 7, 8));
      c.graph.output("sums", c.graph.emit(Op::reduce_sum, {joined}, graph::Attributes().set("axes", List{0})));
      ASSERT_TRUE(c.graph.status()) << c.graph.status().error().message();
      const Contents expected = run_reference(c.graph, c.leaves);
      for (const int threads : {1, 3}) {
        const Contents got = run_cpu(c.graph, c.leaves, threads, {}, Precision::bf16);
        for (const graph::Output& output : c.graph.outputs()) {
          EXPECT_LT(relative_error(got, expected, output.name), 0.02) << output.name << " " << width << " " << before;
        }
      }
    }
  }
}

TEST(CpuBf16, ATrainingStepIsCloseToTheReferenceAndTheSameForAnyNumberOfThreads) {
  const ModelSizes n{
      .batch = 4, .context = 256, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 130, .layers = 2, .hidden = 3};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph) << graph.error().message();
  const Contents leaves = model_leaves(*graph, n);
  const Contents one = run_cpu(*graph, leaves, 1, {.runs = 2}, Precision::bf16);
  const Contents expected = run_reference(*graph, leaves, {.runs = 2});
  EXPECT_LT(relative_error(one, expected, "loss"), 0.003);
  for (const graph::Leaf& leaf : graph->leaves()) {
    if (!leaf.name.starts_with("momentum/")) continue;
    EXPECT_LT(relative_error(one, expected, leaf.name), 0.04) << leaf.name;
  }
  for (const int threads : {2, 3, 4}) {
    EXPECT_EQ(run_cpu(*graph, leaves, threads, {.runs = 2}, Precision::bf16), one) << threads;
  }
}

// What the steps of a kind read and write.
double bytes_of(const Graph& graph, std::string_view group, Factors factors) {
  const auto compiled = CompiledGraph::compile(
      graph, {.threads = 1, .factors = factors, .prepares = false, .changing_leaves = {}, .summed_leaves = {}});
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message());
  double bytes = 0;
  for (const CompiledGraph::PlacedStep& placed : (*compiled)->steps()) {
    if (placed.step->cost().group == group) bytes += placed.step->cost().bytes;
  }
  return bytes;
}

TEST(CpuBf16, LayerNormsAreCloseToTheReferenceAndPassBfloat16On) {
  const bench::GptSizes n{.layers = 2, .dim = 64, .heads = 4, .context = 256, .vocab = 130, .batch = 4};
  const auto graph = bench::gpt_gradient_graph(n);
  ASSERT_TRUE(graph) << graph.error().message();
  const Contents leaves = model_leaves(*graph, ModelSizes{.vocab = 130});
  const Contents one = run_cpu(*graph, leaves, 1, {}, Precision::bf16);
  const Contents expected = run_reference(*graph, leaves);
  EXPECT_LT(relative_error(one, expected, "loss"), 0.003);
  for (const graph::Output& output : graph->outputs()) {
    EXPECT_LT(relative_error(one, expected, output.name), 0.04) << output.name;
  }
  for (const int threads : {2, 3, 4}) EXPECT_EQ(run_cpu(*graph, leaves, threads, {}, Precision::bf16), one) << threads;
  const double wide = bytes_of(*graph, "norm", Factors::f32);
  const double narrow = bytes_of(*graph, "norm", Factors::bf16);
  if (takes_narrow(Factors::bf16)) {
    EXPECT_LT(narrow, 0.85 * wide);
  } else {
    EXPECT_EQ(narrow, wide);
  }
}

TEST(CpuBf16, RopeBetweenProductsReadsAndMakesBfloat16) {
  Graph graph;
  const graph::Emitter e{graph};
  const auto leaf = [&](const char* name, const Shape& shape) {
    return graph.leaf(graph::LeafKind::parameter, name, DType::f32, shape);
  };
  const Value q = graph.emit(Op::linear, {leaf("x", {2, 32, 64}), leaf("into", {128, 64})});
  const Value turned =
      graph.emit(Op::rope, {e.reshape(q, {2, 32, 4, 32}), leaf("cosine", {32, 12}), leaf("sine", {32, 12})});
  graph.output("y", graph.emit(Op::linear, {e.reshape(turned, {2, 32, 128}), leaf("out", {64, 128})}));
  const Contents leaves = model_leaves(graph, {});
  EXPECT_LT(relative_error(run_cpu(graph, leaves, 2, {}, Precision::bf16), run_reference(graph, leaves), "y"), 0.02);
  const double wide = bytes_of(graph, "elementwise", Factors::f32);
  EXPECT_EQ(wide, 2 * 4 * 64 * 128);
  EXPECT_EQ(bytes_of(graph, "elementwise", Factors::bf16), takes_narrow(Factors::bf16) ? wide / 2 : wide);
}

}  // namespace
}  // namespace caddie::cpu::testing
