// Which process updates which members of which banks. Decided by shapes alone, so that all processes agree. Plain
// values; any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace caddie::train {

// What a bank costs in a step, and what it may be cut into.
struct BankWork {
  std::int64_t members = 0;  // 0: nobody updates it
  double work = 0;           // of all members
  bool is_cut = true;        // between members; else it goes to one process
};

struct MemberRange {
  std::size_t bank = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
  friend bool operator==(const MemberRange&, const MemberRange&) = default;
};

// By rank: the ranges of banks, in their order; ranges of one rank come before those of the next. Every member of every
// bank is in one range.
using Shares = std::vector<std::vector<MemberRange>>;

// Banks stand one after another on a line as long as their work, which is cut into equal parts; a member, or a bank
// that is not cut, goes where its middle is. So no rank has more than its part and the work of one such piece.
Shares deal_members(const std::vector<BankWork>& banks, int ranks);

}  // namespace caddie::train
