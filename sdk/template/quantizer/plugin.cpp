// @ID@: whole numbers of 8 bits with one scale a row (absmax, round to nearest: Jacob et al. 2018, arXiv:1712.05877).
//
//   s_r = max |w_r| / limit,   code = round(w / s_r) in [-limit, limit],   w ~ code s_r
//
// Scales are half precision; codes are made for the scale as it is stored.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct @CLASS@ : Quantizer {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "8-bit whole numbers with one scale a row",
                                     .citation = "Jacob et al. 2018, arXiv:1712.05877"};

  Integer limit{this, "limit", 127, "largest code; fewer codes compress better", range(1, 127)};

  void encode(const TensorInfo& tensor, const QuantizeInput& input, PartsWriter& parts) const override {
    const auto columns = static_cast<std::size_t>(tensor.columns());
    std::vector<int8_t> codes;
    std::vector<uint16_t> scales;
    for (std::size_t begin = 0; begin < input.weights.size(); begin += columns) {
      const auto row = input.weights.subspan(begin, columns);
      float largest = 0;
      for (const float w : row) largest = std::max(largest, std::fabs(w));
      scales.push_back(std::min<uint16_t>(to_half(largest / static_cast<float>(limit)), 0x7BFFu));
      const float scale = from_half(scales.back());
      for (const float w : row) codes.push_back(code_of(w, scale));
    }
    parts.put("codes", codes);
    parts.put("scales", scales);
  }

  // Parts come from a file: get() refuses every size but the right one.
  void decode(const TensorInfo& tensor, const PartsReader& parts, std::span<float> out) const override {
    const auto codes = parts.get<int8_t>("codes", tensor.elements());
    const auto scales = parts.get<uint16_t>("scales", tensor.rows());
    const auto columns = static_cast<std::size_t>(tensor.columns());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = codes[i] * from_half(scales[i / columns]);
  }

 private:
  [[nodiscard]] int8_t code_of(float w, float scale) const {
    if (scale == 0) return 0;
    const auto most = static_cast<float>(limit);
    return static_cast<int8_t>(std::clamp(std::nearbyint(w / scale), -most, most));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
