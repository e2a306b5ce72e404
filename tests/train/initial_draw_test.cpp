#include "core/train/initial_draw.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/train/support.hpp"

namespace caddie::train {
namespace {

using test::error_of;
using test::value_of;

std::vector<plugins::TensorDeclaration> tensors(int kind) {
  std::vector<plugins::TensorDeclaration> made;
  for (const std::int64_t rows : {3, 40, 1, 17, 64, 5}) {
    plugins::TensorDeclaration tensor;
    tensor.path = "w" + std::to_string(made.size());
    tensor.shape = {rows, 24};
    tensor.initialiser.kind = kind;
    tensor.initialiser.a = 1;
    tensor.initialiser.b = 2;
    made.push_back(tensor);
  }
  return made;
}

TEST(InitialDraw, DoesNotDependOnTheThreads) {
  for (const int kind : {CADDIE_INIT_ORTHOGONAL, CADDIE_INIT_NORMAL, CADDIE_INIT_ZEROS}) {
    const auto wanted = tensors(kind);
    for (const int threads : {1, 2, 16}) {
      InitialDraw draw(wanted, 7, threads);
      const auto drawn = value_of(draw.finish());
      ASSERT_EQ(drawn.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_TRUE(std::ranges::equal(drawn[i], value_of(initial_values(wanted[i], 7)))) << wanted[i].path;
      }
    }
  }
}

TEST(InitialDraw, NamesTheTensorThatCannotBeDrawn) {
  auto wanted = tensors(CADDIE_INIT_NORMAL);
  wanted[3].initialiser.kind = 99;
  InitialDraw draw(wanted, 7, 2);
  EXPECT_NE(error_of(draw.finish()).find("w3: asks for initialiser 99"), std::string::npos);
}

TEST(InitialDraw, MayBeLeftUnfinished) {
  for (const int threads : {1, 4}) InitialDraw(tensors(CADDIE_INIT_ORTHOGONAL), 7, threads);
}

}  // namespace
}  // namespace caddie::train
