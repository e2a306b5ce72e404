#include <gtest/gtest.h>

#include <algorithm>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

HookCase hashed(const std::vector<double>& tokens, std::int64_t model_dim, const nlohmann::json& config) {
  const auto T = static_cast<std::int64_t>(tokens.size());
  return {.blocks = {{"bigram-hash", config}},
          .hook = "embed.out",
          .inputs = {real({1, T, model_dim}, std::vector<double>(static_cast<std::size_t>(T * model_dim), 0.0))},
          .wires = {{"tokens", whole({1, T}, tokens)}},
          .dims = {.vocab = 8192, .dim = model_dim, .layers = 11},
          .visit = -1};
}

// The table's rows that the tokens read: the table holds its own row numbers.
std::vector<double> rows_read(const std::vector<double>& tokens, std::int64_t buckets) {
  Session session = build_hook(hashed(tokens, 1, {{"buckets", buckets}, {"dim", 1}, {"scale_init", 1}}));
  std::vector<double> numbers(static_cast<std::size_t>(buckets));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i);
  session.set("bigram-hash.table", numbers);
  session.set("bigram-hash.proj.weight", {1});
  session.run();
  return session.get("out0");
}

TEST(BigramHash, PairsReadTheRowsOfTheFormula) {  // G10
  const std::vector<double> small = {1, 17, 500, 1023, 3, 3, 512};
  EXPECT_EQ(rows_read(small, 2048), (std::vector<double>{2047, 638, 184, 1163, 1411, 1856, 2042}));
  EXPECT_EQ(rows_read(small, 6144), (std::vector<double>{6143, 446, 2526, 3336, 513, 1844, 2155}));
  EXPECT_EQ(rows_read(small, 5), (std::vector<double>{4, 2, 3, 3, 2, 2, 1}));
  EXPECT_EQ(rows_read({1, 8191, 4096, 7, 7, 300}, 16384),
            (std::vector<double>{16383, 16124, 15416, 11121, 1906, 8288}));
}

TEST(BigramHash, IdsWhoseProductsWrapAroundStillReadARow) {
  for (const double row : rows_read({65535, 60000, 65535, 59138}, 7)) {
    EXPECT_GE(row, 0);
    EXPECT_LT(row, 7);
  }
}

TEST(BigramHash, AddsTheProjectedRow) {  // G11
  Session session = build_hook(hashed({1, 17, 500, 1023, 3, 3, 512}, 3, {{"buckets", 5}, {"dim", 2}}));
  session.set("bigram-hash.table", {0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7, 0.8, 0.9, -1});
  session.set("bigram-hash.proj.weight", {1, 0.5, -1, 2, 0.25, -0.75});
  session.run();
  expect_near(session.get("out0"), {0.02,  -0.145, 0.04875,   //
                                    -0.01, 0.085,  -0.02875,  //
                                    0.055, 0.045,  -0.02125,  //
                                    0.055, 0.045,  -0.02125,  //
                                    -0.01, 0.085,  -0.02875,  //
                                    -0.01, 0.085,  -0.02875,  //
                                    0.025, 0.025,  -0.01125});
  session.set("in0", wave({1, 7, 3}, 1).values);
  session.expect_gradients();
}

TEST(BigramHash, StartsAtZeroWithATableThatLearnsAtOnce) {
  Session session = build_hook(hashed({1, 2, 3}, 4, {{"buckets", 5}, {"dim", 2}}));
  session.run();
  EXPECT_EQ(session.get("out0"), session.get("in0"));
  const std::vector<double> slope = session.gradient("bigram-hash.table");
  EXPECT_TRUE(std::ranges::any_of(slope, [](double value) { return value != 0; }));
}

TEST(BigramHash, DeclaresWhatOptimizersClaim) {
  const Session session = build_hook(hashed({1, 2}, 4, {{"buckets", 5}, {"dim", 3}, {"scale_init", 0.5}}));
  std::map<std::string, const TensorDeclaration*> tensors;
  for (const TensorDeclaration& tensor : session.built().parameters) tensors[tensor.path] = &tensor;
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors.at("bigram-hash.table")->role, "embedding");
  EXPECT_EQ(tensors.at("bigram-hash.table")->shape, (graph::Shape{5, 3}));
  EXPECT_EQ(tensors.at("bigram-hash.table")->initialiser.kind, CADDIE_INIT_ZEROS);
  EXPECT_EQ(tensors.at("bigram-hash.proj.weight")->role, "matrix");
  EXPECT_EQ(tensors.at("bigram-hash.proj.weight")->shape, (graph::Shape{4, 3}));
  EXPECT_EQ(tensors.at("bigram-hash.proj.weight")->initialiser.kind, CADDIE_INIT_ORTHOGONAL);
  EXPECT_EQ(tensors.at("bigram-hash.proj.weight")->initialiser.a, 1);
  EXPECT_EQ(tensors.at("bigram-hash.scale")->role, "scalar");
  EXPECT_EQ(session.get("bigram-hash.scale"), std::vector<double>{0.5});

  const Session scaled = build_hook(hashed({1, 2}, 4, {{"proj_init", "orthogonal-scaled"}}));
  for (const TensorDeclaration& tensor : scaled.built().parameters) {
    if (tensor.role == "matrix") {
      EXPECT_NEAR(tensor.initialiser.a, 0.2132007164, 1e-9);
    }
  }
}

}  // namespace
}  // namespace caddie::plugins::test
