// Epilogues of products on the CUDA executor under the emulator: those that the library takes, those that our own
// kernel for small products makes, and those that the library refuses; against the reference executor.
#include <algorithm>
#include <functional>

#include "core/cuda/compiled_graph.hpp"
#include "tests/bench/gpt.hpp"
#include "tests/cuda/epilogue_cases.hpp"
#include "tests/cuda/listing_device.hpp"

namespace caddie::cuda::testing {
namespace {

using graph::Precision;

std::vector<Product> products_of(const Graph& graph, Precision precision, bool good_at_activations = true) {
  ListingDevice device;
  device.good_at_activations = good_at_activations;
  EXPECT_TRUE(CompiledGraph::compile(graph, precision, device));
  return device.products();
}

// Both ways a device may answer, and both orders of threads; products of the library and of our own kernel.
void check(const std::string& name, const Graph& graph, double narrow_error) {
  SCOPED_TRACE(name);
  ASSERT_TRUE(graph.status()) << graph.status().error().message();
  const Contents leaves = random_leaves_of(graph);
  const Contents expected = run_reference(graph, leaves, {.runs = 2});
  for (const bool fuses : {true, false}) {
    SCOPED_TRACE(fuses ? "fused" : "refused");
    simt::emulated_device()->fuse_epilogues(fuses);
    expect_close(graph, run_both_orders(graph, leaves, {.runs = 2}), expected, 2e-5, 2e-5);
    if (narrow_error > 0) {
      const Contents got = run_both_orders(graph, leaves, {.runs = 2}, Precision::bf16);
      for (const auto& [output, words] : expected)
        EXPECT_LT(relative_error(got, expected, output), narrow_error) << output;
    }
    simt::emulated_device()->fuse_epilogues(true);
  }
}

TEST(CudaEpilogue, AgreesWithTheReference) {
  CADDIE_NEEDS_EMULATOR();
  for (const auto& [m, n, k] : {std::tuple<int, int, int>{32, 48, 64}, {5, 9, 7}}) {
    for (const EpilogueCase& each : epilogue_cases()) {
      EpilogueBench bench(m, n, k);
      each.make(bench);
      check(each.name, bench.graph, each.narrow ? 0.01 : 0);
    }
  }
}

TEST(CudaEpilogue, IsLeftToTheLibrary) {
  for (const EpilogueCase& each : epilogue_cases()) {
    if (each.uses == nullptr) continue;
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      if (precision == Precision::bf16 && !each.narrow) continue;
      EpilogueBench bench(32, 48, 64);
      each.make(bench);
      EXPECT_TRUE(std::ranges::any_of(products_of(bench.graph, precision), each.uses)) << each.name;
    }
  }
}

// Batches that do not join are several calls, whose results begin within the value.
TEST(CudaEpilogue, OfBatchesThatDoNotJoin) {
  CADDIE_NEEDS_EMULATOR();
  for (const std::int64_t size : {16, 5}) {
    EpilogueBench b(size, size, size);
    const Value a = b.e.transpose(b.leaf({3, 2, size, size}), {1, 0, 2, 3});
    const Value product = b.e.dot(a, b.leaf({2, 3, size, size}), {0, 1}, {0, 1}, {3}, {2});
    const Value stream = b.leaf({2, 3, size, size});
    const Value before = b.e.add(b.e.add(product, stream), b.bias());
    b.graph.output("y", b.gelu(before));
    b.graph.output("before", before);
    check("batches", b.graph, 0);
    EXPECT_EQ(products_of(b.graph, Precision::f32).size(), size == 16 ? 2U : 0U);
  }
}

// An iteration of Muon's: A = X X^T, B = b A + c A A, X <- a X + B X.
TEST(CudaEpilogue, NewtonSchulz) {
  CADDIE_NEEDS_EMULATOR();
  EpilogueBench b(16, 24, 0);
  Value x = b.leaf({3, 16, 24});
  for (int i = 0; i < 2; ++i) {
    x = b.graph.emit(Op::rms_norm, {x});
    const Value gram = b.e.dot(x, x, {0}, {0}, {2}, {2});
    const Value polynomial =
        b.e.add(b.e.scale(gram, -0.048), b.e.scale(b.e.dot(gram, gram, {0}, {0}, {2}, {1}), 0.002));
    x = b.e.add(b.e.scale(x, 3.4), b.e.dot(polynomial, x, {0}, {0}, {2}, {1}));
  }
  b.graph.output("y", x);
  check("newton-schulz", b.graph, 0.02);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const auto products = products_of(b.graph, precision);
    EXPECT_EQ(std::ranges::count_if(products, [](const Product& p) { return p.beta != 0; }), 4);
  }
}

// ---- a GPT with biases ----------------------------------------------------------------------------------------------

constexpr bench::GptSizes kGpt{.layers = 2, .dim = 32, .heads = 2, .context = 24, .vocab = 64, .batch = 2};

TEST(CudaEpilogue, OfAGptWithBiases) {
  CADDIE_NEEDS_EMULATOR();
  const auto graph = bench::gpt_gradient_graph(kGpt);
  ASSERT_TRUE(graph) << graph.error().message();
  const std::vector<float> weights = bench::gpt_weights(kGpt);
  Contents leaves;
  std::mt19937 random(3);
  for (const graph::Leaf& leaf : graph->leaves()) {
    const std::int64_t elements = graph->shape(leaf.value).elements();
    leaves[leaf.name] = graph->dtype(leaf.value) == DType::i32
                            ? cpu::testing::random_ints(random, elements, 0, static_cast<int>(kGpt.vocab) - 1)
                            : cpu::testing::random_floats(random, elements, -0.3F, 0.3F);
  }
  const Contents expected = run_reference(*graph, leaves);
  for (const bool fuses : {true, false}) {
    simt::emulated_device()->fuse_epilogues(fuses);
    expect_close(*graph, run_both_orders(*graph, leaves), expected, 2e-5, 2e-3);
    const Contents narrow = run_both_orders(*graph, leaves, {}, Precision::bf16);
    simt::emulated_device()->fuse_epilogues(true);
    EXPECT_LT(relative_error(narrow, expected, "loss"), 0.003);
    for (const graph::Output& output : graph->outputs()) {
      EXPECT_LT(relative_error(narrow, expected, output.name), 0.05) << output.name;
    }
  }
}

// Forward, in each layer: the bias of attention's first map, bias and residual of its second, bias and GELU and its
// argument for the gradient, bias and residual.
TEST(CudaEpilogue, OfAGptAreAllFound) {
  const auto graph = bench::gpt_gradient_graph(kGpt);
  ASSERT_TRUE(graph);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const auto products = products_of(*graph, precision);
    const auto count = [&](const std::function<bool(const Product&)>& which) {
      return std::ranges::count_if(products, which);
    };
    EXPECT_EQ(count([](const Product& p) { return p.has_bias; }), 4 * kGpt.layers);
    EXPECT_EQ(count([](const Product& p) { return p.has_bias && p.beta == 1; }), 2 * kGpt.layers);
    const auto whole = [](const Product& p) { return p.activation == Activation::gelu && p.has_bias && p.keeps; };
    EXPECT_EQ(count(whole), kGpt.layers);
    const auto without = products_of(*graph, precision, false);
    EXPECT_TRUE(std::ranges::all_of(without, [](const Product& p) { return p.activation == Activation::none; }));
    EXPECT_GE(std::ranges::count(without, true, &Product::has_bias), 3 * kGpt.layers);
  }
}

}  // namespace
}  // namespace caddie::cuda::testing
