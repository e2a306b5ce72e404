// Quantizer: a tensor to codes and side data, and back. A decorator corrects what another quantizer made.
#pragma once

#include <caddie/object.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace caddie {

struct TensorInfo {
  std::string name;
  std::string role;
  int layer = -1;  // -1 outside the layers
  std::vector<int64_t> shape;

  explicit TensorInfo(const caddie_tensor_info& info)
      : name(info.name), role(info.role), layer(info.layer), shape(info.lengths, info.lengths + info.rank) {}
  [[nodiscard]] int64_t elements() const {
    int64_t product = 1;
    for (const int64_t length : shape) product *= length;
    return product;
  }
  // A matrix view: the first axis as rows, the rest as columns; a vector or scalar is one row.
  [[nodiscard]] int64_t rows() const { return shape.size() < 2 ? 1 : shape[0]; }
  [[nodiscard]] int64_t columns() const { return rows() == 0 ? 0 : elements() / rows(); }
};

// The named byte arrays a tensor is stored as. Parts of one name become one stream of the artifact.
class PartsWriter {
 public:
  PartsWriter(const caddie_host_parts* table, caddie_parts* parts) : table_(table), parts_(parts) {}
  template <class T>
  void put(const char* name, const std::vector<T>& values) {
    if (table_->put(parts_, name, values.data(), values.size() * sizeof(T)) != CADDIE_OK) {
      throw Failure(std::string("the part \"") + name + "\" could not be stored");
    }
  }

 private:
  const caddie_host_parts* table_;
  caddie_parts* parts_;
};

class PartsReader {
 public:
  PartsReader(const caddie_host_parts* table, const caddie_parts* parts) : table_(table), parts_(parts) {}
  // Exactly count values; throws when the part is missing or of another size: parts come from files.
  template <class T>
  [[nodiscard]] std::vector<T> get(const char* name, int64_t count) const {
    const caddie_str part = table_->get(parts_, name);
    const uint64_t wanted = static_cast<uint64_t>(count) * sizeof(T);
    if (part.data == nullptr || part.size != wanted) {
      throw Failure(std::string("the part \"") + name + "\" has " + std::to_string(part.data == nullptr ? 0 : part.size) +
                    " bytes, " + std::to_string(wanted) + " were expected");
    }
    std::vector<T> values(static_cast<std::size_t>(count));
    if (count > 0) std::memcpy(values.data(), part.data, static_cast<std::size_t>(wanted));
    return values;
  }
  [[nodiscard]] bool has(const char* name) const { return table_->get(parts_, name).data != nullptr; }

 private:
  const caddie_host_parts* table_;
  const caddie_parts* parts_;
};

struct QuantizeInput {
  std::span<const float> weights;  // row-major
  std::span<const float> decoded;  // decorators: what the quantizer below makes of the weights; else empty
  std::span<const float> moments;  // [n, n] sum of x x^T over the inputs, or empty
};

class Quantizer : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_QUANTIZER;

  virtual void encode(const TensorInfo& tensor, const QuantizeInput& input, PartsWriter& parts) const = 0;
  // Writes every element of out.
  virtual void decode(const TensorInfo& tensor, const PartsReader& parts, std::span<float> out) const = 0;

  static const void* table() {
    static const caddie_quantizer quantizer = {sizeof(caddie_quantizer), 0, encode_call, decode_call, nullptr};
    return &quantizer;
  }

 protected:
  static caddie_code encode_call(caddie_object* object, const caddie_tensor_info* info, const caddie_quantize_input* input,
                                 const caddie_host_parts* table, caddie_parts* parts, caddie_error* error) {
    return detail::guarded(error, [&] {
      const TensorInfo tensor(*info);
      const auto elements = static_cast<std::size_t>(tensor.elements());
      QuantizeInput view;
      view.weights = {input->weights, elements};
      if (input->decoded != nullptr) view.decoded = {input->decoded, elements};
      if (input->moments != nullptr) view.moments = {input->moments, static_cast<std::size_t>(input->moments_size * input->moments_size)};
      PartsWriter writer(table, parts);
      detail::self<Quantizer>(object).encode(tensor, view, writer);
    });
  }
  static caddie_code decode_call(caddie_object* object, const caddie_tensor_info* info, const caddie_host_parts* table,
                                 const caddie_parts* parts, float* out, caddie_error* error) {
    return detail::guarded(error, [&] {
      const TensorInfo tensor(*info);
      detail::self<Quantizer>(object).decode(tensor, PartsReader(table, parts),
                                             {out, static_cast<std::size_t>(tensor.elements())});
    });
  }
};

// A quantizer on top of another: encode sees input.decoded, decode adds to what is already in out.
class QuantizerDecorator : public Quantizer {
 public:
  // Which tensors to correct; error_norms[i] is ||W - decoded||_F. Returns one flag for each tensor.
  [[nodiscard]] virtual std::vector<bool> choose(const std::vector<TensorInfo>& tensors, std::span<const double> error_norms) const = 0;

  static const void* table() {
    static const caddie_quantizer quantizer = {
        sizeof(caddie_quantizer), 1, encode_call, decode_call,
        [](caddie_object* object, uint32_t count, const caddie_tensor_info* infos, const double* error_norms, uint8_t* chosen,
           caddie_error* error) {
          return detail::guarded(error, [&] {
            std::vector<TensorInfo> tensors;
            tensors.reserve(count);
            for (uint32_t i = 0; i < count; ++i) tensors.emplace_back(infos[i]);
            const std::vector<bool> flags = detail::self<QuantizerDecorator>(object).choose(tensors, {error_norms, count});
            for (uint32_t i = 0; i < count; ++i) chosen[i] = flags.at(i) ? 1 : 0;
          });
        }};
    return &quantizer;
  }
};

// IEEE half precision, rounded to nearest even; what scales are stored in.
uint16_t to_half(float value);
float from_half(uint16_t half);

inline float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1Fu;
  const uint32_t mantissa = half & 0x3FFu;
  float magnitude = 0;
  if (exponent == 0) {
    magnitude = static_cast<float>(mantissa) * 0x1.0p-24f;
  } else if (exponent == 31) {
    const uint32_t bits = 0x7F800000u | (mantissa << 13);
    std::memcpy(&magnitude, &bits, sizeof bits);
  } else {
    const uint32_t bits = ((exponent + 112u) << 23) | (mantissa << 13);
    std::memcpy(&magnitude, &bits, sizeof bits);
  }
  uint32_t bits = 0;
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits |= sign;
  float value = 0;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

inline uint16_t to_half(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);  // not a number
  if (magnitude >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);  // rounds beyond 65504
  if (magnitude < 0x38800000u) {                                              // subnormal: multiples of 2^-24
    float small = 0;
    std::memcpy(&small, &magnitude, sizeof small);
    const float shifted = small + 0.5f;  // adding 0.5 leaves the multiple in the low bits, rounded to nearest even
    uint32_t rounded = 0;
    std::memcpy(&rounded, &shifted, sizeof rounded);
    return static_cast<uint16_t>(sign | (rounded - 0x3F000000u));
  }
  const uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace caddie
