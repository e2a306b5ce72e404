// The tile unit (AMX): eight tiles of 16 rows of 64 bytes, and products of two of them that are added to a third.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/cpu/kernels/per_isa/simd.hpp"

namespace caddie::cpu::CADDIE_ISA {

constexpr std::int64_t kTile = 16;          // rows of a tile, and columns of C
constexpr std::int64_t kTileBytes = 1024;

// The unit is this thread's while the object lives.
class TileUnit {
 public:
  TileUnit() {
    static constexpr Configuration kWholeTiles;
    _tile_loadconfig(&kWholeTiles);
  }
  ~TileUnit() { _tile_release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;

 private:
  struct alignas(64) Configuration {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
};

// The first n of 16, the others 0.
CADDIE_INLINE __m512 load_row(const float* p, std::int64_t n) {
  if (n >= kTile) return _mm512_loadu_ps(p);
  return n <= 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), p);
}

CADDIE_INLINE void transpose_block(__m512i (&block)[kTile]) {
  F rows[kTile];
  std::memcpy(rows, block, sizeof rows);
  transpose(rows);
  std::memcpy(block, rows, sizeof rows);
}

}  // namespace caddie::cpu::CADDIE_ISA
