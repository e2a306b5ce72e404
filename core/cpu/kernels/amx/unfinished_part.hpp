// A part of C whose sums are made: its rows are finished bit by bit while the tile unit makes the next part.
#pragma once

#include "core/cpu/kernels/per_isa/epilogue.hpp"

namespace caddie::cpu::CADDIE_ISA {

class UnfinishedPart {
 public:
  UnfinishedPart() = default;
  // The epilogue is that of the part; a step() finishes so many of its rows at once.
  UnfinishedPart(const Epilogue& epilogue, const Finishing& finishing, std::int64_t rows, std::int64_t columns,
                 std::int64_t at_once)
      : epilogue_(epilogue), finishing_(finishing), rows_(rows), columns_(columns), at_once_(at_once) {}

  CADDIE_INLINE void step() {
    if (done_ < rows_) finish_to(least(rows_, done_ + at_once_));
  }
  // Before the sums are overwritten.
  CADDIE_INLINE void complete() {
    if (done_ < rows_) finish_to(rows_);
  }

 private:
  CADDIE_INLINE void finish_to(std::int64_t end) {
    finish_rows(epilogue_, done_, end, columns_, finishing_);
    done_ = end;
  }

  Epilogue epilogue_;
  Finishing finishing_;
  std::int64_t rows_ = 0;
  std::int64_t columns_ = 0;
  std::int64_t at_once_ = 0;
  std::int64_t done_ = 0;
};

}  // namespace caddie::cpu::CADDIE_ISA
