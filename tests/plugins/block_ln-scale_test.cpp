#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

HookCase input_of(const std::string& hook, std::vector<int> visits, int visit) {
  return {.blocks = {{"ln-scale"}},
          .hook = hook,
          .inputs = {real({1, 1, 2}, {1, -3})},
          .dims = {.dim = 2, .layers = 11},
          .visits = std::move(visits),
          .visit = visit};
}

TEST(LnScale, DividesByTheRootOfTheLayersDepth) {  // G07
  const std::vector<double> golden = {1,           0.7071067812, 0.5773502692, 0.5,         0.4472135955, 0.4082482905,
                                      0.377964473, 0.3535533906, 0.3333333333, 0.316227766, 0.3015113446};
  for (const char* hook : {"attn.in", "mlp.in"}) {
    for (int layer = 0; layer < 11; ++layer) {
      Session session = build_hook(input_of(hook, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, layer));
      session.run();
      const double scale = golden[static_cast<std::size_t>(layer)];
      expect_near(session.get("out0"), {scale, -3 * scale});
      session.expect_gradients();
      EXPECT_TRUE(session.built().parameters.empty());
    }
  }
}

TEST(LnScale, ALayerThatRunsAgainHasTheSameFactor) {
  Session session = build_hook(input_of("attn.in", {0, 3, 3, 3}, 3));
  session.run();
  expect_near(session.get("out0"), {0.5, -1.5});
}

}  // namespace
}  // namespace caddie::plugins::test
