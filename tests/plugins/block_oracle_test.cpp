// Blocks against values and gradients that were computed without Caddie (tests/golden/blocks_*.py), in float64 on the
// reference executor and in float32 on the processor's.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "core/graph/emitter.hpp"
#include "test_paths.hpp"
#include "tests/plugins/fast_executor.hpp"
#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

using graph::Value;
using nlohmann::ordered_json;

std::vector<ordered_json> cases() {
  std::vector<ordered_json> all;
  for (const char* name : {"blocks_a"}) {
    std::ifstream file(std::string(CADDIE_SOURCE_DIR) + "/tests/golden/" + name + ".json");
    for (const ordered_json& entry : ordered_json::parse(file)) all.push_back(entry);
  }
  return all;
}

graph::Shape shape_of(const ordered_json& lengths) {
  const auto list = lengths.get<std::vector<std::int64_t>>();
  return graph::Shape(list);
}

std::vector<BlockUse> uses_of(const ordered_json& blocks) {
  std::vector<BlockUse> uses;
  for (const auto& [id, options] : blocks.items()) {
    BlockUse use = {id, options};
    if (options.contains("layers")) use.layers = options["layers"].get<std::vector<int>>();
    use.config.erase("layers");
    uses.push_back(use);
  }
  return uses;
}

// The first result of call c is the output "out<c>"; the loss weighs it with wave(shape, 100 + c).
Session build(const ordered_json& test) {
  const ordered_json& sizes = test["dims"];
  const Dims dims = {.vocab = sizes["vocab"],
                     .dim = sizes["dim"],
                     .heads = sizes["heads"],
                     .kv_heads = sizes["kv_heads"],
                     .head_dim = sizes["head_dim"],
                     .layers = sizes["layers"]};
  auto blocks = std::make_shared<Blocks>(dims, uses_of(test["blocks"]));
  const BuildRequest request = {.batch = sizes["batch"], .context = sizes["context"]};
  Build build(dims, request, &blocks->model->blocks());
  build.set_visits(test["visits"].get<std::vector<int>>(), 0);
  graph::Graph& graph = build.graph();
  const graph::Shape rows = {request.batch, request.context};
  for (const char* name : {"tokens", "targets"})
    build.set_wire(name, graph.leaf(graph::LeafKind::input, name, graph::DType::i32, rows));
  for (const auto& [name, lengths] : test["wires"].items()) {
    build.set_wire(name, graph.leaf(graph::LeafKind::input, "wire." + name, graph::DType::f32, shape_of(lengths)));
  }

  const graph::Emitter emit{graph};
  Value loss = emit.scalar(0);
  std::map<std::string, Value> outputs;
  std::string number = "0";
  for (const ordered_json& call : test["calls"]) {
    std::vector<Value> inputs;
    for (const ordered_json& lengths : call["shapes"]) {
      const std::string name = "in" + number + "." + std::to_string(inputs.size());
      inputs.push_back(graph.leaf(graph::LeafKind::input, name, graph::DType::f32, shape_of(lengths)));
    }
    build.enter_visit(call["visit"]);
    const Value out = build.run_hook(call["hook"].get<std::string>(), call.value("part", ""), inputs, 1)[0];
    if (auto status = build.status(); !status) throw std::runtime_error(status.error().message());
    const graph::Shape shape = graph.shape(out);
    graph::Attributes weights;
    weights.set("values", wave(shape, 100 + static_cast<int>(outputs.size())).values)
        .set("shape", graph::to_axes(shape))
        .set("dtype", std::int64_t{CADDIE_F32});
    const Value weighted = emit.mul(out, graph.emit(graph::Op::constant, {}, std::move(weights)));
    loss = emit.add(loss, emit.reduce(graph::Op::reduce_sum, weighted, {}, false));
    outputs["out" + number] = out;
    number = std::to_string(outputs.size());
  }
  Session session(build.take(), outputs, loss);
  session.keep(blocks);
  return session;
}

// What the oracle starts from: a wave for every leaf of real numbers, by place among the sorted names.
void set_leaves(Session& session, const ordered_json& test) {
  std::map<std::string, graph::Shape> sorted;
  for (const graph::Leaf& leaf : session.built().graph.leaves()) {
    const bool real = session.built().graph.dtype(leaf.value) == graph::DType::f32;
    if (real) sorted[leaf.name] = session.built().graph.shape(leaf.value);
  }
  int salt = 0;
  for (const auto& [name, shape] : sorted) session.set(name, wave(shape, salt++, 0.8).values);
  for (const char* name : {"tokens", "targets"}) session.set(name, flat(test[name]));
}

class BlockOracle : public testing::TestWithParam<std::size_t> {
 protected:
  const ordered_json test = cases().at(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Cases, BlockOracle, testing::Range(std::size_t{0}, cases().size()),
                         [](const auto& info) { return cases().at(info.param)["name"].template get<std::string>(); });

TEST_P(BlockOracle, DeclaresTheParametersOfTheFormula) {
  const Session session = build(test);
  std::map<std::string, graph::Shape> expected, declared;
  for (const auto& [path, lengths] : test["parameters"].items()) expected[path] = shape_of(lengths);
  for (const TensorDeclaration& tensor : session.built().parameters) declared[tensor.path] = tensor.shape;
  EXPECT_TRUE(declared == expected);
}

TEST_P(BlockOracle, HasItsValuesAndGradients) {
  Session session = build(test);
  set_leaves(session, test);
  session.run();
  for (std::size_t c = 0; c < test["outputs"].size(); ++c) {
    SCOPED_TRACE("call " + std::to_string(c));
    expect_near(session.get("out" + std::to_string(c)), flat(test["outputs"][c]), 1e-10);
  }
  for (const graph::Leaf& leaf : session.built().graph.leaves()) {
    SCOPED_TRACE(leaf.name);
    EXPECT_EQ(session.has_gradient(leaf.name), test["gradients"].contains(leaf.name));
    if (session.has_gradient(leaf.name)) {
      expect_near(session.gradient(leaf.name), flat(test["gradients"][leaf.name]), 1e-10);
    }
  }
}

TEST_P(BlockOracle, IsTheSameOnTheFastExecutor) {
  Session session = build(test);
  set_leaves(session, test);
  session.run();
  expect_the_fast_executor_agrees(session, 2e-5);
}

}  // namespace
}  // namespace caddie::plugins::test
