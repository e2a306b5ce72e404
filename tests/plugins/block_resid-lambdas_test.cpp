#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

HookCase scaling(const std::string& part) {
  return {.blocks = {{"resid-lambdas"}},
          .hook = "residual.in",
          .part = part,
          .inputs = {real({1, 1, 4}, {1, 1.85, -1.05, 0.2})},
          .dims = {.dim = 4, .layers = 3},
          .visits = {0, 1, 2},
          .visit = 1};
}

TEST(ResidLambdas, ScaleTheStream) {  // G16: x1 = lambda x + A, x2 = lambda x1 + M
  const std::vector<double> A = {0.1, 0.2, 0.3, 0.4};
  const std::vector<double> M = {-0.2, 0.1, 0, 0.5};
  Session attn = build_hook(scaling("attn"));
  Session mlp = build_hook(scaling("mlp"));
  attn.run();
  std::vector<double> x1 = attn.get("out0");
  for (std::size_t i = 0; i < 4; ++i) x1[i] += A[i];
  mlp.set("in0", x1);
  mlp.run();
  std::vector<double> x2 = mlp.get("out0");
  for (std::size_t i = 0; i < 4; ++i) x2[i] += M[i];
  expect_near(x2, {1.004880885, 2.34476177, -0.8403573455, 1.139523539});
}

TEST(ResidLambdas, ANumberForEverySubLayer) {
  for (const char* part : {"attn", "mlp"}) {
    Session session = build_hook(scaling(part));
    ASSERT_EQ(session.built().parameters.size(), 1u);
    const TensorDeclaration& weight = session.built().parameters[0];
    EXPECT_EQ(weight.path, "resid-lambdas.weight");
    EXPECT_EQ(weight.role, "scalar");
    EXPECT_EQ(weight.shape, (graph::Shape{3, 2}));
    session.set(weight.path, {1, 2, 3, 5, 7, 11});  // layer 1: attention 3, MLP 5
    session.run();
    expect_near({session.get("out0")[0]}, {std::string(part) == "attn" ? 3.0 : 5.0});
    session.expect_gradients();
  }
}

}  // namespace
}  // namespace caddie::plugins::test
