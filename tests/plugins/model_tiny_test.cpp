// Whole tiny models: against tests/golden/tiny_model.py, against finite differences, at initialisation, and in other
// modes.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "tests/plugins/harness.hpp"
#include "test_paths.hpp"

namespace caddie::plugins::test {
namespace {

using nlohmann::ordered_json;

struct Variant {
  ordered_json golden;
  Dims dims;
  BuildRequest request;
  std::vector<BlockUse> blocks;

  [[nodiscard]] Session build(int mode = CADDIE_MODE_TRAIN) const {
    BuildRequest asked = request;
    asked.mode = mode;
    Session session = build_model(dims, blocks, asked);
    session.set("tokens", golden["tokens"].get<std::vector<double>>());
    session.set("targets", golden["targets"].get<std::vector<double>>());
    return session;
  }
};

Variant variant(std::size_t index) {
  std::ifstream file(std::string(CADDIE_SOURCE_DIR) + "/tests/golden/tiny_model.json");
  Variant made;
  made.golden = ordered_json::parse(file).at(index);
  const ordered_json& dims = made.golden["dims"];
  made.dims = {.vocab = dims["vocab"],
               .dim = dims["dim"],
               .heads = dims["heads"],
               .kv_heads = dims["kv_heads"],
               .head_dim = dims["head_dim"],
               .layers = dims["layers"]};
  made.request.batch = dims["batch"];
  made.request.context = dims["context"];
  for (const auto& [name, entry] : made.golden["blocks"].items()) {
    nlohmann::json config = entry;
    config.erase("use");
    made.blocks.push_back({entry["use"], config, name});
  }
  return made;
}

// The parameters of the oracle: a wave each, by place among the sorted names.
void set_parameters(Session& session) {
  std::map<std::string, graph::Shape> sorted;
  for (const TensorDeclaration& tensor : session.built().parameters) sorted[tensor.path] = tensor.shape;
  int salt = 0;
  for (const auto& [path, shape] : sorted) session.set(path, wave(shape, salt++, 0.4).values);
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

double probe(const std::vector<double>& values) {
  const std::vector<double> weights = wave({static_cast<std::int64_t>(values.size())}, 50).values;
  double total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) total += values[i] * weights[i];
  return total;
}

class TinyModel : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Variants, TinyModel, testing::Values(0u, 1u),
                         [](const auto& info) { return info.param == 0 ? "gated" : "plain"; });

TEST_P(TinyModel, EqualsTheOracle) {
  const Variant tiny = variant(GetParam());
  Session session = tiny.build();
  set_parameters(session);
  session.run();
  const ordered_json& golden = tiny.golden;
  expect_near(session.get("loss"), {golden["loss"]}, 1e-9);
  expect_near(session.get("nll"), golden["nll"].get<std::vector<double>>(), 1e-9);
  expect_near(session.get("lse"), golden["lse"].get<std::vector<double>>(), 1e-9);
  std::vector<double> row = session.get("logits");
  row.resize(static_cast<std::size_t>(tiny.dims.vocab));
  expect_near(row, golden["logits_first_row"].get<std::vector<double>>(), 1e-9);

  EXPECT_EQ(session.built().parameters.size(), golden["gradients"].size());
  for (const auto& [path, expected] : golden["gradients"].items()) {
    SCOPED_TRACE(path);
    std::vector<double> gradient = session.gradient(path);
    expect_near({sum(gradient), probe(gradient)}, {expected["sum"], expected["probe"]}, 1e-9);
    gradient.resize(expected["first"].size());
    expect_near(gradient, expected["first"].get<std::vector<double>>(), 1e-9);
  }
}

TEST_P(TinyModel, GradientsAreFiniteDifferences) {
  Session session = variant(GetParam()).build();
  set_parameters(session);
  session.expect_gradients();
}

TEST_P(TinyModel, StartsAtTheLossOfGuessing) {
  const Variant tiny = variant(GetParam());
  Session session = tiny.build();
  session.run();
  const double guess = std::log(static_cast<double>(tiny.dims.vocab));
  EXPECT_NEAR(sum(session.get("nll")) / static_cast<double>(tiny.request.batch * tiny.request.context), guess, 0.1);
}

TEST_P(TinyModel, EvaluationScoresTheSameAndHasNoLoss) {
  const Variant tiny = variant(GetParam());
  Session train = tiny.build();
  Session evaluate = tiny.build(CADDIE_MODE_EVALUATE);
  for (Session* session : {&train, &evaluate}) {
    set_parameters(*session);
    session->run();
  }
  EXPECT_EQ(train.get("nll"), evaluate.get("nll"));
  EXPECT_EQ(evaluate.built().wire("loss"), 0u);
}

// Names of the parameters without a gradient, the layer's number left out.
std::set<std::string> still(Session& session) {
  session.run();
  std::set<std::string> names;
  for (const TensorDeclaration& tensor : session.built().parameters) {
    double size = 0;
    if (session.has_gradient(tensor.path)) {
      for (const double value : session.gradient(tensor.path)) size += std::abs(value);
    }
    if (size == 0) names.insert(tensor.layer < 0 ? tensor.path : tensor.path.substr(tensor.path.find('.', 7) + 1));
  }
  return names;
}

TEST(TinyModelStart, OnlyDocumentedZeroChainsStandStill) {
  Variant deeper = variant(0);
  deeper.dims.layers = 4;
  Session gated = deeper.build();
  EXPECT_EQ(still(gated), (std::set<std::string>{"attn.q.weight", "attn.k.weight", "attn.v.weight", "qk.gain",
                                                 "mlp.up.weight", "resid.attn_scale", "resid.mlp_scale", "skip.gate"}));
  for (const TensorDeclaration& tensor : gated.built().parameters) {
    if (tensor.initialiser.kind == CADDIE_INIT_ZEROS) gated.set(tensor.path, wave(tensor.shape, 3, 0.1).values);
  }
  EXPECT_EQ(still(gated), std::set<std::string>{});

  Session plain = variant(1).build();  // a head of zeros: nothing below it moves in the first step
  std::set<std::string> all;
  for (const TensorDeclaration& tensor : plain.built().parameters) {
    if (tensor.path != "head.weight")
      all.insert(tensor.layer < 0 ? tensor.path : tensor.path.substr(tensor.path.find('.', 7) + 1));
  }
  EXPECT_EQ(still(plain), all);
}

TEST(TinyModelStart, ScaledProjectionsLeaveNothingStill) {
  Variant tiny = variant(0);
  tiny.dims.layers = 4;
  tiny.blocks.push_back({"ortho-init", {{"outputs", "orthogonal-scaled"}, {"min_side", 1}}});
  Session session = tiny.build();
  EXPECT_EQ(still(session), std::set<std::string>{});
}

TEST(TinyModelModes, NoiseOnlyInTraining) {
  Variant noisy = variant(0);
  noisy.blocks.push_back({"neftune"});
  std::map<std::string, std::vector<double>> nll;
  const auto score = [&](const std::string& name, const Variant& tiny, int mode, std::uint64_t seed) {
    Session session = tiny.build(mode);
    set_parameters(session);
    session.run(0, seed);
    nll[name] = session.get("nll");
  };
  score("quiet", variant(0), CADDIE_MODE_TRAIN, 1);
  score("train", noisy, CADDIE_MODE_TRAIN, 1);
  score("again", noisy, CADDIE_MODE_TRAIN, 1);
  score("other seed", noisy, CADDIE_MODE_TRAIN, 2);
  score("evaluate", noisy, CADDIE_MODE_EVALUATE, 1);
  EXPECT_NE(nll["train"], nll["quiet"]);
  EXPECT_EQ(nll["train"], nll["again"]);
  EXPECT_NE(nll["train"], nll["other seed"]);
  EXPECT_EQ(nll["evaluate"], nll["quiet"]);
}

TEST(SequentialLayer, RunsItsHooksInOrder) {
  const Session session = variant(0).build();
  std::vector<std::string> hooks;
  for (const HookCall& call : session.built().calls) {
    if (call.visit == 0) hooks.push_back(call.hook);
  }
  // A hook stands after those that ran inside it; unet-skip is at layer.in and layer.out.
  EXPECT_EQ(hooks, (std::vector<std::string>{"layer.in", "layer.mix", "norm", "attn.qk", "attn.qk", "attn.qk", "attn",
                                             "residual", "norm", "mlp.act", "mlp", "residual", "layer", "layer.out"}));
}

}  // namespace
}  // namespace caddie::plugins::test
