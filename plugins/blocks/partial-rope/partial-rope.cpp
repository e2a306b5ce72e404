// Rotary embeddings on the first channels of every head (Su et al. 2021, arXiv:2104.09864; on a part of the channels:
// Black et al. 2022, arXiv:2204.06745).
//
//   theta_j = base^(-2j/R),  j = 0 .. R/2-1
//   (x_j, x_{j+R/2}) turns clockwise by position * theta_j; channels from R on pass unchanged
//
// Texts longer than train_len may slow the turning down: "ntk" enlarges the base to base * (T/train_len)^(R/(R-2)),
// "ramp" divides the slow frequencies alone by up to T/train_len (Peng et al. 2023, arXiv:2309.00071, without its
// temperature).
#include <caddie/plugin.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

namespace {

using namespace caddie;

double nearest_bf16(double x) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(x));
  return std::bit_cast<float>((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
}

struct PartialRope : Block {
  static constexpr Identity identity{.id = "partial-rope",
                                     .summary = "rotary position embeddings on the first channels of every head",
                                     .citation = "Su et al. 2021, arXiv:2104.09864"};

  Integer dims{this, "dims", 16, "channels of a head that turn, an even number; 0: all", range(0, 65536)};
  Number base{this, "base", 10000, "the slowest pair turns base times slower than the fastest", range(1, 1e12)};
  Text freq_rounding{this,
                     "freq_rounding",
                     "none",
                     "round the frequencies to bfloat16, as models cast as a whole do",
                     {"none", "bf16"}};
  Text scaling{this,
               "scaling",
               "none",
               "what happens to the frequencies in contexts longer than train_len",
               {"none", "ntk", "ramp"}};
  Integer train_len{this, "train_len", 1024, "context from which scaling begins", at_least(1)};

  void attach(Hooks& hooks) override { hooks.chain("attn.qk", &PartialRope::turn); }

  std::array<Value, 2> turn(Graph& g, Value q, Value k) const {  // q [B, T, H, P], k [B, T, K, P]
    const int64_t T = q.dim(1);
    const int64_t R = turning(q.dim(3));
    std::vector<double> cosines;
    std::vector<double> sines;
    const std::vector<double> theta = frequencies(R, T);
    g.note("base", used_base(R, T));
    for (int64_t t = 0; t < T; ++t) {
      for (const double frequency : theta) {
        cosines.push_back(std::cos(static_cast<double>(t) * frequency));
        sines.push_back(std::sin(static_cast<double>(t) * frequency));
      }
    }
    const Value cos = g.constant(cosines, {T, R / 2});
    const Value sin = g.constant(sines, {T, R / 2});
    return {g.rope(q, cos, sin), g.rope(k, cos, sin)};
  }

 private:
  [[nodiscard]] int64_t turning(int64_t head_dim) const {
    const int64_t R = dims == 0 ? head_dim : dims.value();
    if (R > head_dim || R % 2 != 0) {
      throw Failure("\"dims\" is " + std::to_string(R) + ": it must be even and at most the head's " +
                    std::to_string(head_dim) + " channels");
    }
    if (R == 2 && scaling == "ntk") throw Failure("\"scaling\": \"ntk\" needs \"dims\" of 4 or more");
    return R;
  }

  [[nodiscard]] double stretch(int64_t T) const {
    return std::max(1.0, static_cast<double>(T) / static_cast<double>(train_len.value()));
  }

  [[nodiscard]] double used_base(int64_t R, int64_t T) const {
    const auto channels = static_cast<double>(R);
    return scaling == "ntk" ? base * std::pow(stretch(T), channels / (channels - 2)) : base.value();
  }

  [[nodiscard]] std::vector<double> frequencies(int64_t R, int64_t T) const {
    const auto channels = static_cast<double>(R);
    std::vector<double> theta;
    for (int64_t j = 0; j < R / 2; ++j) {
      const double place = 2 * static_cast<double>(j) / channels;
      double frequency = std::pow(used_base(R, T), -place);
      if (scaling == "ramp") frequency /= 1 + std::clamp((place - 0.25) / 0.75, 0.0, 1.0) * (stretch(T) - 1);
      theta.push_back(freq_rounding == "bf16" ? nearest_bf16(frequency) : frequency);
    }
    return theta;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(PartialRope)
