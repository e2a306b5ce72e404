#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

TEST(TiedHead, MultipliesByTheEmbedding) {
  Session session = build_hook({.blocks = {{"tied-head"}},
                                .hook = "head",
                                .inputs = {real({1, 1, 2}, {2, -1})},
                                .wires = {{"embedding", real({3, 2}, {1, 0, 0, 1, 3, 4})}},
                                .visit = -1});
  session.run();
  expect_near(session.get("out0"), {2, -1, 2});
  session.expect_gradients();
}

TEST(TiedHead, SaysWhenThereIsNoEmbedding) {
  const std::string message = message_of([] {
    build_hook({.blocks = {{"tied-head"}}, .hook = "head", .inputs = {real({1, 1, 2}, {2, -1})}, .visit = -1});
  });
  EXPECT_NE(message.find("\"embedding\" is not set"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
