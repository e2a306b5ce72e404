// NF4: four bits a weight, levels at the quantiles of a normal distribution (Dettmers et al. 2023, "QLoRA",
// arXiv:2305.14314).
//
//   s = max |w| of a block of weights,   code = the level nearest to w / s,   w ~ level[code] s
//
// Levels are those of the paper's appendix E; scales are half precision; codes are made for the scale as it is stored.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace {

using namespace caddie;

constexpr std::array<float, 16> kLevels = {
    -1.0f,                -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f,  0.7229568362236023f,  1.0f};

struct Nf4 : Quantizer {
  static constexpr Identity identity{.id = "nf4",
                                     .summary = "four bits a weight, levels at the quantiles of a normal distribution",
                                     .citation = "Dettmers et al. 2023, arXiv:2305.14314"};

  Integer block{this, "block", 64, "weights that share a scale", range(1, 65536)};

  void encode(const TensorInfo&, const QuantizeInput& input, PartsWriter& parts) const override {
    const auto size = static_cast<std::size_t>(block.value());
    std::vector<uint8_t> codes((input.weights.size() + 1) / 2);  // two in a byte, the first one low
    std::vector<uint16_t> scales;
    for (std::size_t i = 0; i < input.weights.size(); ++i) {
      if (i % size == 0) scales.push_back(scale_of(input.weights.subspan(i, std::min(size, input.weights.size() - i))));
      const unsigned code = nearest(input.weights[i], from_half(scales.back()));
      codes[i / 2] = static_cast<uint8_t>(codes[i / 2] | (code << (i % 2 * 4)));
    }
    parts.put("codes", codes);
    parts.put("scales", scales);
  }

  void decode(const TensorInfo& tensor, const PartsReader& parts, std::span<float> out) const override {
    const auto codes = parts.get<uint8_t>("codes", (tensor.elements() + 1) / 2);
    const auto scales = parts.get<uint16_t>("scales", (tensor.elements() + block - 1) / block);
    const auto size = static_cast<std::size_t>(block.value());
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = kLevels[(codes[i / 2] >> (i % 2 * 4)) & 15u] * from_half(scales[i / size]);
  }

 private:
  static uint16_t scale_of(std::span<const float> weights) {
    float largest = 0;
    for (const float w : weights) largest = std::max(largest, std::fabs(w));
    return std::min<uint16_t>(to_half(largest), 0x7BFFu);  // the largest finite half
  }
  static unsigned nearest(float w, float scale) {
    const float x = scale > 0 ? w / scale : 0;
    const auto closer = [x](float a, float b) { return std::fabs(a - x) < std::fabs(b - x); };
    return static_cast<unsigned>(std::min_element(kLevels.begin(), kLevels.end(), closer) - kLevels.begin());
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Nf4)
