// Whole evaluations of a tiny model: scores against logits computed by hand, sums against the ledger, plans.
#include "core/score/evaluation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "core/score/ledger.hpp"
#include "core/score/scorer.hpp"
#include "tests/score/support.hpp"

namespace caddie::score {
namespace {

using namespace test;
using train::test::direct_logits;
using train::test::direct_nll;
using train::test::error_of;
using train::test::make_plugin;

TEST(Evaluation, ScoresAreTheModelsOwn) {
  const auto tokens = random_tokens(23, 3);
  const Outcome run = evaluated({.tokens = tokens, .context = 8, .rows = 2});
  ASSERT_EQ(run.records.size(), 22u);
  for (std::size_t first = 0; first < 22; first += 8) {  // windows of 8, the last one of 6
    const std::size_t length = std::min<std::size_t>(8, 22 - first);
    const auto nll = direct_nll(run.model, run.weights, ids(tokens, first, length), ids(tokens, first + 1, length));
    for (std::size_t i = 0; i < length; ++i) EXPECT_NEAR(run.nll(first + i), nll[i], 2e-5) << "target " << first + i;
  }
}

TEST(Evaluation, TotalsAreTheSumsOfTheLedger) {
  const auto tokens = random_tokens(200, 4);
  const Outcome run = evaluated({.tokens = tokens, .context = 16, .rows = 3});
  const data::ByteTable table = train::test::tiny_bytes();
  long double nll = 0;
  std::int64_t bytes = 0;
  for (const auto& [target, record] : run.records) {
    nll += static_cast<long double>(record.nll);
    const auto expected =
        table.target_bytes(tokens[static_cast<std::size_t>(target) + 1], tokens[static_cast<std::size_t>(target)]);
    EXPECT_EQ(record.bytes, static_cast<std::uint32_t>(expected));
    bytes += expected;
  }
  const Totals& totals = run.report.totals;
  EXPECT_NEAR(totals.nll, static_cast<double>(nll), 1e-12 * static_cast<double>(nll));
  EXPECT_EQ(totals.bytes, bytes);
  EXPECT_EQ(totals.bytes, data::sum_target_bytes(tokens, table));
  EXPECT_EQ(totals.targets, 199);
  EXPECT_EQ(run.report.targets, 199);
  EXPECT_NEAR(totals.bits_per_byte(), static_cast<double>(nll) / (std::numbers::ln2 * static_cast<double>(bytes)),
              1e-12);
  EXPECT_NEAR(totals.nats_per_token(), static_cast<double>(nll) / 199, 1e-12);
  EXPECT_EQ(run.report.windows, 13);
  EXPECT_EQ(run.report.tokens_run, 199);
  EXPECT_EQ(run.report.adaptations, 0u);
  EXPECT_TRUE(run.report.remarks.empty());
  EXPECT_EQ(run.report.ledger_digest, run.content.digest);
  EXPECT_EQ(run.content.subject, "the tiny model");
}

TEST(Evaluation, SlidingWindowsGiveLongContexts) {
  constexpr std::size_t kLength = 8;
  constexpr std::size_t kStride = 2;
  const auto tokens = random_tokens(36, 5);
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", kStride}});
  const Outcome run = evaluated({.tokens = tokens, .context = kLength, .rows = 4, .evaluator = &evaluator});
  ASSERT_EQ(run.records.size(), 35u);
  for (std::size_t target = 0; target < 35; ++target) {
    // Windows begin every two tokens; a target is scored by the last inputs of the first window that holds it.
    const std::size_t start = target < kLength ? 0 : (target - kLength) / kStride * kStride + kStride;
    ASSERT_TRUE(start == 0 || target - start >= kLength - kStride);
    const std::size_t length = target - start + 1;
    const auto nll = direct_nll(run.model, run.weights, ids(tokens, start, length), ids(tokens, start + 1, length));
    EXPECT_NEAR(run.nll(target), nll.back(), 2e-5) << "target " << target;
  }
}

// Enough windows for a program of their own, which computes the last positions alone.
TEST(Evaluation, ManyShortStepsGiveTheScoresOfWholeWindows) {
  constexpr std::size_t kLength = 8;
  constexpr std::size_t kStride = 2;
  const auto tokens = random_tokens(60, 12);
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", kStride}});
  const Outcome run = evaluated({.tokens = tokens, .context = kLength, .rows = 2, .evaluator = &evaluator});
  const Outcome whole = evaluated({.tokens = tokens, .context = kLength, .rows = 32, .evaluator = &evaluator});
  ASSERT_EQ(run.records.size(), 59u);
  EXPECT_EQ(run.report.windows, whole.report.windows);
  EXPECT_EQ(run.report.tokens_run, whole.report.tokens_run);
  for (std::size_t target = 0; target < 59; ++target) EXPECT_NEAR(run.nll(target), whole.nll(target), 2e-6) << target;
}

TEST(Evaluation, UsualPositionsAreThoseOfMostWindows) {
  std::vector<Window> windows{{0, 16, 0, 16}};
  const auto usual = [&] {
    const Positions found = usual_positions(windows, 2, 16);
    return std::pair(found.first, found.count);
  };
  for (std::int64_t i = 1; i < 8; ++i) windows.push_back({4 * i, 16, 4 * i + 12, 4});
  EXPECT_EQ(usual(), (std::pair<std::int64_t, std::int64_t>(0, 16)));  // seven are too few for batches of two
  windows.push_back({32, 16, 44, 4});
  EXPECT_EQ(usual(), (std::pair<std::int64_t, std::int64_t>(12, 4)));
  for (Window& window : windows) window.score_count = 9;  // more than half of the window: not worth it
  EXPECT_EQ(usual(), (std::pair<std::int64_t, std::int64_t>(0, 16)));
  windows.clear();
  EXPECT_EQ(usual(), (std::pair<std::int64_t, std::int64_t>(0, 16)));
}

TEST(Evaluation, ProbabilitiesSumToOne) {
  // Every token of the vocabulary in turn as the last target, behind the same text.
  auto tokens = random_tokens(13, 6);
  double sum = 0;
  for (int token = 0; token < train::test::kVocab; ++token) {
    tokens.back() = static_cast<data::TokenId>(token);
    sum += std::exp(-evaluated({.tokens = tokens, .context = 16, .rows = 1}).nll(11));
  }
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST(Evaluation, TheFutureChangesNoScore) {
  const auto tokens = random_tokens(64, 7);
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", 4}});
  const Outcome run = evaluated({.tokens = tokens, .context = 16, .rows = 3, .evaluator = &evaluator});
  for (const std::size_t cut : {0u, 1u, 7u, 16u, 31u, 32u, 47u, 62u}) {
    auto other = tokens;  // tokens up to `cut` stay: the scores of targets 0 .. cut-1
    const auto fresh = random_tokens(64, 8);
    std::copy(fresh.begin() + static_cast<std::ptrdiff_t>(cut) + 1, fresh.end(),
              other.begin() + static_cast<std::ptrdiff_t>(cut) + 1);
    const Outcome changed = evaluated({.tokens = other, .context = 16, .rows = 3, .evaluator = &evaluator});
    for (std::size_t target = 0; target < cut; ++target) {
      EXPECT_EQ(changed.nll(target), run.nll(target)) << cut << " " << target;
    }
  }
}

TEST(Evaluation, TheNumberOfRowsChangesNoScore) {
  const auto tokens = random_tokens(50, 9);
  const Outcome one = evaluated({.tokens = tokens, .context = 8, .rows = 1});
  const Outcome many = evaluated({.tokens = tokens, .context = 8, .rows = 5});
  for (std::size_t target = 0; target < 49; ++target) EXPECT_EQ(one.nll(target), many.nll(target));
  EXPECT_EQ(one.report.totals.nll, many.report.totals.nll);
}

TEST(Evaluation, AgainTheSameBits) {
  const auto tokens = random_tokens(50, 9);
  EXPECT_EQ(evaluated({.tokens = tokens, .context = 8}).content.digest,
            evaluated({.tokens = tokens, .context = 8}).content.digest);
}

TEST(Evaluation, AQuickLookScoresTheBeginning) {
  const auto tokens = random_tokens(50, 10);
  const Outcome whole = evaluated({.tokens = tokens, .context = 8});
  const Outcome part = evaluated({.tokens = tokens, .context = 8, .max_targets = 19});
  EXPECT_EQ(part.report.targets, 19);
  ASSERT_EQ(part.records.size(), 19u);
  for (std::size_t target = 0; target < 16; ++target) EXPECT_EQ(part.nll(target), whole.nll(target));
}

TEST(Evaluation, WhatAPlanLeavesOutIsRemarked) {
  const auto tokens = random_tokens(30, 11);
  const auto evaluator = make_plugin("evaluator", "flat-eval", {{"tail", "truncate"}});
  const Outcome run = evaluated({.tokens = tokens, .context = 8, .evaluator = &evaluator});
  EXPECT_EQ(run.report.totals.targets, 24);
  EXPECT_EQ(run.report.targets, 29);
  ASSERT_EQ(run.report.remarks.size(), 1u);
  EXPECT_NE(run.report.remarks[0].find("5 of 29"), std::string::npos);
}

TEST(Evaluation, ProgressIsTold) {
  const auto tokens = random_tokens(200, 12);
  std::vector<std::int64_t> scored;
  Setting setting = {.tokens = tokens, .context = 8, .rows = 1};
  setting.progress = [&](const EvaluationProgress& progress) {
    EXPECT_EQ(progress.targets, 199);
    EXPECT_EQ(progress.totals.targets, progress.scored);
    scored.push_back(progress.scored);
  };
  evaluated(setting);
  ASSERT_GT(scored.size(), 2u);
  EXPECT_TRUE(std::ranges::is_sorted(scored));
  EXPECT_EQ(scored.back(), 199);
}

TEST(Evaluation, WeightsThatGiveNoDistributionAreAnError) {
  Setting setting = {.tokens = random_tokens(20, 13), .context = 8};
  setting.change = [](std::vector<train::HostTensor>& weights) {
    weights[0].values[5] = std::numeric_limits<float>::quiet_NaN();
  };
  const std::string message = failed(setting);
  EXPECT_NE(message.find("give no distribution"), std::string::npos) << message;
}

TEST(Evaluation, MissingWeightsAreNamed) {
  Setting setting = {.tokens = random_tokens(20, 13), .context = 8};
  setting.change = [](std::vector<train::HostTensor>& weights) { weights.pop_back(); };
  EXPECT_NE(failed(setting).find("the stored weights do not"), std::string::npos);
}

TEST(Totals, AreCompensated) {
  Totals none;
  EXPECT_EQ(none.bits_per_byte(), 0);
  EXPECT_EQ(none.nats_per_token(), 0);
}

}  // namespace
}  // namespace caddie::score
