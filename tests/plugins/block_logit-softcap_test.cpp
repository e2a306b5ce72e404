#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

TEST(LogitSoftcap, BoundsSmoothly) {  // G17
  Session session = build_hook(
      {.blocks = {{"logit-softcap"}}, .hook = "logits", .inputs = {real({1, 1, 4}, {0, 10, -20, 45})}, .visit = -1});
  session.run();
  expect_near(session.get("out0"), {0, 9.645382126, -17.48348836, 27.15444761});
  session.expect_gradients();
}

TEST(LogitSoftcap, TheCapIsAnOption) {
  Session session = build_hook({.blocks = {{"logit-softcap", {{"cap", 2}}}},
                                .hook = "logits",
                                .inputs = {real({1, 1, 2}, {1e3, -1e3})},
                                .visit = -1});
  session.run();
  expect_near(session.get("out0"), {2, -2});
}

}  // namespace
}  // namespace caddie::plugins::test
