// Test-time training: nothing is read or trained on before its score is sealed, and the scores show it.
#include "core/score/adaptation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/score/support.hpp"

namespace caddie::score {
namespace {

using namespace test;
using train::test::json;
using train::test::make_plugin;

plugins::Object probing(const json& config) { return make_plugin("ttt", "probing-strategy", config, "probe"); }

std::string refused(const json& config, std::size_t tokens = 33) {
  auto strategy = probing(config);
  return failed({.tokens = random_tokens(tokens, 1), .context = 8, .strategy = &strategy});
}

TEST(Adaptation, UnscoredTargetsAreRefused) {
  // The chunks have 8 targets, rows 4: a row from 4 on ends with the chunk, one from 5 on reaches a target too far.
  EXPECT_EQ(refused({{"steps", {0, 4}}}), "(no error)");
  for (const std::int64_t step :
       {std::int64_t{5}, std::int64_t{8}, std::int64_t{100}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
    EXPECT_NE(refused({{"steps", {step}}}).find("not all are scored yet"), std::string::npos) << step;
  }
  EXPECT_EQ(refused({{"reads", {0, 8}}}), "(no error)");
  for (const std::vector<std::int64_t>& read : std::vector<std::vector<std::int64_t>>{{0, 9}, {8, 1}, {7, 2}}) {
    EXPECT_NE(refused({{"reads", read}}).find("before all of them were scored"), std::string::npos) << read[0];
  }
  for (const std::vector<std::int64_t>& read :
       std::vector<std::vector<std::int64_t>>{{-2, 1}, {INT64_MAX, 1}, {INT64_MIN, 1}, {40, 1}}) {
    EXPECT_NE(refused({{"reads", read}}).find("were asked for"), std::string::npos) << read[0];
  }
}

TEST(Adaptation, PlansThatMakeNoSenseAreRefused) {
  for (const json& config : {json{{"chunk", 0}}, json{{"rows", 0}}, json{{"length", -1}}, json{{"clip", -1.0}},
                             json{{"rows", INT64_MAX}, {"length", INT64_MAX}}}) {
    EXPECT_NE(refused(config).find("probe: planned chunks"), std::string::npos) << config.dump();
  }
  EXPECT_NE(refused({{"adapts_nothing", true}}).find("adapts none"), std::string::npos);
  EXPECT_NE(refused({{"steps", {0, 2, 4}}}).find("its plan says at most 2"), std::string::npos);
}

TEST(Adaptation, AChunkMayBeLongerThanTheStream) {
  auto strategy = probing({{"chunk", INT64_MAX}, {"steps", {0}}});
  const Outcome run = evaluated({.tokens = random_tokens(20, 1), .context = 8, .strategy = &strategy});
  EXPECT_EQ(run.report.chunks, 1);
  EXPECT_EQ(run.records.size(), 19u);
}

TEST(Adaptation, StepsChangeTheScoresAfterThem) {
  const auto tokens = random_tokens(33, 2);
  const Outcome plain = evaluated({.tokens = tokens, .context = 8});
  auto strategy = probing({{"steps", {0, 4}}, {"lr", 0.5}});
  const Outcome adapted = evaluated({.tokens = tokens, .context = 8, .strategy = &strategy});
  EXPECT_EQ(adapted.report.chunks, 4);
  EXPECT_EQ(adapted.report.adaptations, 4u);
  for (std::size_t target = 0; target < 32; ++target) {
    EXPECT_EQ(adapted.version.at(static_cast<std::int64_t>(target)), target / 8) << target;
    if (target < 8) {
      EXPECT_EQ(adapted.nll(target), plain.nll(target));
    } else {
      EXPECT_NE(adapted.nll(target), plain.nll(target)) << target;
    }
  }
}

TEST(Adaptation, TrainingOnATextMakesItLikelier) {
  std::vector<data::TokenId> tokens;
  for (int i = 0; i < 97; ++i) tokens.push_back(static_cast<data::TokenId>(4 + i % 7));
  const Outcome plain = evaluated({.tokens = tokens, .context = 8});
  auto strategy = make_plugin("ttt", "score-first-sgd", {{"chunk", 16}, {"lr", 0.1}, {"rows", 2}});
  const Outcome adapted = evaluated({.tokens = tokens, .context = 8, .strategy = &strategy});
  EXPECT_EQ(adapted.report.chunks, 6);
  EXPECT_EQ(adapted.report.adaptations, 15u);  // 3 passes over all chunks but the last, one batch each
  EXPECT_LT(adapted.report.totals.nll, 0.9 * plain.report.totals.nll);
}

TEST(Adaptation, ARateOfZeroIsAPlainEvaluation) {
  const auto tokens = random_tokens(50, 3);
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", 4}});
  const Outcome plain = evaluated({.tokens = tokens, .context = 8, .evaluator = &evaluator});
  auto strategy = make_plugin("ttt", "score-first-sgd", {{"chunk", 16}, {"lr", 0}});
  const Outcome adapted = evaluated({.tokens = tokens, .context = 8, .evaluator = &evaluator, .strategy = &strategy});
  EXPECT_GT(adapted.report.adaptations, 0u);
  for (std::size_t target = 0; target < 49; ++target) EXPECT_EQ(adapted.nll(target), plain.nll(target)) << target;
}

// Score-before-update and causality at once: whatever comes after a place, the scores before it stay the same bits.
TEST(Adaptation, TheFutureChangesNoScore) {
  const auto tokens = random_tokens(65, 4);
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", 4}});
  const auto run = [&](const std::vector<data::TokenId>& text) {
    auto strategy = probing({{"chunk", 16}, {"steps", {0, 12}}, {"reads", {0, 16}}, {"lr", 0.5}});
    return evaluated({.tokens = text, .context = 8, .evaluator = &evaluator, .strategy = &strategy});
  };
  const Outcome whole = run(tokens);
  for (const std::size_t cut : {15u, 16u, 17u, 31u, 32u, 33u, 40u, 63u}) {  // borders of chunks and near them
    auto changed = tokens;  // token cut + 1, the target `cut`, and everything after it
    for (std::size_t i = cut + 1; i < changed.size(); ++i) {
      changed[i] = static_cast<data::TokenId>(4 + (tokens[i] + i) % (train::test::kVocab - 4));
    }
    const Outcome fresh = run(changed);
    for (std::size_t target = 0; target < cut; ++target) {
      EXPECT_EQ(fresh.nll(target), whole.nll(target)) << cut << " " << target;
    }
    bool differs = false;
    for (std::size_t target = cut; target < 64; ++target) differs = differs || fresh.nll(target) != whole.nll(target);
    EXPECT_TRUE(differs) << cut;
  }
}

// G48: N 24, L 4, S 2, chunks of 8: which windows run between two adaptations.
TEST(Adaptation, WindowsOfTheChunks) {
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", 2}});
  auto strategy = make_plugin("ttt", "score-first-sgd", {{"chunk", 8}, {"epochs", 1}, {"rows", 1}});
  const Outcome run = evaluated(
      {.tokens = random_tokens(25, 6), .context = 4, .rows = 1, .evaluator = &evaluator, .strategy = &strategy});
  EXPECT_EQ(run.report.chunks, 3);
  EXPECT_EQ(run.report.windows, 11);
  EXPECT_EQ(run.report.tokens_run, 44);
  std::vector<std::vector<std::int64_t>> first_scored(3);  // one block a window
  ASSERT_EQ(run.content.blocks.size(), 11u);
  for (const Block& block : run.content.blocks) {
    first_scored.at(block.version / 2).push_back(block.records.front().target);
  }
  // Windows 0 2 4, 6 8 10 12, 14 16 18 20 score from these targets on.
  EXPECT_EQ(first_scored, (std::vector<std::vector<std::int64_t>>{{0, 4, 6}, {8, 10, 12, 14}, {16, 18, 20, 22}}));
  EXPECT_EQ(run.report.adaptations, 4u);  // two rows after each chunk but the last
}

TEST(Adaptation, AWindowAcrossABorderIsCutThere) {
  // Windows of 8, chunks of 6: targets 6 and 7 are scored only after training on the first chunk.
  auto strategy = probing({{"chunk", 6}, {"steps", {0}}, {"lr", 0.5}});
  const auto tokens = random_tokens(17, 7);
  const Outcome run = evaluated({.tokens = tokens, .context = 8, .strategy = &strategy});
  ASSERT_EQ(run.records.size(), 16u);
  for (std::int64_t target = 0; target < 16; ++target) {
    EXPECT_EQ(run.version.at(target), static_cast<std::uint64_t>(target / 6));
  }
}

TEST(Adaptation, ResetGoesBackToTheBeginning) {
  const auto tokens = random_tokens(33, 8);
  const Outcome plain = evaluated({.tokens = tokens, .context = 8});
  auto strategy = probing({{"steps", {0, 4}}, {"resets", true}, {"lr", 0.5}});
  const Outcome adapted = evaluated({.tokens = tokens, .context = 8, .strategy = &strategy});
  EXPECT_EQ(adapted.report.adaptations, 4u);
  for (std::size_t target = 0; target < 32; ++target) EXPECT_EQ(adapted.nll(target), plain.nll(target)) << target;
}

TEST(Adaptation, ClippingBoundsAStep) {
  const auto tokens = random_tokens(17, 9);
  const auto change = [&](double clip) {
    auto strategy = probing({{"steps", {0, 4}}, {"lr", 1.0}, {"clip", clip}});
    const Outcome run = evaluated({.tokens = tokens, .context = 8, .strategy = &strategy});
    const Outcome plain = evaluated({.tokens = tokens, .context = 8});
    double largest = 0;
    for (std::size_t target = 8; target < 16; ++target) {
      largest = std::max(largest, std::fabs(run.nll(target) - plain.nll(target)));
    }
    return largest;
  };
  EXPECT_LT(change(1e-4), 1e-2);
  EXPECT_GT(change(0), 1e-2);
}

TEST(Adaptation, ATailThatIsNotScoredIsNotTrainedOn) {
  // 29 targets in windows of 8: 24 are scored. The stream of the strategy ends there.
  const auto evaluator = make_plugin("evaluator", "flat-eval", {{"tail", "truncate"}});
  auto strategy = probing({{"chunk", 12}, {"steps", {0}}});
  const Outcome run =
      evaluated({.tokens = random_tokens(30, 10), .context = 8, .evaluator = &evaluator, .strategy = &strategy});
  EXPECT_EQ(run.report.chunks, 2);
  EXPECT_EQ(run.records.size(), 24u);
}

TEST(Adaptation, AHoleInThePlanIsAnError) {
  const auto evaluator = make_plugin("evaluator", "given-plan", {{"windows", {0, 8, 0, 4, 8, 8, 8, 8}}});
  auto strategy = probing({{"steps", {0}}});
  const std::string message =
      failed({.tokens = random_tokens(17, 11), .context = 8, .evaluator = &evaluator, .strategy = &strategy});
  EXPECT_NE(message.find("4 of the first 16 targets are not scored"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::score
