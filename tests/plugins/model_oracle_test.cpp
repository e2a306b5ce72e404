// Whole models with techniques of depth, lanes, segments, losses and weights against tests/golden/blocks_b.py, in
// float64 on the reference executor and in float32 on the processor's.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/plugins/fast_executor.hpp"
#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

using nlohmann::ordered_json;

struct Variant {
  const ordered_json& golden;
  Dims dims;
  BuildRequest request;
  std::vector<BlockUse> blocks;
  caddie_step step;

  [[nodiscard]] Session build() const {
    Session session = build_model(dims, blocks, request);
    session.set("tokens", golden["tokens"].get<std::vector<double>>());
    session.set("targets", golden["targets"].get<std::vector<double>>());
    std::map<std::string, graph::Shape> sorted;
    for (const TensorDeclaration& tensor : session.built().parameters) sorted[tensor.path] = tensor.shape;
    int salt = 0;
    for (const auto& [path, shape] : sorted) session.set(path, wave(shape, salt++, 0.4).values);
    return session;
  }
};

Variant variant(std::size_t index) {
  const ordered_json& golden = oracle()["models"][index];
  const ordered_json& dims = golden["dims"];
  Variant made = {
      .golden = golden, .dims = {}, .request = {}, .blocks = {}, .step = step_at(3, golden["step"]["scale"])};
  made.dims = {.vocab = dims["vocab"],
               .dim = dims["dim"],
               .heads = dims["heads"],
               .kv_heads = dims["kv_heads"],
               .head_dim = dims["head_dim"],
               .layers = dims["layers"]};
  made.step.fraction = golden["step"]["fraction"];
  made.request.batch = dims["batch"];
  made.request.context = dims["context"];
  made.request.progress = made.step.fraction;
  made.request.scale = made.step.scale;
  for (const auto& [name, entry] : golden["blocks"].items()) {
    nlohmann::json config = entry;
    config.erase("use");
    std::optional<std::vector<int>> layers;
    if (golden["layers"].contains(name)) layers = golden["layers"][name].get<std::vector<int>>();
    made.blocks.push_back({entry["use"], config, name, layers});
  }
  return made;
}

class OracleModel : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Variants, OracleModel, testing::Values(0u, 1u),
                         [](const auto& info) { return info.param == 0 ? "lanes" : "single"; });

TEST_P(OracleModel, OutputsAndGradients) {
  const Variant tiny = variant(GetParam());
  Session session = tiny.build();
  session.run(tiny.step);
  expect_near(session.get("loss"), {tiny.golden["loss"]}, 1e-9);
  for (const char* output : {"nll", "lse", "entropy"}) {
    SCOPED_TRACE(output);
    expect_near(session.get(output), tiny.golden[output].get<std::vector<double>>(), 1e-9);
  }
  std::vector<double> row = session.get("logits");
  row.resize(static_cast<std::size_t>(tiny.dims.vocab));
  expect_near(row, tiny.golden["logits_first_row"].get<std::vector<double>>(), 1e-9);

  EXPECT_EQ(session.built().parameters.size(), tiny.golden["gradients"].size());
  for (const auto& [path, expected] : tiny.golden["gradients"].items()) {
    SCOPED_TRACE(path);
    std::vector<double> gradient = session.gradient(path);
    const std::vector<double> weights = wave({static_cast<std::int64_t>(gradient.size())}, 50).values;
    double sum = 0;
    double probe = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      sum += gradient[i];
      probe += gradient[i] * weights[i];
    }
    expect_near({sum, probe}, {expected["sum"], expected["probe"]}, 1e-8);
    gradient.resize(expected["first"].size());
    expect_near(gradient, expected["first"].get<std::vector<double>>(), 1e-8);
  }
}

TEST_P(OracleModel, TheFastExecutorAgrees) {
  const Variant tiny = variant(GetParam());
  Session session = tiny.build();
  session.run(tiny.step);
  expect_the_fast_executor_agrees(session, 1e-4);
}

TEST_P(OracleModel, GradientsAreFiniteDifferences) {  // without what stops gradients on purpose
  Variant tiny = variant(GetParam());
  std::erase_if(tiny.blocks, [](const BlockUse& use) { return use.id == "late-qat" || use.id == "mile-loss"; });
  tiny.build().expect_gradients();
}

}  // namespace
}  // namespace caddie::plugins::test
