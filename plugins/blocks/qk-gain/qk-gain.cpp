// QK norm with a learned gain: queries and keys of unit size in every head, so that attention's logits are bounded, and
// one number a head that says how sharp it may look (Henry et al. 2020, arXiv:2010.04245; Dehghani et al. 2023,
// arXiv:2302.05442).
//
//   q <- rms(q)   k <- rms(k)      over the channels of a head, before rotary embeddings (phase -10)
//   q_h <- gain_h * q_h            after them (phase 10)
#include <caddie/plugin.hpp>

#include <array>

namespace {

using namespace caddie;

struct QkGain : Block {
  static constexpr Identity identity{
      .id = "qk-gain",
      .summary = "queries and keys normalised in every head, and a learned gain a head",
      .citation = "Henry et al. 2020, arXiv:2010.04245; Dehghani et al. 2023, arXiv:2302.05442"};

  Number gain_init{this, "gain_init", 1.5, "gain of every head at the start", range(0, 1000)};
  Number eps{this, "eps", 0x1p-23, "added to the mean square", range(0, 1)};

  void attach(Hooks& hooks) override {
    hooks.chain("attn.qk", &QkGain::normalise, -10);
    hooks.chain("attn.qk", &QkGain::apply_gain, 10);
  }

  std::array<Value, 2> normalise(Graph& g, Value q, Value k) const {  // q [B, T, H, P], k [B, T, K, P]
    return {g.rms_norm(q, eps), g.rms_norm(k, eps)};
  }

  std::array<Value, 2> apply_gain(Graph& g, Value q, Value k) const {
    const int64_t H = q.dim(2);
    const Value gain = g.parameter("gain", "scalar", {H}, Init::constant(gain_init));
    return {q * gain.reshape({H, 1}), k};
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(QkGain)
