// Kernels through NVRTC, which needs no GPU: every operation of the table compiles for every architecture in use.
#include <fmt/format.h>

#include <set>

#include "core/base/file.hpp"
#include "core/cuda/compiled_graph.hpp"
#include "core/cuda/runtime/kernel_compiler.hpp"
#include "tests/cpu/op_cases.hpp"
#include "tests/cuda/gathered_attention.hpp"
#include "tests/cuda/listing_device.hpp"
#include "test_paths.hpp"
#include "tests/records/twins.hpp"

namespace caddie::cuda::testing {
namespace {

using cpu::testing::all_cases;
using cpu::testing::Case;
using cpu::testing::OpCases;

// The first case of every operation, in both precisions.
std::vector<KernelSource> kernels_of_all_operations() {
  ListingDevice device;
  std::set<graph::Op> covered;
  for (const OpCases& cases : all_cases()) {
    covered.insert(cases.op);
    for (const auto precision : {graph::Precision::f32, graph::Precision::bf16}) {
      // The last case is the largest: products by tiles, lists instead of scans.
      Case one;
      cases.cases.back()(one);
      const auto compiled = CompiledGraph::compile(one.graph, precision, device);
      EXPECT_TRUE(compiled) << graph::info(cases.op).name << ": " << compiled.error().message();
    }
  }
  for (const graph::OpInfo& row : graph::all_ops()) EXPECT_TRUE(covered.contains(row.op)) << row.name;
  return device.kernels();
}

TEST(Nvrtc, CompilesTheKernelsOfEveryOperation) {
  const std::vector<KernelSource> kernels = kernels_of_all_operations();
  EXPECT_GT(kernels.size(), 60U);
  const auto images = KernelCompiler(90, {}).compile_all(kernels, 2);
  ASSERT_TRUE(images) << images.error().message();
  for (const KernelImage& image : *images) EXPECT_GT(image.bytes.size(), 1000U);
}

// By tensor cores, for the head sizes of the records and of larger models.
TEST(Nvrtc, CompilesAttentionByTensorCores) {
  ListingDevice device;
  for (const auto& [dim, segments] : {std::pair<std::int64_t, bool>{64, false}, {64, true}, {128, false}}) {
    const GatheredAttention attention({1, 256, 256, 8, 4, dim, true, segments});
    ASSERT_TRUE(CompiledGraph::compile(attention.graph, graph::Precision::bf16, device));
  }
  std::vector<KernelSource> kernels;
  for (const KernelSource& kernel : device.kernels()) {
    if (kernel.name.ends_with("_mma")) kernels.push_back(kernel);
  }
  EXPECT_EQ(kernels.size(), 9U);
  const auto images = KernelCompiler(80, {}).compile_all(kernels, 2);
  ASSERT_TRUE(images) << images.error().message();
}

// A record's training step and update at toy dimensions in bf16, every fourth kernel: tests/bench/nvrtc_all compiles
// all of all manifests.
TEST(Nvrtc, CompilesKernelsOfARecord) {
  const auto device = std::make_shared<ListingDevice>();
  graph::ExecutorOptions options;
  options.precision = graph::Precision::bf16;
  records::Twin twin(records::toy("pr-2163"), make_cuda_executor(device, options));
  twin.start();
  std::vector<KernelSource> some;
  for (std::size_t i = 0; i < device->kernels().size(); i += 4) some.push_back(device->kernels()[i]);
  EXPECT_GT(some.size(), 50U);
  const auto images = KernelCompiler(90, {}).compile_all(some, 2);
  ASSERT_TRUE(images) << images.error().message();
}

// Static shared memory of a block is 48 KiB at most, however many results share a walk.
TEST(Nvrtc, CompilesAWalkThatFeedsManySums) {
  Graph graph;
  Value y = graph.leaf(graph::LeafKind::input, "x", DType::f32, {4096, 512});
  for (int i = 0; i < 20; ++i) {
    y = graph.emit(graph::Op::sin, {y});
    graph.output("sum" + std::to_string(i),
                 graph.emit(graph::Op::reduce_sum, {y}, graph::Attributes().set("axes", std::vector<std::int64_t>{0})));
  }
  ListingDevice device;
  ASSERT_TRUE(CompiledGraph::compile(graph, graph::Precision::f32, device));
  const auto images = KernelCompiler(90, {}).compile_all(device.kernels(), 2);
  ASSERT_TRUE(images) << images.error().message();
}

KernelSource copy_kernel() {
  return {
      "four", "extern \"C\" __global__ void KERNEL(const Pointers at) {\n  ((float*)at.p[0])[threadIdx.x] = 4.0f;\n}\n",
      1,      32,
      0,      false};
}

TEST(Nvrtc, KnowsOlderAndNewerArchitectures) {
  EXPECT_EQ(KernelCompiler(80, {}).target(), "sm_80");
  EXPECT_EQ(KernelCompiler(90, {}).target(), "sm_90");
  const KernelCompiler future(990, {});
  EXPECT_TRUE(future.target().starts_with("compute_")) << future.target();
  for (const KernelCompiler& compiler : {KernelCompiler(80, {}), future}) {
    const auto image = compiler.compile(copy_kernel());
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_FALSE(image->bytes.empty());
  }
}

TEST(Nvrtc, KeepsImagesByTheirContents) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("caddie-kernels-{}", ::getpid());
  std::filesystem::remove_all(folder);
  const KernelCompiler compiler(90, folder);
  const auto first = compiler.compile(copy_kernel());
  const auto second = compiler.compile(copy_kernel());
  ASSERT_TRUE(first && second);
  EXPECT_GT(first->seconds, 0);
  EXPECT_EQ(second->seconds, 0);
  EXPECT_EQ(first->bytes, second->bytes);
  KernelSource other = copy_kernel();
  other.block = 64;
  EXPECT_GT(compiler.compile(other)->seconds, 0);
  EXPECT_GT(KernelCompiler(80, folder).compile(copy_kernel())->seconds, 0);
  std::filesystem::remove_all(folder);
}

TEST(Nvrtc, NamesTheKernelThatDoesNotCompile) {
  KernelSource wrong = copy_kernel();
  wrong.text = "extern \"C\" __global__ void KERNEL(const Pointers at) { nothing(); }";
  const auto image = KernelCompiler(90, {}).compile(wrong);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().where, "four");
  EXPECT_NE(image.error().text.find("nothing"), std::string::npos) << image.error().text;
}

}  // namespace
}  // namespace caddie::cuda::testing
