// Integers by row: each row of a matrix gets one scale, each weight one signed code. Round to nearest, no calibration.
//
//   c_i = max_j |W_ij|, or a quantile of |W_i|      s_i = max(c_i / R, floor)      q_ij = clamp(rnd(W_ij / s_i))
//   W^_ij = s_i q_ij      R = 2^(bits-1) - 1, rnd to the nearest even
//
// openai/parameter-golf: int8 rows of the root train_gpt.py; int6 rows of PR #162, #180, #287, #388.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

constexpr float kSmallestHalf = 0x1p-24f;  // the smallest scale above zero that half precision can hold

// Quantile of |row| at p, linear between order statistics at position p * (n - 1). Reorders `magnitudes`.
float quantile(std::vector<float>& magnitudes, double p) {
  const double position = p * static_cast<double>(magnitudes.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(position);
  const auto nth = magnitudes.begin() + below;
  std::nth_element(magnitudes.begin(), nth, magnitudes.end());
  if (nth + 1 == magnitudes.end()) return *nth;
  const double low = *nth;
  const double high = *std::min_element(nth + 1, magnitudes.end());
  return static_cast<float>(low + (high - low) * (position - static_cast<double>(below)));
}

struct IntRow : Quantizer {
  static constexpr Identity identity{.id = "int-row",
                                     .summary = "round to nearest integers with one scale a row",
                                     .citation = "openai/parameter-golf train_gpt.py, PR #162, #388"};

  Integer bits{this, "bits", 8, "width of a code; codes are stored one a byte", range(2, 8)};
  Text clip{this, "clip", "absmax", "what the largest code stands for", {"absmax", "percentile"}};
  Number percentile{this, "percentile", 0.9999984, "the quantile of |row| that clip = percentile takes", range(0.5, 1)};
  Text code_range{this, "range", "sym", "sym: [-R, R]; asym: [-R-1, R]", {"sym", "asym"}};
  Text floor{this, "floor", "1/R", "smallest scale: one over the largest code, or none", {"1/R", "none"}};
  Text scope{this, "scope", "row", "what shares a scale", {"row", "tensor"}};
  Text scale_type{this, "scale", "fp16", "how scales are stored", {"fp16", "fp32"}};
  Flag as_published{this, "as_published", false,
                    "codes from the scale before it is rounded for storing, as the int8 baseline does"};

  [[nodiscard]] int64_t largest() const { return (int64_t{1} << (bits - 1)) - 1; }
  [[nodiscard]] bool whole() const { return scope == "tensor"; }
  [[nodiscard]] bool half() const { return scale_type == "fp16"; }

  void configure() override {
    if (bits < 2 || bits > 8) throw Failure("bits must be 2 to 8");
    if (!(percentile >= 0 && percentile <= 1)) throw Failure("percentile must be 0.5 to 1");
  }

  // One scale for each row, or one for all.
  [[nodiscard]] int64_t scales_of(const TensorInfo& tensor) const { return whole() ? 1 : tensor.rows(); }

  [[nodiscard]] float clip_of(std::span<const float> row) const {
    std::vector<float> magnitudes(row.size());
    std::transform(row.begin(), row.end(), magnitudes.begin(), [](float w) { return std::abs(w); });
    if (clip == "percentile") return quantile(magnitudes, percentile);
    return *std::max_element(magnitudes.begin(), magnitudes.end());
  }

  // The scale before storing.
  [[nodiscard]] float scale_for(float clipped) const {
    const auto R = static_cast<float>(largest());
    return std::max(clipped / R, floor == "1/R" ? 1.0f / R : kSmallestHalf);
  }

  // The scale that the reader will see.
  [[nodiscard]] float stored(float scale) const {
    if (!half()) return scale;
    const float rounded = from_half(to_half(scale));
    if (!std::isfinite(rounded))
      throw Failure("a row is too large for a scale in half precision; set scale to \"fp32\"");
    return rounded;
  }

  void encode_row(std::span<const float> row, float clipped, float scale, int8_t* codes) const {
    const auto high = static_cast<float>(largest());
    const float low = code_range == "asym" ? -high - 1 : -high;
    const float divisor = as_published ? scale : stored(scale);
    for (std::size_t j = 0; j < row.size(); ++j) {
      const float weight = as_published ? std::clamp(row[j], -clipped, clipped) : row[j];
      codes[j] = static_cast<int8_t>(std::clamp(std::nearbyint(weight / divisor), low, high));
    }
  }

  void encode(const TensorInfo& tensor, const QuantizeInput& input, PartsWriter& parts) const override {
    const auto rows = static_cast<std::size_t>(scales_of(tensor));
    const std::size_t columns = input.weights.size() / rows;
    std::vector<int8_t> codes(input.weights.size());
    std::vector<float> scales(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const auto row = input.weights.subspan(i * columns, columns);
      const float clipped = clip_of(row);
      const float scale = scale_for(clipped);
      encode_row(row, clipped, scale, codes.data() + i * columns);
      scales[i] = stored(scale);
    }
    parts.put("codes", codes);
    put_scales(parts, scales);
  }

  void put_scales(PartsWriter& parts, const std::vector<float>& scales) const {
    if (!half()) return parts.put("scales", scales);
    std::vector<uint16_t> halves(scales.size());
    std::transform(scales.begin(), scales.end(), halves.begin(), to_half);
    parts.put("scales", halves);
  }

  [[nodiscard]] std::vector<float> get_scales(const PartsReader& parts, int64_t count) const {
    if (!half()) return parts.get<float>("scales", count);
    const std::vector<uint16_t> halves = parts.get<uint16_t>("scales", count);
    std::vector<float> scales(halves.size());
    std::transform(halves.begin(), halves.end(), scales.begin(), from_half);
    return scales;
  }

  void decode(const TensorInfo& tensor, const PartsReader& parts, std::span<float> out) const override {
    const std::vector<int8_t> codes = parts.get<int8_t>("codes", tensor.elements());
    const std::vector<float> scales = get_scales(parts, scales_of(tensor));
    const std::size_t columns = codes.size() / scales.size();
    for (std::size_t i = 0; i < codes.size(); ++i) out[i] = static_cast<float>(codes[i]) * scales[i / columns];
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(IntRow)
