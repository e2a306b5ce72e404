#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// Attention of 128 channels with 2 of 4 heads for keys; how each of its matrices starts.
std::map<std::string, Initialiser> starts(const nlohmann::json& config, std::optional<std::vector<int>> layers = {}) {
  const Session session = build_hook({.blocks = {{"gqa", {}, "attn"}, {"ortho-init", config, "init", std::move(layers)}},
                                      .hook = "attn",
                                      .inputs = {wave({1, 2, 128}, 1)},
                                      .dims = {.dim = 128, .heads = 4, .kv_heads = 1, .head_dim = 32, .layers = 11}});
  std::map<std::string, Initialiser> found;
  for (const TensorDeclaration& tensor : session.built().parameters) found[tensor.path.substr(14)] = tensor.initialiser;
  EXPECT_EQ(session.built().effects.contains("init"), !layers);
  return found;
}

TEST(OrthoInit, TurnsUniformMatricesOfSomeSize) {
  const auto found = starts({});
  EXPECT_EQ(found.at("q.weight").kind, CADDIE_INIT_ORTHOGONAL);
  EXPECT_EQ(found.at("q.weight").a, 1);
  EXPECT_EQ(found.at("k.weight").kind, CADDIE_INIT_UNIFORM);  // 32 rows are too few
  EXPECT_EQ(found.at("proj.weight").kind, CADDIE_INIT_ZEROS);
  EXPECT_EQ(starts({{"min_side", 32}}).at("k.weight").kind, CADDIE_INIT_ORTHOGONAL);
  EXPECT_EQ(starts({{"gain", 0.5}}).at("q.weight").a, 0.5);
}

TEST(OrthoInit, ScalesOutputsWhenAsked) {  // G60
  const Initialiser output = starts({{"outputs", "orthogonal-scaled"}}).at("proj.weight");
  EXPECT_EQ(output.kind, CADDIE_INIT_ORTHOGONAL);
  EXPECT_NEAR(output.a, 0.2132007164, 1e-9);
}

TEST(OrthoInit, KeepsToItsLayers) { EXPECT_EQ(starts({}, {{3}}).at("q.weight").kind, CADDIE_INIT_UNIFORM); }

}  // namespace
}  // namespace caddie::plugins::test
