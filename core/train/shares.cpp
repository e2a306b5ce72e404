#include "core/train/shares.hpp"

#include <algorithm>
#include <numeric>

namespace caddie::train {

Shares deal_members(const std::vector<BankWork>& banks, int ranks) {
  Shares shares(static_cast<std::size_t>(ranks));
  const double total = std::accumulate(banks.begin(), banks.end(), 0.0,
                                       [](double sum, const BankWork& bank) { return sum + bank.work; });
  double at = 0;
  for (std::size_t bank = 0; bank < banks.size(); ++bank) {
    if (banks[bank].members == 0) continue;
    const std::int64_t pieces = banks[bank].is_cut ? banks[bank].members : 1;
    const std::int64_t members = banks[bank].members / pieces;
    const double piece = banks[bank].work / static_cast<double>(pieces);
    for (std::int64_t i = 0; i < pieces; ++i) {
      const double middle = total > 0 ? (at + (static_cast<double>(i) + 0.5) * piece) / total : 0;
      const int rank = std::clamp(static_cast<int>(middle * ranks), 0, ranks - 1);
      std::vector<MemberRange>& share = shares[static_cast<std::size_t>(rank)];
      if (share.empty() || share.back().bank != bank) share.push_back({bank, i * members, 0});
      share.back().count += members;
    }
    at += banks[bank].work;
  }
  return shares;
}

}  // namespace caddie::train
