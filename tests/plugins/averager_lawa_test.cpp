#include <gtest/gtest.h>

#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

std::shared_ptr<Object> lawa(int k, int every) {
  return std::make_shared<Object>(make_plugin("averager", "lawa", {{"k", k}, {"every", every}}));
}

// The final weights after these, of an averager before it that made `current`.
std::vector<double> finished(int k, int every, const graph::Shape& shape,
                             const std::vector<std::vector<double>>& weights, const std::vector<double>& current) {
  Session session = build_accumulate(lawa(k, every), shape);
  for (std::size_t step = 0; step < weights.size(); ++step) {
    session.set("bank", weights[step]);
    session.run(static_cast<std::int64_t>(step));
  }
  Session end = build_finish(lawa(k, every), shape);
  for (const char* state : {"state/lawa.bank.snapshots", "state/lawa.bank.taken"}) end.set(state, session.get(state));
  end.set("current", current);
  end.run();
  return end.get("final");
}

TEST(Lawa, MeanOfTheLastSnapshots) {  // G67
  expect_near(finished(3, 1, {1, 1}, {{1}, {2}, {4}, {8}}, {7}), {4.666666667});
  expect_near(finished(3, 1, {1, 1}, {{1}, {2}}, {7}), {1.5});  // fewer than k: those there are
  expect_near(finished(3, 5, {1, 1}, {{1}, {2}}, {7}), {7});    // none: nothing changes
}

TEST(Lawa, EqualsTheOracle) {
  std::vector<std::vector<double>> weights;
  for (int step = 0; step < 23; ++step) weights.push_back(wave({2, 3}, step).values);
  for (const nlohmann::ordered_json& golden : oracle()["lawa"]) {
    expect_near(finished(golden["k"], golden["every"], {2, 3}, weights, wave({2, 3}, 77).values),
                flat(golden["final"]));
  }
}

TEST(Lawa, KeepsSnapshotsOfBanks) {
  const Session session = build_accumulate(lawa(4, 2), {3, 2, 5});
  for (const TensorDeclaration& state : session.built().states) {
    if (state.path == "state/lawa.bank.snapshots") {
      EXPECT_EQ(state.shape, (graph::Shape{3, 4, 2, 5}));
    }
  }
  EXPECT_EQ(session.built().states.size(), 2u);
}

}  // namespace
}  // namespace caddie::plugins::test
