#include "core/train/shares.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace caddie::train {
namespace {

double work_of(const std::vector<BankWork>& banks, const std::vector<MemberRange>& share) {
  double work = 0;
  for (const MemberRange& range : share) {
    const BankWork& bank = banks[range.bank];
    work += bank.work * static_cast<double>(range.count) / static_cast<double>(bank.members);
  }
  return work;
}

// All members once, in order; banks that are not cut in one piece; no rank far above its part.
void expect_fair(const std::vector<BankWork>& banks, int ranks) {
  const Shares shares = deal_members(banks, ranks);
  ASSERT_EQ(shares.size(), static_cast<std::size_t>(ranks));
  double total = 0;
  double largest = 0;
  for (const BankWork& bank : banks) {
    total += bank.work;
    largest = std::max(largest, bank.is_cut ? bank.work / static_cast<double>(bank.members) : bank.work);
  }
  std::size_t bank = 0;
  std::int64_t member = 0;
  for (const auto& share : shares) {
    EXPECT_LE(work_of(banks, share), (total / ranks + largest) * (1 + 1e-9));
    for (const MemberRange& range : share) {
      if (bank < banks.size() && member == banks[bank].members) {
        ++bank;
        member = 0;
      }
      ASSERT_EQ(range.bank, bank);
      ASSERT_EQ(range.first, member);
      ASSERT_GE(range.count, 1);
      if (!banks[bank].is_cut) {
        ASSERT_EQ(range.count, banks[bank].members);
      }
      member += range.count;
    }
  }
  ASSERT_EQ(bank + 1, banks.size());
  ASSERT_EQ(member, banks.back().members);
}

TEST(Shares, CutABankBetweenItsMembers) {
  EXPECT_EQ(deal_members({{7, 70, true}}, 2),
            (Shares{{{0, 0, 3}}, {{0, 3, 4}}}));
  EXPECT_EQ(deal_members({{4, 40, true}}, 4), (Shares{{{0, 0, 1}}, {{0, 1, 1}}, {{0, 2, 1}}, {{0, 3, 1}}}));
}

TEST(Shares, GoOnWithTheNextBank) {
  EXPECT_EQ(deal_members({{1, 10, true}, {4, 80, true}, {2, 10, true}}, 2),
            (Shares{{{0, 0, 1}, {1, 0, 2}}, {{1, 2, 2}, {2, 0, 2}}}));
}

TEST(Shares, LeaveABankWholeThatIsNotCut) {
  EXPECT_EQ(deal_members({{5, 50, false}, {5, 50, true}}, 2), (Shares{{{0, 0, 5}}, {{1, 0, 5}}}));
}

TEST(Shares, MoreProcessesThanMembers) {
  const Shares shares = deal_members({{2, 2, true}}, 5);
  EXPECT_EQ(std::ranges::count_if(shares, [](const auto& share) { return !share.empty(); }), 2);
  expect_fair({{2, 2, true}}, 5);
}

TEST(Shares, AreFairWhateverTheBanks) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<BankWork> banks(1 + random() % 9);
    for (BankWork& bank : banks) {
      const auto members = static_cast<std::int64_t>(1 + random() % 40);
      bank = {members, static_cast<double>(1 + random() % 1000), random() % 4 != 0};
    }
    for (const int ranks : {1, 2, 3, 4, 7, 64}) expect_fair(banks, ranks);
  }
}

}  // namespace
}  // namespace caddie::train
