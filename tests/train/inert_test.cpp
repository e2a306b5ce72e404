// Nothing is inert: blocks, loss terms and parameters without an effect are errors with a name.
#include "core/train/inert.hpp"

#include <gtest/gtest.h>

#include "tests/train/trainer_support.hpp"

namespace caddie::train {
namespace {

using namespace test;

BlockUse odd(const char* does) { return {"odd-block", {{"does", does}}, "odd"}; }

// What making a trainer of this model says.
std::string made(const std::vector<BlockUse>& blocks, const std::vector<std::string>& allowed = {}) {
  Training training(blocks);
  training.options.inert = InertAllowance(allowed);
  return message_of([&] { training.make(); });
}

TEST(Inert, APlainModelHasNothingInert) { EXPECT_EQ(made({}), ""); }

TEST(Inert, ABlockThatChangesNothing) {
  const std::string message = made({odd("nothing")});
  EXPECT_NE(message.find("blocks that change nothing: odd; remove it"), std::string::npos) << message;
  EXPECT_EQ(made({odd("nothing")}, {"odd"}), "");
  EXPECT_EQ(made({odd("nothing")}, {"o*"}), "");
  EXPECT_NE(made({odd("nothing")}, {"other"}), "");
  EXPECT_NE(made({odd("same-weight")}).find("blocks that change nothing: odd"), std::string::npos);
}

TEST(Inert, ALossTermWithoutAGradient) {
  for (const BlockUse& use : {odd("constant-term"), BlockUse{"z-loss", {{"backprop", false}}, "odd"}}) {
    const std::string message = made({use});
    EXPECT_NE(message.find("loss terms that give no parameter a gradient: odd"), std::string::npos)
        << use.id << ": " << message;
    EXPECT_EQ(made({use}, {"odd"}), "");
  }
}

TEST(Inert, LossTermsWithAGradientAreFine) {
  EXPECT_EQ(made({{"z-loss"}}), "");
  EXPECT_EQ(made({odd("scaled-loss")}), "");
  EXPECT_EQ(made({odd("new-weight")}), "");
  EXPECT_EQ(made({{"z-loss"}, {"complementary-loss"}}), "");
}

TEST(Inert, SeveralThingsAreOneError) {
  const std::string message = made({odd("nothing"), {"z-loss", {{"backprop", false}}}});
  EXPECT_NE(message.find("odd"), std::string::npos) << message;
  EXPECT_NE(message.find("z-loss"), std::string::npos) << message;
}

TEST(Inert, AParameterThatTheLossDoesNotReach) {
  const std::string message = made({odd("unused-parameter")});
  EXPECT_NE(message.find("parameters that the loss does not depend on: odd.bias"), std::string::npos) << message;
  EXPECT_EQ(made({odd("unused-parameter")}, {"odd.*"}), "");
}

TEST(Inert, AGradientThatStaysZero) {
  Training training({odd("dead-parameter")});
  const auto trainer = training.make();
  for (int step = 0; step + 1 < GradientWatch::kSteps; ++step) EXPECT_TRUE(trainer->step()) << step;
  const std::string message = error_of(trainer->step());
  EXPECT_NE(message.find("gradient was exactly zero over their first 4 steps: odd.bias"), std::string::npos) << message;

  Training allowed({odd("dead-parameter")});
  allowed.options.inert = InertAllowance({"odd.bias"});
  const auto fine = allowed.make();
  for (int step = 0; step < 6; ++step) EXPECT_TRUE(fine->step()) << step;
}

TEST(Inert, AParameterThatComesLaterIsWatchedLater) {
  Training training({odd("late-parameter")});
  training.options.steps = 20;
  const auto trainer = training.make();
  std::vector<float> bias;
  for (int step = 0; step < 20; ++step) {
    ASSERT_EQ(message_of([&] { value_of(trainer->step()); }), "") << step;
    for (const HostTensor& tensor : value_of(trainer->raw_weights())) {
      if (tensor.path == "odd.bias") bias = tensor.values;
    }
    EXPECT_EQ(bias == std::vector<float>(8, 0.0f), step < 10) << step;
  }
}

TEST(Inert, AParameterThatComesLaterMustBeReached) {
  Training training({odd("late-unused-parameter")});
  training.options.steps = 20;
  const auto trainer = training.make();
  std::string message;
  while (message.empty() && !trainer->done()) message = message_of([&] { value_of(trainer->step()); });
  EXPECT_EQ(trainer->steps_done(), 10);
  EXPECT_NE(message.find("the loss does not depend on: odd.bias"), std::string::npos) << message;
}

TEST(Inert, EveryParameterHasOneOwner) {
  Training training;
  training.claims = {{{"sgd", {{"lr", 0.1}}, "first"}, roles({"matrix"})}};
  std::string message = message_of([&] { training.make(); });
  EXPECT_NE(message.find("token-embedding.weight"), std::string::npos) << message;

  training.claims.push_back({{"sgd", {{"lr", 0.1}}, "second"}, names({"blocks.0.*", "token-embedding.*"})});
  message = message_of([&] { training.make(); });
  EXPECT_NE(message.find("blocks.0.gqa.q.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("first"), std::string::npos) << message;
  EXPECT_NE(message.find("second"), std::string::npos) << message;

  training.claims = {{{"sgd", {{"lr", 0.1}}, "first"}, {}}, {{"sgd", {{"lr", 0.1}}, "second"}, roles({"head"})}};
  message = message_of([&] { training.make(); });
  EXPECT_NE(message.find("second"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::train
