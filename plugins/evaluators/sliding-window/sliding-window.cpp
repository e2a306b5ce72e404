// Sliding-window evaluation: windows of L inputs every S tokens, of which only the last S targets are scored, so that
// each has at least L - S tokens before it (Press et al. 2020, arXiv:2012.15832; openai/parameter-golf PR #1413).
//
//   starts w = 0, S, 2S, ...; a window ends at e = min(w + L, N); the first one scores all its targets
//   S2        while w + L - S < N: scores [w + L - S, e). Every target once
//   S1        while N - w >= S: scores [e - S, e). The last S targets come again and again
//   S2-count  max(1, (N - L + S) / S) whole windows: as S2, without what is left at the end
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct SlidingWindow : Evaluator {
  static constexpr Identity identity{.id = "sliding-window",
                                     .summary = "overlapping windows, so that every scored target has a long context",
                                     .citation = "Press et al. 2020, arXiv:2012.15832; openai/parameter-golf PR #1413",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Integer stride{this, "stride", 64, "tokens from one window to the next", at_least(1)};
  Integer length{this, "length", 0, "tokens of a window; 0: the model's context", at_least(0)};
  Text rule{this, "rule", "S2", "which targets a window scores: S2 each once, S1 and S2-count for parity with records",
            {"S2", "S1", "S2-count"}};

  void plan(const EvalInfo& info, Windows& windows) const override {
    const int64_t L = length > 0 ? length.value() : info.context;
    const int64_t S = stride;
    const int64_t N = info.targets;
    if (S > L) {
      throw Failure("\"stride\" is " + std::to_string(S) + " and the window " + std::to_string(L) +
                    ": targets between two windows would never be scored; take a stride of at most the window");
    }
    const int64_t whole = std::max<int64_t>(1, (N - L + S) / S);
    for (int64_t w = 0; w == 0 || goes_on(w, L, N, whole); w += S) {
      const int64_t end = std::min(w + L, N);
      int64_t first = w;
      if (w > 0) first = rule == "S1" ? std::max(end - S, w) : w + L - S;
      windows.add(w, end - w, first, end - first);
    }
  }

 private:
  [[nodiscard]] bool goes_on(int64_t w, int64_t L, int64_t N, int64_t whole) const {
    if (rule == "S1") return N - w >= stride;
    if (rule == "S2-count") return w / stride < whole;
    return w + L - stride < N;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(SlidingWindow)
