#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

std::shared_ptr<Object> swa(const nlohmann::json& config) {
  return std::make_shared<Object>(make_plugin("averager", "swa", config));
}

TEST(Swa, TakesSnapshotsWhereTheScaleIsLow) {  // G27: the first step below the threshold is 6039, the last is 6839
  Session session = build_accumulate(swa({{"every", 50}, {"start_scale", 0.2}}), {1, 1});
  std::vector<std::int64_t> taken;
  for (std::int64_t step = 5900; step < 6839; ++step) {  // after `step` the run has made step + 1 steps
    session.set("bank", {static_cast<double>(step + 1)});
    const double before = session.get("state/swa.bank.count")[0];
    session.run(step_at(step, step + 1 < 6039 ? 0.2 : 0.19));
    if (session.get("state/swa.bank.count")[0] > before) taken.push_back(step + 1);
  }
  const std::vector<std::int64_t> expected = {6050, 6100, 6150, 6200, 6250, 6300, 6350, 6400,
                                              6450, 6500, 6550, 6600, 6650, 6700, 6750, 6800};
  EXPECT_EQ(taken, expected);
  EXPECT_EQ(session.get("state/swa.bank.sum")[0], 16 * (6050 + 6800) / 2.0);
}

double finished(const nlohmann::json& config, double sum, double count, double current) {
  Session session = build_finish(swa(config), {1, 1});
  session.set("current", {current});
  session.set("state/swa.bank.sum", {sum});
  session.set("state/swa.bank.count", {count});
  session.run();
  return session.get("final")[0];
}

TEST(Swa, EndsAsTheMeanOfTheSnapshots) {  // G27
  Session session = build_accumulate(swa({{"every", 1}}), {1, 1});
  for (const double weight : {0.9, 0.7, 0.8}) {
    session.set("bank", {weight});
    session.run(step_at(0, 0.0));
  }
  EXPECT_NEAR(finished({}, session.get("state/swa.bank.sum")[0], session.get("state/swa.bank.count")[0], 5), 0.8,
              1e-12);
}

TEST(Swa, BlendsWithTheAveragerBefore) {  // G27: half of the EMA, half of the mean
  EXPECT_NEAR(finished({{"blend", 0.5}}, 2.4, 3, 0.9979061207), 0.8989530604, 1e-9);
}

TEST(Swa, WithoutAShareItHandsOnWhatItWasGiven) {
  Session session = build_finish(swa({{"blend", 0}}), {1, 2});
  session.set("current", {3, 4});
  session.run();
  EXPECT_EQ(session.get("final"), (std::vector<double>{3, 4}));
  EXPECT_TRUE(session.built().states.empty());  // which the host sees and reports as an averager without effect
}

TEST(Swa, OneSnapshotIsNoAverage) {
  EXPECT_EQ(finished({}, 0.4, 1, 7), 7);
  EXPECT_EQ(finished({}, 0, 0, 7), 7);
}

}  // namespace
}  // namespace caddie::plugins::test
