// Flat evaluation: windows end to end, every target scored once, with half the context on average
// (openai/parameter-golf, train_gpt.py).
//
//   window q has inputs [q L, q L + L) and scores all its targets; what is left at the end is a shorter window, or is
//   left out as published
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct FlatEval : Evaluator {
  static constexpr Identity identity{.id = "flat-eval",
                                     .summary = "windows end to end, every target scored once",
                                     .citation = "openai/parameter-golf, train_gpt.py",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Integer length{this, "length", 0, "tokens of a window; 0: the model's context", at_least(0)};
  Text tail{this, "tail", "full", "the targets after the last whole window: scored in a shorter one, or left out",
            {"full", "truncate"}};

  void plan(const EvalInfo& info, Windows& windows) const override {
    const int64_t L = length > 0 ? length.value() : info.context;
    for (int64_t first = 0; first < info.targets; first += L) {
      const int64_t count = std::min(L, info.targets - first);
      if (count < L && tail == "truncate") break;
      windows.add(first, count, first, count);
    }
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(FlatEval)
