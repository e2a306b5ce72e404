// What the kernel tests share: seeded data, plain float64 comparison, every instruction set in turn, thread counts.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <vector>

#include "core/cpu/kernels/factors.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/isa.hpp"
#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu::testing {

// Runs a test body under one instruction set and restores the former one.
class ForceIsa {
 public:
  explicit ForceIsa(Isa isa) : former_(active_isa()) { EXPECT_TRUE(set_active_isa(isa)); }
  ~ForceIsa() { set_active_isa(former_); }
  ForceIsa(const ForceIsa&) = delete;
  ForceIsa& operator=(const ForceIsa&) = delete;

 private:
  Isa former_;
};

inline std::vector<float> normals(std::int64_t count, unsigned seed, float scale = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

// To the nearest bfloat16, ties to even; for normal numbers.
inline float to_bf16(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Bits of bfloat16 numbers.
inline std::vector<std::uint16_t> narrowed(const std::vector<float>& values) {
  std::vector<std::uint16_t> halves;
  for (const float value : values) {
    const float rounded = to_bf16(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &rounded, sizeof bits);
    halves.push_back(static_cast<std::uint16_t>(bits >> 16));
  }
  return halves;
}
inline std::vector<float> widened(const std::vector<std::uint16_t>& halves) {
  std::vector<float> values;
  for (const std::uint16_t half : halves) {
    const std::uint32_t bits = std::uint32_t{half} << 16;
    values.push_back(0);
    std::memcpy(&values.back(), &bits, sizeof bits);
  }
  return values;
}

// What the kernels make of a factor.
inline float as_factor(float x, Factors factors) { return takes_narrow(factors) ? to_bf16(x) : x; }

// Norm of the difference over that of what is wanted.
inline double distance(const std::vector<float>& got, const std::vector<double>& want) {
  double difference = 0;
  double norm = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return std::sqrt(difference / (norm > 0 ? norm : 1));
}

// 64-byte aligned bytes, with a guard behind them that must stay untouched.
class Workspace {
 public:
  explicit Workspace(std::size_t bytes)
      : bytes_(bytes), memory_(static_cast<unsigned char*>(::operator new (bytes + kGuard, std::align_val_t{64}))) {
    std::memset(memory_, 0xff, bytes_ + kGuard);  // NaN everywhere: reading what was not written shows
  }
  ~Workspace() {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (memory_[bytes_ + i] != 0xff) {
        ADD_FAILURE() << "a kernel wrote behind its workspace of " << bytes_ << " bytes";
        break;
      }
    }
    ::operator delete(memory_, std::align_val_t{64});
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* get() { return memory_; }
  float* floats() { return reinterpret_cast<float*>(memory_); }

 private:
  static constexpr std::size_t kGuard = 256;
  std::size_t bytes_;
  unsigned char* memory_;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// |got - want| <= absolute + relative * |want|, element by element; reports the worst.
inline void expect_close(const std::vector<float>& got, const std::vector<double>& want, double absolute,
                         double relative, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double excess = std::abs(static_cast<double>(got[i]) - want[i]) / (absolute + relative * std::abs(want[i]));
    if (!(excess <= worst)) {
      worst = excess;
      where = i;
    }
    if (std::isnan(excess)) break;
  }
  EXPECT_LE(worst, 1.0) << what << ": element " << where << " is " << got[where] << ", expected " << want[where];
}

class EachIsa : public ::testing::TestWithParam<Isa> {
 protected:
  ForceIsa force_{GetParam()};
};

inline std::string isa_name(const ::testing::TestParamInfo<Isa>& info) { return name(info.param); }

}  // namespace caddie::cpu::testing

#define INSTANTIATE_EACH_ISA(Suite)                                                          \
  INSTANTIATE_TEST_SUITE_P(Isa, Suite, ::testing::ValuesIn(::caddie::cpu::available_isas()), \
                           ::caddie::cpu::testing::isa_name)
