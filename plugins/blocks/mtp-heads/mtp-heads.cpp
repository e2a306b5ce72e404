// Multi-token prediction: further heads foretell the tokens behind the next one, so that the stream learns to plan
// ahead (Gloeckle et al. 2024, arXiv:2404.19737; here in the plain form of openai/parameter-golf PR #388, where it is
// off).
//
//   loss <- loss + weight * mean over k of CE_k,   k = 1 .. heads
//   CE_k = mean over t < T - k of -log softmax(bound(x_t W_k^T))[target_{t+k}],   W_k [V, D] = 0
//
// x is the stream behind the final norm; target_t is the token after t, so head k looks k tokens further. bound is what
// the model does to its own logits (the hook "logits"), and the loss of a token is the model's own ("loss.token"). The
// heads exist in training only. While a W_k is zero it gives nothing below it a gradient: it moves in the first step.
#include <caddie/plugin.hpp>

#include <string>

namespace {

using namespace caddie;

struct MtpHeads : Block {
  static constexpr Identity identity{.id = "mtp-heads",
                                     .summary = "further heads foretell later tokens while training",
                                     .citation = "Gloeckle et al. 2024, arXiv:2404.19737"};

  Integer heads{this, "heads", 1, "heads beside the model's own; head k looks k tokens further", range(1, 64)};
  Number weight{this, "weight", 0.2, "weight of the heads' mean loss", range(0, 1000)};

  void attach(Hooks& hooks) override {
    hooks.chain("stream.out", &MtpHeads::keep, 1000);  // behind all that still changes the stream
    hooks.chain("loss.term", &MtpHeads::add);
  }

  Value keep(Graph& g, Value x) const {
    if (g.training()) g.set_wire("mtp-heads.stream", x);
    return x;
  }

  Value add(Graph& g, Value loss) const {  // a scalar
    if (!g.training()) return loss;
    const Value stream = g.wire("mtp-heads.stream");
    if (heads >= stream.dim(1)) {
      throw Failure("\"heads\" is " + std::to_string(heads.value()) + ", but rows have only " +
                    std::to_string(stream.dim(1)) + " tokens: no position is left for the last head");
    }
    const Value x = g.hook("norm", {stream}, "head");
    Value total = head_loss(g, x, 1);
    for (int64_t k = 2; k <= heads; ++k) total = total + head_loss(g, x, k);
    return loss + total * (weight / static_cast<double>(heads));
  }

 private:
  [[nodiscard]] static Value head_loss(Graph& g, Value x, int64_t k) {  // x [B, T, D] -> a scalar
    const int64_t T = x.dim(1);
    const Value seen = x.slice(1, 0, T - k);
    const Value targets = g.wire("targets").slice(1, k, T);
    const std::string name = "head." + std::to_string(k) + ".weight";
    const Value raw = g.linear(seen, name.c_str(), g.info().vocab, Init::zeros(), "head", Scope::model);
    const Value logits = g.hook("logits", {raw});
    const auto [nll, lse, entropy] = g.hook<3>("loss.token", {logits, targets});
    return g.mean(nll);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(MtpHeads)
