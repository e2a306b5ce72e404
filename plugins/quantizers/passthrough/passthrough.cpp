// Values as they are: half or single precision, for tensors too small or too precious to quantize.
//
// openai/parameter-golf keeps everything up to 65,536 elements in half precision; the baseline its control tensors in
// single.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct Passthrough : Quantizer {
  static constexpr Identity identity{.id = "passthrough",
                                     .summary = "values as they are, in half or single precision",
                                     .citation = "openai/parameter-golf train_gpt.py"};

  Text type{this, "type", "fp16", "how values are stored", {"fp16", "fp32"}};

  void encode(const TensorInfo&, const QuantizeInput& input, PartsWriter& parts) const override {
    if (type == "fp32") return parts.put("values", std::vector<float>(input.weights.begin(), input.weights.end()));
    std::vector<uint16_t> halves(input.weights.size());
    std::transform(input.weights.begin(), input.weights.end(), halves.begin(), to_half);
    const auto overflow =
        std::find_if(halves.begin(), halves.end(), [](uint16_t half) { return (half & 0x7C00u) == 0x7C00u; });
    if (overflow != halves.end()) {
      const auto at = static_cast<std::size_t>(overflow - halves.begin());
      throw Failure("value " + std::to_string(at) + " is " + std::to_string(input.weights[at]) +
                    ", beyond half precision; set type to \"fp32\"");
    }
    parts.put("values", halves);
  }

  void decode(const TensorInfo& tensor, const PartsReader& parts, std::span<float> out) const override {
    if (type == "fp32") {
      const std::vector<float> values = parts.get<float>("values", tensor.elements());
      std::copy(values.begin(), values.end(), out.begin());
      return;
    }
    const std::vector<uint16_t> halves = parts.get<uint16_t>("values", tensor.elements());
    std::transform(halves.begin(), halves.end(), out.begin(), from_half);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Passthrough)
