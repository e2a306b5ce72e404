#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

const std::vector<BlockUse> kCapped = {{"logit-softcap"}, {"cross-entropy"}};

TEST(CrossEntropy, OfCappedLogits) {  // G17
  Session a = build_loss(kCapped, real({1, 1, 4}, {0, 10, -20, 45}), whole({1, 1}, {1}));
  a.run();
  expect_near(a.get("lse"), {27.15444763});
  expect_near(a.get("nll"), {17.50906551});
  expect_near(a.gradient("in"), {1.61054637e-12, -0.8966295373, 2.71502685e-20, 0.1807066344});
  Session b = build_loss(kCapped, real({1, 1, 4}, {1, 2, 0, 0.5}), whole({1, 1}, {0}));
  b.run();
  expect_near(b.get("lse"), {2.544209173});
  expect_near(b.get("nll"), {1.544579379});
  expect_near(b.get("entropy"), {1.110692}, 1e-6);
  expect_near(b.gradient("in"), {-0.7857250352, 0.5760228009, 0.07853513513, 0.129440595});
}

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheVocabulary) {  // G17
  for (const auto& [V, expected] : std::map<std::int64_t, double>{{1024, 6.931471806}, {8192, 9.010913347}}) {
    Session session =
        build_loss({{"cross-entropy"}}, real({1, 1, V}, std::vector<double>(static_cast<std::size_t>(V), 3.0)),
                   whole({1, 1}, {7}));
    session.run();
    expect_near(session.get("nll"), {expected});
    expect_near(session.get("entropy"), {expected});
  }
}

}  // namespace
}  // namespace caddie::plugins::test
