// Whole training runs of the tiny model.
#include "core/train/trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "core/cpu/cpu_executor.hpp"
#include "tests/train/thread_group.hpp"
#include "tests/train/trainer_support.hpp"

namespace caddie::train {
namespace {

using namespace test;

std::unique_ptr<graph::Executor> cpu() { return cpu::make_cpu_executor({2}); }

// Everything that keeps a state: noise, momenta, an average, a schedule, a random loader, a later phase.
void use_everything(Training& training) {
  training.claims = {{{"adamw", {{"lr", 0.01}}, "adam"}, roles({"embedding", "scalar"})},
                     {{"muon", {{"lr", 0.02}}, "muon"}, {}}};
  training.averagers = {{"ema", {{"decay", 0.9}}}};
  training.schedule = {"warmdown"};
  training.loader = {"coprime-loader"};
  training.options.clip_norm = 1;
}
const std::vector<BlockUse> kEverything = {
    {"neftune"}, {"odd-block", {{"does", "late-parameter"}}, "odd"}, {"complementary-loss"}};

std::vector<double> losses(Trainer& trainer, int steps) {
  std::vector<double> made;
  for (int step = 0; step < steps; ++step) made.push_back(value_of(trainer.step()).loss.loss);
  return made;
}

void expect_same_weights(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].values, b[i].values) << a[i].path;
}

double largest_difference(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < a[i].values.size(); ++k) {
      largest = std::max(largest, std::fabs(static_cast<double>(a[i].values[k]) - static_cast<double>(b[i].values[k])));
    }
  }
  return largest;
}

TEST(Trainer, TheLossFalls) {
  Training training;
  training.claims = {{{"adamw", {{"lr", 0.02}}}}};
  training.options.steps = 150;
  const auto trainer = training.make();
  double first = 0;
  double last = 0;
  while (!trainer->done()) {
    const StepReport report = value_of(trainer->step());
    EXPECT_EQ(report.loss.loss, report.loss.nll);  // no term beside cross-entropy
    if (report.step < 5) first += report.loss.nll / 5;
    if (report.step >= 145) last += report.loss.nll / 5;
  }
  EXPECT_EQ(trainer->steps_done(), 150);
  EXPECT_EQ(trainer->fraction(), 1);
  EXPECT_GT(first, 3);
  EXPECT_LT(last, 0.8 * first);
}

void expect_resumes(std::unique_ptr<graph::Executor> (*executor)()) {
  Training training(kEverything, executor());
  use_everything(training);
  training.options.steps = 16;
  const auto whole = training.make();
  const std::vector<double> all = losses(*whole, 16);
  for (const int cut : {1, 3, 6, 7, 8, 9, 15}) {  // the late phase begins with step 8
    std::vector<std::uint8_t> bytes;
    {
      const auto first = training.make();
      losses(*first, cut);
      bytes = encode_checkpoint(value_of(first->checkpoint()));
    }
    const auto second = training.make();
    must(second->restore(value_of(decode_checkpoint(bytes, "test"))));
    EXPECT_EQ(second->steps_done(), cut);
    EXPECT_EQ(losses(*second, 16 - cut), std::vector<double>(all.begin() + cut, all.end())) << "from step " << cut;
    expect_same_weights(value_of(second->raw_weights()), value_of(whole->raw_weights()));
    expect_same_weights(value_of(second->averaged_weights()), value_of(whole->averaged_weights()));
    EXPECT_EQ(value_of(second->checkpoint()).sections, value_of(whole->checkpoint()).sections) << "from step " << cut;
  }
}

TEST(Trainer, AResumedRunHasTheSameBits) { expect_resumes(reference); }
TEST(Trainer, AResumedRunHasTheSameBitsOnTheCpu) { expect_resumes(cpu); }

TEST(Trainer, TheCpuFollowsTheReference) {
  Training on_reference(kEverything);
  Training on_cpu(kEverything, cpu());
  use_everything(on_reference);
  use_everything(on_cpu);
  const std::vector<double> a = losses(*on_reference.make(), 12);
  const std::vector<double> b = losses(*on_cpu.make(), 12);
  for (std::size_t step = 0; step < a.size(); ++step) EXPECT_NEAR(a[step], b[step], 1e-4 * a[step]) << step;
}

TEST(Trainer, ACheckpointOfAnotherRunIsRefused) {
  Training training;
  const auto trainer = training.make();
  Checkpoint checkpoint = value_of(trainer->checkpoint());
  checkpoint.run_digest = "other";
  EXPECT_NE(error_of(trainer->restore(checkpoint)).find("belongs to another run"), std::string::npos);
}

TEST(Trainer, ACheckpointWithoutItsSectionsIsRefused) {
  Training training;
  const auto trainer = training.make();
  losses(*trainer, 2);
  const Checkpoint good = value_of(trainer->checkpoint());
  for (const auto& [name, bytes] : good.sections) {
    Checkpoint bad = good;
    bad.sections.erase(name);
    EXPECT_NE(error_of(training.make()->restore(bad)).find("\"" + name + "\""), std::string::npos) << name;
    bad = good;
    bad.sections[name].push_back(0);
    EXPECT_FALSE(training.make()->restore(bad)) << name;
    bad.sections[name].clear();
    EXPECT_FALSE(training.make()->restore(bad)) << name;
  }
}

TEST(Trainer, TwoHalvesAreOneBatch) {
  // Slices of the loader make both runs read the same rows.
  Training whole;
  whole.loader = {"sequential-loader", {{"slices", 2}}};
  Training halves;
  halves.options.batch = 2;
  halves.options.accumulate = 2;
  const auto a = whole.make();
  const auto b = halves.make();
  for (int step = 0; step < 10; ++step) {
    const StepReport one = value_of(a->step());
    const StepReport two = value_of(b->step());
    EXPECT_NEAR(one.loss.loss, two.loss.loss, 1e-6);
    EXPECT_NEAR(one.gradient_norm, two.gradient_norm, 1e-6);
    EXPECT_EQ(one.tokens, two.tokens);
  }
  EXPECT_LT(largest_difference(value_of(a->raw_weights()), value_of(b->raw_weights())), 1e-6);
}

TEST(Trainer, GradientsAreClippedTogether) {
  constexpr double kClip = 0.01;
  Training training;
  training.claims = {{{"sgd", {{"lr", 1.0}, {"momentum", 0}}}}};
  training.options.clip_norm = kClip;
  const auto trainer = training.make();
  const std::vector<HostTensor> before = value_of(trainer->raw_weights());
  const StepReport report = value_of(trainer->step());
  const std::vector<HostTensor> after = value_of(trainer->raw_weights());
  EXPECT_GT(report.gradient_norm, 10 * kClip);
  double squares = 0;
  double gradient_squares = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const std::vector<float> gradient = value_of(trainer->parameters().download_gradient(after[i].path));
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const double moved = static_cast<double>(before[i].values[k]) - static_cast<double>(after[i].values[k]);
      squares += moved * moved;
      gradient_squares += static_cast<double>(gradient[k]) * static_cast<double>(gradient[k]);
    }
  }
  EXPECT_NEAR(report.gradient_norm, std::sqrt(gradient_squares), 1e-5 * report.gradient_norm);
  EXPECT_NEAR(std::sqrt(squares), kClip, 1e-3 * kClip);
}

TEST(Trainer, SmallGradientsAreLeftAlone) {
  Training plain;
  Training clipped;
  clipped.options.clip_norm = 1e6;
  const auto a = plain.make();
  const auto b = clipped.make();
  losses(*a, 5);
  losses(*b, 5);
  expect_same_weights(value_of(a->raw_weights()), value_of(b->raw_weights()));
}

TEST(Trainer, TheScheduleScalesTheSteps) {
  Training training;
  training.options.steps = 10;
  training.schedule = {"warmdown"};
  const auto trainer = training.make();
  double last = 2;
  while (!trainer->done()) {
    const double scale = value_of(trainer->step()).scale;
    EXPECT_LE(scale, last);
    last = scale;
  }
  EXPECT_LT(last, 1);
}

TEST(Trainer, TheAverageLagsBehind) {
  Training training;
  training.averagers = {{"ema", {{"decay", 0.9}}}};
  const auto trainer = training.make();
  // By hand: average <- 0.9 average + 0.1 weights, from the initial weights on.
  std::vector<HostTensor> average = value_of(trainer->raw_weights());
  for (int step = 0; step < 8; ++step) {
    value_of(trainer->step());
    const std::vector<HostTensor> now = value_of(trainer->raw_weights());
    for (std::size_t i = 0; i < now.size(); ++i) {
      for (std::size_t k = 0; k < now[i].values.size(); ++k) {
        average[i].values[k] = 0.9f * average[i].values[k] + 0.1f * now[i].values[k];
      }
    }
  }
  EXPECT_LT(largest_difference(value_of(trainer->averaged_weights()), average), 1e-5);
  EXPECT_GT(largest_difference(value_of(trainer->averaged_weights()), value_of(trainer->raw_weights())), 1e-3);
}

TEST(Trainer, ARunThatDivergesStops) {
  Training training;
  training.claims = {{{"sgd", {{"lr", 1e38}, {"momentum", 0}}}}};
  const auto trainer = training.make();
  std::string message;
  for (int step = 0; step < 40 && message.empty(); ++step) message = message_of([&] { value_of(trainer->step()); });
  EXPECT_NE(message.find("the run diverged"), std::string::npos) << message;
}

TEST(Trainer, ARunMustEnd) {
  Training training;
  training.options.steps = 0;
  EXPECT_NE(message_of([&] { training.make(); }).find("would never end"), std::string::npos);
  training.options.budget_seconds = 0.05;
  const auto trainer = training.make();
  while (!trainer->done()) value_of(trainer->step());
  EXPECT_GE(trainer->elapsed_seconds(), 0.05);
}

TEST(Trainer, ProcessesGatherTheirStatesForACheckpoint) {
  std::mutex one_after_another;  // plugins are made
  const auto start = [&](comm::ProcessGroup* group, Training& training) {
    const std::scoped_lock lock(one_after_another);
    use_everything(training);
    training.group = group;
    training.options.batch = 2;
    training.options.accumulate = 2;
    return training.make();
  };
  Training alone({}, cpu());
  const auto whole = start(nullptr, alone);
  losses(*whole, 7);
  const Checkpoint expected = value_of(whole->checkpoint());

  std::deque<Training> each;
  each.emplace_back(std::vector<BlockUse>(), cpu());
  each.emplace_back(std::vector<BlockUse>(), cpu());
  on_ranks(2, [&](comm::ProcessGroup& group) {
    const auto trainer = start(&group, each[static_cast<std::size_t>(group.rank())]);
    must(trainer->gather());
    EXPECT_TRUE(trainer->checkpoint()) << "nothing has changed yet";
    losses(*trainer, 7);
    EXPECT_NE(error_of(trainer->checkpoint()).find("before gather()"), std::string::npos);
    EXPECT_NE(error_of(trainer->averaged_weights()).find("before gather()"), std::string::npos);
    must(trainer->gather());
    EXPECT_EQ(value_of(trainer->checkpoint()).sections, expected.sections);
    expect_same_weights(value_of(trainer->averaged_weights()), value_of(whole->averaged_weights()));
  });
}

TEST(Trainer, SeedsDecideEverything) {
  Training training(kEverything);
  use_everything(training);
  const std::vector<double> once = losses(*training.make(), 5);
  EXPECT_EQ(losses(*training.make(), 5), once);
  training.options.seed = 6;
  EXPECT_NE(losses(*training.make(), 5), once);
}

}  // namespace
}  // namespace caddie::train
