// A part of C whose sums of digits' products are made: its rows are finished bit by bit while the tile unit makes the
// next part.
#pragma once

#include "core/cpu/kernels/amx/digits.hpp"
#include "core/cpu/kernels/amx/gemm_parts.hpp"
#include "core/cpu/kernels/per_isa/epilogue.hpp"

namespace caddie::cpu::CADDIE_ISA {

// Sums of a part of 16 rows and 32 columns: [row][half of the columns][level][16].
struct LevelSums {
  static constexpr std::int64_t kHalf = digits::kDigits * kTile;
  static constexpr std::int64_t kRow = 2 * kHalf;
  alignas(64) std::int32_t values[kTile * kRow];

  // A tile of one half and level, its rows kRow apart.
  [[gnu::always_inline]] std::int32_t* tile(std::int64_t half, std::int64_t level) {
    return values + half * kHalf + level * kTile;
  }
};

// A part of C whose sums are made, and what becomes of them. Set member by member: a copy would wait for the stores of
// the tiles.
struct SummedPart {
  float* c = nullptr;  // the whole C, and its epilogue
  std::int64_t ldc = 0;
  bool adds = false;  // to C
  const Epilogue* epilogue = nullptr;
  Part part{};
  const std::int32_t* sums = nullptr;
  const float* row_scales = nullptr;  // of the part
  const float* row_spreads = nullptr;
  const float* column_scales = nullptr;
  const float* column_spreads = nullptr;
  bool has_last_level = false;

  // 16 elements, but for the columns' scales: the sum of 2^(-8 l) times those of level l, each exact in float32.
  template <bool kHasLastLevel>
  CADDIE_INLINE F joined(std::int64_t row, std::int64_t j) const {
    const std::int32_t* levels = sums + row * LevelSums::kRow + j * digits::kDigits;
    const auto level = [&](std::int64_t l) {
      I sum;
      __builtin_memcpy(&sum, levels + l * kTile, sizeof sum);
      return to_float(sum);
    };
    F sum = level(2);
    if constexpr (kHasLastLevel) {
      const F spread = splat(row_spreads[row]) * load(column_spreads + j);
      sum = select(spread > splat(digits::kMostSpread), fma(level(3), splat(0x1p-8F), sum), sum);
    }
    return fma(fma(sum, splat(0x1p-8F), level(1)), splat(0x1p-8F), level(0)) * splat(row_scales[row]);
  }

  template <bool kHasLastLevel, bool kIsWide, class Finished>
  CADDIE_INLINE void write_rows(std::int64_t row, std::int64_t end, Finished finished) const {
    const F scales[] = {load(column_scales), load(column_scales + kTile)};
    for (; row < end; ++row) {
      const std::int64_t at = (part.i + row) * ldc + part.j;
      for (std::int64_t j = 0; j < (kIsWide ? 2 * kTile : part.width); j += kTile) {
        const std::int64_t n = kIsWide ? kTile : least(kTile, part.width - j);
        F sum = joined<kHasLastLevel>(row, j) * scales[j / kTile];
        if (adds) sum += load_some(c + at + j, n);
        store_some(c + at + j, finished(sum, at + j, part.j + j, n), n);
      }
    }
  }

  // Rows [row, end) of the part from finished(sum, place in C, column of C, how many).
  template <class Finished>
  CADDIE_INLINE void write(std::int64_t row, std::int64_t end, Finished finished) const {
    if (has_last_level) return write_rows<true, false>(row, end, finished);
    if (part.width < 2 * kTile) return write_rows<false, false>(row, end, finished);
    write_rows<false, true>(row, end, finished);
  }
};

using WriteRows = void (*)(const SummedPart& part, std::int64_t row, std::int64_t end);

// For parts with such an epilogue.
inline WriteRows writer_for(const Epilogue& epilogue) {
  if (epilogue.is_plain()) {
    return [](const SummedPart& part, std::int64_t row, std::int64_t end) {
      part.write(row, end, [](F sum, std::int64_t, std::int64_t, std::int64_t) { return sum; });
    };
  }
  return with_activation(epilogue, []<Activation kActivation, bool kIsSlope>() -> WriteRows {
    return [](const SummedPart& part, std::int64_t row, std::int64_t end) {
      part.write(row, end, Finisher<kActivation, kIsSlope>(*part.epilogue));
    };
  });
}

class UnfinishedSums {
 public:
  // Of parts of c; a step() writes `at_once` rows.
  UnfinishedSums(float* c, std::int64_t ldc, bool adds, const Epilogue& epilogue, std::int64_t at_once)
      : write_(writer_for(epilogue)),
        at_once_(at_once),
        part_{.c = c, .ldc = ldc, .adds = adds, .epilogue = &epilogue} {}

  // When the part before is complete.
  CADDIE_INLINE void begin(const Part& part, const LevelSums& sums, bool has_last_level, const digits::Panel<1>& rows,
                           const digits::Panel<2>& columns) {
    part_.part.i = part.i;
    part_.part.j = part.j;
    part_.part.height = part.height;
    part_.part.width = part.width;
    part_.sums = sums.values;
    part_.row_scales = rows.scales();
    part_.row_spreads = rows.spreads();
    part_.column_scales = columns.scales();
    part_.column_spreads = columns.spreads();
    part_.has_last_level = has_last_level;
    done_ = 0;
  }
  CADDIE_INLINE void step() { write_to(least(part_.part.height, done_ + at_once_)); }
  // Before the sums are overwritten.
  CADDIE_INLINE void complete() { write_to(part_.part.height); }

 private:
  CADDIE_INLINE void write_to(std::int64_t end) {
    if (done_ < end) write_(part_, done_, end);
    done_ = end;
  }

  WriteRows write_;
  std::int64_t at_once_;
  SummedPart part_;
  std::int64_t done_ = 0;
};

}  // namespace caddie::cpu::CADDIE_ISA
