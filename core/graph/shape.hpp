// Element types and shapes of tensors. Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace caddie::graph {

// The numbers are those of the plugin ABI (caddie_dtype) and never change.
enum class DType : std::int32_t { f32 = 1, i32 = 7 };

const char* to_string(DType type);

// Lengths of up to eight axes; rank 0 is a scalar. Row-major everywhere.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> lengths) : Shape(std::span(lengths.begin(), lengths.size())) {}
  // Lengths beyond eight are dropped; callers check rank first.
  explicit Shape(std::span<const std::int64_t> lengths);

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] std::int64_t operator[](int axis) const { return lengths_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] std::int64_t& operator[](int axis) { return lengths_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] std::span<const std::int64_t> lengths() const {
    return {lengths_.data(), static_cast<std::size_t>(rank_)};
  }
  // Product of the lengths; 1 for a scalar.
  [[nodiscard]] std::int64_t elements() const;
  // "[8, 512, 256]".
  [[nodiscard]] std::string text() const;
  void append(std::int64_t length);

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> lengths_{};
  int rank_ = 0;
};

// What two shapes broadcast to as in NumPy, and whether they do.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape& result);

}  // namespace caddie::graph
