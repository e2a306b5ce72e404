// Custom kernels through the ABI: what the service refuses, and that a plugin's kernel is a node like another.
#include "core/plugins/kernel.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include "core/cpu/custom_check.hpp"
#include "core/graph/custom.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/object.hpp"

namespace caddie::plugins {
namespace {

using graph::Graph;
using graph::Value;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// y = x * factor, factor a parameter of the node.
caddie_code compute(const caddie_kernel_call* call, caddie_error* error) {
  const double factor = *static_cast<const double*>(call->parameters);
  if (factor == 13) {
    std::strcpy(error->text, "thirteen is unlucky");
    return CADDIE_ERROR_ARGUMENT;
  }
  if (factor == 14) throw std::runtime_error("thrown from compute");
  for (int64_t i = call->begin; i < call->end; ++i)
    static_cast<float*>(call->outputs[0])[i] =
        static_cast<float>(factor) * static_cast<const float*>(call->inputs[0])[i];
  return CADDIE_OK;
}

Value scaled(const caddie_kernel_build* build, caddie_value x) {
  graph::Emitter e{*reinterpret_cast<Graph*>(build->graph)};
  return e.scale(x, *static_cast<const double*>(build->parameters));
}
caddie_code reference(const caddie_kernel_build* build, caddie_error*) {
  build->results[0] = scaled(build, build->inputs[0]);
  return CADDIE_OK;
}
caddie_code gradient(const caddie_kernel_build* build, caddie_error*) {
  EXPECT_NE(build->outputs, nullptr);
  EXPECT_EQ(build->wanted[0], 1);
  build->results[0] = scaled(build, build->adjoints[0]);
  return CADDIE_OK;
}

const caddie_kernel kScale = {sizeof(caddie_kernel), 0, "scale", compute, reference, gradient};

struct Use {
  caddie_kernel kernel = kScale;
  double factor = 3;
  caddie_kernel_node node = {};
  caddie_shape shape = {};
  const caddie_shape* shapes[5] = {};
  Graph graph;
  Value x = graph.leaf(graph::LeafKind::input, "x", graph::DType::f32, {6});

  Use() {
    shape.struct_size = sizeof shape;
    shape.dtype = CADDIE_F32;
    shape.rank = 1;
    shape.lengths[0] = 6;
    for (const caddie_shape*& pointer : shapes) pointer = &shape;
    node.struct_size = sizeof node;
    node.input_count = 1;
    node.output_count = 1;
    node.parameters_size = sizeof factor;
    node.inputs = &x;
    node.outputs = shapes;
    node.parameters = &factor;
    node.parts = 6;
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Value emit() { return kernel_service()->emit(reinterpret_cast<caddie_graph*>(&graph), &kernel, &node); }
  std::string refused() {
    EXPECT_EQ(emit(), 0u);
    return graph.status().ok() ? "" : graph.status().error().text;
  }
};

TEST(KernelService, IsFoundById) {
  const Host host(1);
  EXPECT_EQ(host.abi()->service(host.abi(), CADDIE_HOST_KERNEL), kernel_service());
}

TEST(KernelService, EveryMistakeHasItsSentence) {
  const std::pair<const char*, void (*)(Use&)> all[] = {
      {"without a name", [](Use& use) { use.kernel.name = nullptr; }},
      {"no function compute", [](Use& use) { use.kernel.compute = nullptr; }},
      {"it has no reference", [](Use& use) { use.kernel.reference = nullptr; }},
      {"caddie_kernel whose struct_size is too small", [](Use& use) { use.kernel.struct_size = 8; }},
      {"caddie_kernel_node whose struct_size is too small", [](Use& use) { use.node.struct_size = 8; }},
      {"5000 bytes of parameters", [](Use& use) { use.node.parameters_size = 5000; }},
      {"99 inputs", [](Use& use) { use.node.input_count = 99; }},
      {"99 outputs", [](Use& use) { use.node.output_count = 99; }},
      {"1 to 4 outputs", [](Use& use) { use.node.output_count = 0; }},
      {"output 0 has no shape", [](Use& use) { use.shapes[0] = nullptr; }},
      {"output 0 has no shape", [](Use& use) { use.shape.rank = 9; }},
      {"unknown type 99", [](Use& use) { use.shape.dtype = 99; }},
      {"0 parts", [](Use& use) { use.node.parts = 0; }},
      {"bytes of scratch memory", [](Use& use) { use.node.scratch_bytes = ~std::uint64_t{0}; }},
      {"input 0 is none", [](Use& use) { use.x = 0; }},
      {"an output", [](Use& use) { use.shape.lengths[0] = -1; }},
  };
  for (const auto& [words, spoil] : all) {
    Use use;
    spoil(use);
    EXPECT_THAT(use.refused(), HasSubstr(words));
  }
  Use use;
  EXPECT_EQ(kernel_service()->emit(reinterpret_cast<caddie_graph*>(&use.graph), nullptr, &use.node), 0u);
  EXPECT_THAT(use.graph.status().error().text, HasSubstr("NULL"));
}

TEST(KernelService, ItsNodesAreEqualWhenBytesAre) {
  Use use;
  const Value a = use.emit();
  const Value b = use.emit();
  use.factor = 4;  // the nodes have copies
  const Value c = use.emit();
  const graph::Emitter e{use.graph};
  use.graph.output("y", e.add(e.add(a, b), c));
  ASSERT_TRUE(use.graph.status().ok()) << use.graph.status().error().message();
  const auto simple = graph::simplify(use.graph);
  ASSERT_TRUE(simple.ok());
  std::size_t kernels = 0;
  for (const graph::Node& node : simple->nodes()) kernels += node.op == graph::Op::custom ? 1 : 0;
  EXPECT_EQ(kernels, 2u);
}

TEST(KernelService, TheCheckHoldsPluginsToTheirDuties) {
  Use use;
  use.graph.output("y", use.emit());
  const cpu::CustomReport good = cpu::check_custom_kernels(use.graph);
  EXPECT_THAT(good.failures, IsEmpty()) << good.failures[0].text;
  EXPECT_THAT(good.kernels, ::testing::ElementsAre("scale"));

  const auto failure = [](double factor) {
    Use other;
    other.factor = factor;
    other.graph.output("y", other.emit());
    const cpu::CustomReport report = cpu::check_custom_kernels(other.graph);
    return report.failures.empty() ? "" : report.failures[0].text;
  };
  EXPECT_THAT(failure(13), HasSubstr("thirteen is unlucky"));
  EXPECT_THAT(failure(14), HasSubstr("let a C++ exception escape: thrown from compute"));
}

TEST(KernelService, WithoutAGradientOneIsRefused) {
  Use use;
  use.kernel.gradient = nullptr;
  const Value y = use.emit();
  const Value loss = graph::Emitter{use.graph}.reduce(graph::Op::reduce_sum, y, {}, false);
  const std::vector<Value> wanted{use.x};
  const auto made = graph::gradients(use.graph, loss, wanted);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().text, HasSubstr("custom kernel \"scale\": it has no derivative"));
}

}  // namespace
}  // namespace caddie::plugins
