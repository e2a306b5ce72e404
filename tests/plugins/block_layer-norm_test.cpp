// Values and gradients against the formula are cases of block_oracle_test.cpp.
#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

Session norm_of(const Array& x, const char* part, const nlohmann::json& config = nlohmann::json::object()) {
  return build_hook({.blocks = {{"layer-norm", config}}, .hook = "norm", .part = part, .inputs = {x}});
}

TEST(LayerNorm, StartsWithWeightsOfOneAndNoBias) {
  Session session = norm_of(real({1, 1, 4}, {1, 2, 3, 6}), "attn", {{"eps", 0}});
  ASSERT_EQ(session.built().parameters.size(), 2U);
  session.run();
  const double deviation = std::sqrt(3.5);  // of mean 3
  expect_near(session.get("out0"), {-2 / deviation, -1 / deviation, 0, 3 / deviation}, 1e-12);
}

TEST(LayerNorm, WeightAndBiasAreOfChannels) {
  Session session = norm_of(real({1, 2, 2}, {1, 3, 5, 1}), "mlp", {{"eps", 0}});
  for (const TensorDeclaration& tensor : session.built().parameters) {
    const bool is_weight = tensor.path.ends_with("mlp.weight");
    EXPECT_TRUE(is_weight || tensor.path.ends_with("mlp.bias")) << tensor.path;
    session.set(tensor.path, is_weight ? std::vector<double>{2, 3} : std::vector<double>{10, 20});
  }
  session.run();
  expect_near(session.get("out0"), {8, 23, 12, 17}, 1e-12);
  session.expect_gradients();
}

TEST(LayerNorm, TheEmbeddingMayBeLeftAlone) {
  Session session = norm_of(real({1, 1, 3}, {1, 2, 4}), "embed", {{"embed", false}});
  EXPECT_TRUE(session.built().parameters.empty());
  session.run();
  expect_near(session.get("out0"), {1, 2, 4}, 0);
}

}  // namespace
}  // namespace caddie::plugins::test
