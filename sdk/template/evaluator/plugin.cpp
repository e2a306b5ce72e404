// @ID@: windows that overlap by half, so that every target but the first window's has at least half a window before it.
//
//   window q has inputs [q S, q S + L) and scores its last S targets, the first one all;   S = L - floor(overlap L)
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct @CLASS@ : Evaluator {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "windows that overlap by a share of their length",
                                     .citation = "Press et al. 2020, arXiv:2012.15832",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Number overlap{this, "overlap", 0.5, "share of a window that only serves as context", range(0, 0.99)};

  // Target j is token j + 1. Windows are given in the order of scoring, every target once.
  void plan(const EvalInfo& info, Windows& windows) const override {
    const int64_t L = info.context;
    const int64_t S = std::max<int64_t>(1, L - static_cast<int64_t>(std::floor(overlap * static_cast<double>(L))));
    int64_t scored = 0;
    for (int64_t first = 0; scored < info.targets; first += S) {
      const int64_t end = std::min(first + L, info.targets);
      windows.add(first, end - first, scored, end - scored);
      scored = end;
    }
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
