// Precision::bf16 under the emulator against the reference in f32. Tolerances follow from bfloat16's 8 bits: 2^-8 = 0.4
// % for each value that is stored, some of which come together.
#include <algorithm>

#include "core/cuda/compiled_graph.hpp"
#include "tests/cpu/op_cases.hpp"
#include "tests/cpu/small_model.hpp"
#include "tests/cuda/emulated.hpp"
#include "tests/cuda/gathered_attention.hpp"
#include "tests/cuda/listing_device.hpp"

namespace caddie::cuda::testing {
namespace {

using cpu::testing::all_cases;
using cpu::testing::Case;
using cpu::testing::model_leaves;
using cpu::testing::ModelSizes;
using cpu::testing::OpCases;
using cpu::testing::SmallModel;
using graph::Op;
using graph::Precision;

// Operations whose results bfloat16 is for (signed sums may cancel: a few times 2^-8); where inputs are leaves, all but
// products compute as in f32.
TEST(CudaBf16, OperationsAreWithinBfloat16OfTheReference) {
  CADDIE_NEEDS_EMULATOR();
  std::vector<Case> made;
  for (const OpCases& cases : all_cases()) {
    const bool narrow = cases.op == Op::dot || cases.op == Op::linear || cases.op == Op::gather ||
                        cases.op == Op::attention || cases.op == Op::attention_backward ||
                        cases.op == Op::linear_cross_entropy || cases.op == Op::linear_cross_entropy_backward ||
                        cases.op == Op::rms_norm || cases.op == Op::layer_norm || cases.op == Op::scatter_add ||
                        cases.op == Op::reduce_sum;
    if (!narrow) continue;
    for (std::size_t i = 0; i < cases.cases.size(); ++i) cases.cases[i](made.emplace_back());
  }
  for (const Case& c : made) foresee(c.graph, Precision::bf16);
  for (const Case& c : made) {
    const Contents got = run_both_orders(c.graph, c.leaves, {}, Precision::bf16);
    const Contents expected = run_reference(c.graph, c.leaves);
    for (const graph::Output& output : c.graph.outputs()) {
      if (c.graph.dtype(output.value) == DType::f32) {
        EXPECT_LT(relative_error(got, expected, output.name), 0.02) << output.name << "\n" << c.graph.text();
      } else {
        EXPECT_EQ(got.at(output.name), expected.at(output.name)) << c.graph.text();
      }
    }
  }
}

bool uses_tensor_cores(const Graph& graph) {
  ListingDevice device;
  const auto compiled = CompiledGraph::compile(graph, Precision::bf16, device);
  EXPECT_TRUE(compiled);
  return std::ranges::any_of(device.kernels(), [](const KernelSource& k) { return k.name == "attention_forward_mma"; });
}

TEST(CudaBf16, AttentionByTensorCores) {
  CADDIE_NEEDS_EMULATOR();
  std::vector<GatheredAttention> made;
  for (const AttentionCase& n : {AttentionCase{2, 130, 130, 4, 2, 16, true, false}, {1, 150, 150, 2, 1, 32, true, true},
                                 {1, 70, 130, 2, 2, 16, false, false}, {1, 130, 70, 2, 1, 16, true, false},
                                 {1, 90, 90, 3, 3, 48, false, true}, {1, 66, 66, 2, 1, 128, true, false}}) {
    made.emplace_back(n);
    EXPECT_TRUE(uses_tensor_cores(made.back().graph));
    foresee(made.back().graph, Precision::bf16);
  }
  for (const GatheredAttention& each : made) {
    ASSERT_TRUE(each.graph.status()) << each.graph.status().error().message();
    const Contents got = run_both_orders(each.graph, each.leaves, {}, Precision::bf16);
    const Contents expected = run_reference(each.graph, each.leaves);
    for (const char* name : {"y", "dq", "dk", "dv"}) EXPECT_LT(relative_error(got, expected, name), 0.008) << name;
    EXPECT_LT(relative_error(got, expected, "lse"), 1e-5);
  }
}

// The loss within a few roundings, parameters after a step nearly where f32 puts them.
TEST(CudaBf16, TrainingStepsFollowTheReference) {
  CADDIE_NEEDS_EMULATOR();
  for (const ModelSizes& n :
       {ModelSizes{
            .batch = 2, .context = 40, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 128, .layers = 2, .hidden = 4},
        ModelSizes{
            .batch = 1, .context = 37, .dim = 24, .heads = 3, .kv_heads = 1, .vocab = 51, .layers = 3, .hidden = 2}}) {
    auto graph = SmallModel(n).training_step();
    ASSERT_TRUE(graph) << graph.error().message();
    const Contents leaves = model_leaves(*graph, n);
    const Contents got = run_both_orders(*graph, leaves, {.runs = 2}, Precision::bf16);
    const Contents expected = run_reference(*graph, leaves, {.runs = 2});
    EXPECT_LT(relative_error(got, expected, "loss"), 0.003);
    EXPECT_LT(relative_error(got, expected, "nll"), 0.02);
    for (const graph::Leaf& leaf : graph->leaves()) {
      if (leaf.kind == graph::LeafKind::parameter) {
        EXPECT_LT(relative_error(got, expected, leaf.name), 0.005) << leaf.name;
      }
      // Gradients, with the rounding of everything between them and the loss.
      if (leaf.kind == graph::LeafKind::state) {
        EXPECT_LT(relative_error(got, expected, leaf.name), 0.04) << leaf.name;
      }
    }
  }
}

// Half the memory for what is kept between forward and backward.
TEST(CudaBf16, TheArenaIsSmaller) {
  const ModelSizes n{
      .batch = 2, .context = 40, .dim = 64, .heads = 4, .kv_heads = 2, .vocab = 128, .layers = 4, .hidden = 4};
  auto graph = SmallModel(n).training_step();
  ASSERT_TRUE(graph);
  ListingDevice device;
  const auto wide = CompiledGraph::compile(*graph, Precision::f32, device);
  const auto narrow = CompiledGraph::compile(*graph, Precision::bf16, device);
  ASSERT_TRUE(wide && narrow);
  EXPECT_LT((*narrow)->plan().arena_bytes, (*wide)->plan().arena_bytes * 4 / 5);
}

}  // namespace
}  // namespace caddie::cuda::testing
