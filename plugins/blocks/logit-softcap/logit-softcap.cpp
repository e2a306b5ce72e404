// Logit softcap: logits run smoothly into a bound instead of growing for ever (Gemma Team 2024, arXiv:2408.00118).
//
//   z = cap * tanh(u / cap),   dz/du = 1 - (z / cap)^2
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct LogitSoftcap : Block {
  static constexpr Identity identity{.id = "logit-softcap",
                                     .summary = "cap * tanh(u / cap) on the logits",
                                     .citation = "Gemma Team 2024, arXiv:2408.00118"};

  Number cap{this, "cap", 30.0, "no logit is larger", range(0.01, 1e6)};

  void attach(Hooks& hooks) override { hooks.chain("logits", &LogitSoftcap::bound); }

  Value bound(Graph& g, Value logits) const { return cap * g.tanh(logits / cap); }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(LogitSoftcap)
