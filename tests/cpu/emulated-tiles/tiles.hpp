// The tile unit (AMX) in plain code, for processors that have none: included before all else, it takes the place of the
// compiler's intrinsics, so that what core/cpu/kernels/amx computes can be tested there. After Intel's "Intel
// Architecture Instruction Set Extensions Programming Reference", chapter 3; each thread has eight tiles, which hold
// whatever (here: NaN and large digits) until they are loaded or cleared, and are gone after a release.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace caddie::cpu::emulated {

struct Tile {
  alignas(64) unsigned char row[16][64];
};

struct Tiles {
  Tile tile[8];
  bool configured = false;
};

inline Tiles& tiles() {
  static thread_local Tiles unit;
  return unit;
}

inline Tile& tile(int index) {
  if (!tiles().configured) std::abort();  // the processor would raise an exception
  return tiles().tile[index];
}

// Only whole tiles are used: 16 rows of 64 bytes.
inline void configure(const void* configuration) {
  const auto* bytes = static_cast<const unsigned char*>(configuration);
  if (bytes[0] != 1) std::abort();
  for (int i = 0; i < 8; ++i) {
    std::uint16_t row_bytes = 0;
    std::memcpy(&row_bytes, bytes + 16 + 2 * i, sizeof row_bytes);
    if (row_bytes != 64 || bytes[48 + i] != 16) std::abort();
  }
  tiles().configured = true;
  std::memset(tiles().tile, 0xff, sizeof tiles().tile);
}
inline void release() { tiles().configured = false; }

inline void clear(int to) { std::memset(tile(to).row, 0, sizeof tile(to).row); }
inline void load(int to, const void* from, std::int64_t stride) {
  for (int i = 0; i < 16; ++i) std::memcpy(tile(to).row[i], static_cast<const char*>(from) + i * stride, 64);
}
inline void store(int from, void* to, std::int64_t stride) {
  for (int i = 0; i < 16; ++i) std::memcpy(static_cast<char*>(to) + i * stride, tile(from).row[i], 64);
}

// to[i][j] += sum over k, l < 4 of a[i][4 k + l] b[k][4 j + l], of signed bytes, modulo 2^32.
inline void add_products_of_bytes(int to, int a, int b) {
  Tile& sums = tile(to);
  for (int i = 0; i < 16; ++i) {
    std::uint32_t row[16];
    std::memcpy(row, sums.row[i], sizeof row);
    for (int k = 0; k < 16; ++k) {
      const auto* left = reinterpret_cast<const signed char*>(tile(a).row[i]) + 4 * k;
      const auto* right = reinterpret_cast<const signed char*>(tile(b).row[k]);
      for (int j = 0; j < 16; ++j) {
        for (int l = 0; l < 4; ++l) row[j] += static_cast<std::uint32_t>(left[l] * right[4 * j + l]);
      }
    }
    std::memcpy(sums.row[i], row, sizeof row);
  }
}

// The bfloat16 number at p, and 0 for denormals.
inline float bf16_at(const unsigned char* p) {
  std::uint32_t bits = static_cast<std::uint32_t>(p[0]) << 16 | static_cast<std::uint32_t>(p[1]) << 24;
  if ((bits & 0x7f800000U) == 0) bits &= 0x80000000U;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// to[i][j] += (sum over k of a[i][2 k] b[k][2 j]) + (that of a[i][2 k + 1] b[k][2 j + 1]), fused, of bfloat16.
inline void add_products_of_bf16(int to, int a, int b) {
  Tile& sums = tile(to);
  for (int i = 0; i < 16; ++i) {
    float row[16], even[16] = {}, odd[16] = {};
    std::memcpy(row, sums.row[i], sizeof row);
    for (int k = 0; k < 16; ++k) {
      const float first = bf16_at(tile(a).row[i] + 4 * k), second = bf16_at(tile(a).row[i] + 4 * k + 2);
      for (int j = 0; j < 16; ++j) {
        even[j] = __builtin_fmaf(first, bf16_at(tile(b).row[k] + 4 * j), even[j]);
        odd[j] = __builtin_fmaf(second, bf16_at(tile(b).row[k] + 4 * j + 2), odd[j]);
      }
    }
    for (int j = 0; j < 16; ++j) row[j] += even[j] + odd[j];
    std::memcpy(sums.row[i], row, sizeof row);
  }
}

}  // namespace caddie::cpu::emulated

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#undef _tile_dpbf16ps
#define _tile_loadconfig(configuration) ::caddie::cpu::emulated::configure(configuration)
#define _tile_release() ::caddie::cpu::emulated::release()
#define _tile_zero(to) ::caddie::cpu::emulated::clear(to)
#define _tile_loadd(to, from, stride) ::caddie::cpu::emulated::load(to, from, stride)
#define _tile_stored(from, to, stride) ::caddie::cpu::emulated::store(from, to, stride)
#define _tile_dpbssd(to, a, b) ::caddie::cpu::emulated::add_products_of_bytes(to, a, b)
#define _tile_dpbf16ps(to, a, b) ::caddie::cpu::emulated::add_products_of_bf16(to, a, b)
