// The same cases on a real GPU. Skipped where there is none.
#include "core/cuda/runtime/cuda_device.hpp"
#include "tests/cpu/op_cases.hpp"
#include "tests/cpu/random_graphs.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cuda/emulated.hpp"
#include "tests/cuda/epilogue_cases.hpp"
#include "tests/records/twins.hpp"

namespace caddie::cuda::testing {
namespace {

using cpu::testing::all_cases;
using cpu::testing::Case;
using cpu::testing::Generator;
using cpu::testing::model_leaves;
using cpu::testing::ModelSizes;
using cpu::testing::OpCases;
using cpu::testing::random_leaves;
using cpu::testing::run_on;
using cpu::testing::SmallModel;

struct Gpu : ::testing::Test {
  std::unique_ptr<graph::Executor> executor;

  void SetUp() override {
    auto device = make_cuda_device({{}, 2});
    if (!device) GTEST_SKIP() << device.error().text;
    executor = make_cuda_executor(std::move(*device), {});
  }
};

TEST_F(Gpu, OperationsAgreeWithTheReference) {
  for (const OpCases& cases : all_cases()) {
    for (std::size_t i = 0; i < cases.cases.size(); ++i) {
      SCOPED_TRACE(std::string(graph::info(cases.op).name) + " case " + std::to_string(i));
      Case c;
      cases.cases[i](c);
      expect_close(c.graph, run_on(*executor, c.graph, c.leaves), run_reference(c.graph, c.leaves), c.tolerance,
                   c.tolerance);
    }
  }
}

TEST_F(Gpu, TrainingStepsAgreeWithTheReferenceAndWithThemselves) {
  const ModelSizes n{
      .batch = 2, .context = 40, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 128, .layers = 2, .hidden = 4};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph);
  const Contents leaves = model_leaves(*graph, n);
  const Contents got = run_on(*executor, *graph, leaves, {.runs = 3});
  expect_close(*graph, got, run_reference(*graph, leaves, {.runs = 3}), 2e-4, 2e-3);
  EXPECT_EQ(run_on(*executor, *graph, leaves, {.runs = 3}), got) << "the same program gave other bits";
}

TEST_F(Gpu, RandomGraphsAgreeWithTheReference) {
  for (std::uint32_t seed = 3000; seed < 3040; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph graph = Generator(seed).make();
    std::mt19937 random(seed);
    const Contents leaves = random_leaves(graph, random);
    expect_close(graph, run_on(*executor, graph, leaves, {.runs = 2}), run_reference(graph, leaves, {.runs = 2}), 5e-4,
                 5e-4);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Gpu, EpiloguesAgreeWithTheReference) {
  graph::ExecutorOptions narrow;
  narrow.precision = graph::Precision::bf16;
  const auto in_bf16 = make_cuda_executor(*make_cuda_device({{}, 2}), narrow);
  for (const auto& [m, n, k] : {std::tuple<int, int, int>{32, 48, 64}, {5, 9, 7}}) {
    for (const EpilogueCase& each : epilogue_cases()) {
      SCOPED_TRACE(each.name);
      EpilogueBench bench(m, n, k);
      each.make(bench);
      const Contents leaves = random_leaves_of(bench.graph);
      const Contents expected = run_reference(bench.graph, leaves, {.runs = 2});
      expect_close(bench.graph, run_on(*executor, bench.graph, leaves, {.runs = 2}), expected, 1e-4, 1e-4);
      if (!each.narrow) continue;
      const Contents got = run_on(*in_bf16, bench.graph, leaves, {.runs = 2});
      for (const auto& [output, words] : expected) EXPECT_LT(relative_error(got, expected, output), 0.01) << output;
    }
  }
}

TEST_F(Gpu, RandomFieldsAreTheReferencesBits) {
  Graph graph;
  graph.output("y", graph.emit(graph::Op::random_normal, {},
                               graph::Attributes().set("shape", std::vector<std::int64_t>{37, 211})));
  EXPECT_EQ(run_on(*executor, graph, {}, {.runs = 2}), run_reference(graph, {}, {.runs = 2}));
}

TEST_F(Gpu, TwinsTrainLikeOnTheReference) {
  for (const std::string& run : records::all_runs()) {
    SCOPED_TRACE(run);
    records::Twin on_gpu(records::toy(run, {}, 4), make_cuda_executor(*make_cuda_device({{}, 2}), {}));
    records::Twin expected(records::toy(run, {}, 4), graph::make_reference_executor({}));
    on_gpu.start();
    expected.start();
    for (int step = 0; step < 3; ++step) {
      const double loss = expected.step().loss.loss;
      EXPECT_NEAR(on_gpu.step().loss.loss, loss, 1e-3 * std::abs(loss)) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace caddie::cuda::testing
