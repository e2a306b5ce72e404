#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

const Array kTokens = whole({1, 4}, {2, 0, 2, 4});

Session embedded() {
  return build_hook({.blocks = {{"token-embedding"}},
                     .hook = "embed",
                     .inputs = {kTokens},
                     .dims = {.vocab = 5, .dim = 3},
                     .visit = -1});
}

TEST(TokenEmbedding, GivesTheRowOfEveryToken) {
  Session session = embedded();
  const std::vector<double> table = wave({5, 3}, 1).values;
  session.set("token-embedding.weight", table);
  session.run();
  std::vector<double> expected;
  for (const double token : kTokens.values) {
    const auto row = table.begin() + 3 * static_cast<std::ptrdiff_t>(token);
    expected.insert(expected.end(), row, row + 3);
  }
  EXPECT_EQ(session.get("out0"), expected);
  session.expect_gradients();
}

TEST(TokenEmbedding, DeclaresOneTableOfTheModelAndHandsItOn) {
  const Session session = embedded();
  ASSERT_EQ(session.built().parameters.size(), 1u);
  const TensorDeclaration& table = session.built().parameters[0];
  EXPECT_EQ(table.path, "token-embedding.weight");
  EXPECT_EQ(table.role, "embedding");
  EXPECT_EQ(table.layer, -1);
  EXPECT_EQ(table.initialiser.kind, CADDIE_INIT_NORMAL);
  EXPECT_DOUBLE_EQ(table.initialiser.b, 0.005);
  EXPECT_NE(session.built().wire("embedding"), 0u);
}

}  // namespace
}  // namespace caddie::plugins::test
