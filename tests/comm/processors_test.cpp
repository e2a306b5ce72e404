#include "core/comm/processors.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace caddie::comm {
namespace {

Processors on(std::uint64_t machine, std::initializer_list<int> processors) {
  Processors made{machine, {}};
  for (const int processor : processors) CPU_SET(processor, &made.set);
  return made;
}

std::vector<int> shares(const std::vector<Processors>& all) {
  std::vector<int> made;
  for (std::size_t i = 0; i < all.size(); ++i) made.push_back(fair_share(all, i));
  return made;
}

TEST(Processors, OfProcessesThatAreNotBoundAreDivided) {
  EXPECT_EQ(shares({on(1, {0, 1, 2, 3}), on(1, {0, 1, 2, 3})}), (std::vector<int>{2, 2}));
  EXPECT_EQ(shares({on(1, {0, 1}), on(1, {0, 1}), on(1, {0, 1})}), (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(shares({on(1, {0, 1, 2}), on(1, {0, 1, 2}), on(1, {0, 1, 2})}), (std::vector<int>{1, 1, 1}));
}

TEST(Processors, OfBoundProcessesAreTheirOwn) {
  EXPECT_EQ(shares({on(1, {0, 1, 2}), on(1, {3, 4, 5})}), (std::vector<int>{3, 3}));
  EXPECT_EQ(shares({on(1, {0, 1, 2}), on(1, {2, 3})}), (std::vector<int>{2, 1}));
}

TEST(Processors, OfOtherMachinesDoNotCount) {
  EXPECT_EQ(shares({on(1, {0, 1, 2, 3}), on(2, {0, 1, 2, 3})}), (std::vector<int>{4, 4}));
}

TEST(Processors, OfOneProcessAreAllThatItMayUse) {
  cpu_set_t set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const auto group = single_process();
  const auto share = share_of_processors(*group);
  ASSERT_TRUE(share.ok());
  EXPECT_EQ(*share, CPU_COUNT(&set));
}

}  // namespace
}  // namespace caddie::comm
