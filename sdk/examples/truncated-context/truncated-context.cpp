// Truncated context: every target is scored with at most so many tokens before it, to learn how far back a model looks
// (Khandelwal et al. 2018, "Sharp Nearby, Fuzzy Far Away", arXiv:1805.04623).
//
//   windows of n = min(tokens, L) inputs, each scores its last s = min(stride, n) targets, the first one all:
//   all but the first n targets have between n - s + 1 and n tokens before them
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct TruncatedContext : Evaluator {
  static constexpr Identity identity{.id = "truncated-context",
                                     .summary = "every target with at most so many tokens before it",
                                     .citation = "Khandelwal et al. 2018, arXiv:1805.04623",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Integer tokens{this, "tokens", 64, "most tokens before a target", at_least(1)};
  Integer stride{this, "stride", 16, "targets that a window scores", at_least(1)};

  // Target j is token j + 1. Windows are given in the order of scoring, every target once.
  void plan(const EvalInfo& info, Windows& windows) const override {
    const int64_t n = std::min<int64_t>(tokens, info.context);
    const int64_t s = std::min<int64_t>(stride, n);
    int64_t scored = 0;
    for (int64_t first = 0; scored < info.targets; first += s) {
      const int64_t end = std::min(first + n, info.targets);
      windows.add(first, end - first, scored, end - scored);
      scored = end;
    }
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(TruncatedContext)
