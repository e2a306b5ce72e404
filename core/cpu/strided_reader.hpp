// Reads a range of a view's elements as a strip: in place where they stand side by side or are all one, else copied.
// Plain data; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/cpu/strips/strip_code.hpp"
#include "core/cpu/strips/strips.hpp"
#include "core/graph/view.hpp"

namespace caddie::cpu {

// n elements side by side, or one for all.
struct Strip {
  const float* data = nullptr;
  bool is_scalar = false;
};

class StridedReader {
 public:
  StridedReader() = default;
  explicit StridedReader(const graph::View& view, graph::DType type);

  [[nodiscard]] graph::Value base() const { return base_; }
  // Elements side by side in the innermost axis; strips that are whole or equal parts of it need the fewest copies.
  [[nodiscard]] std::int64_t run_length() const { return axis_count_ == 0 ? 1 : axes_[axis_count_ - 1].length; }
  // The same, cut where the innermost axis begins and ends to be outside, if that gives equal parts.
  [[nodiscard]] std::int64_t part_length() const;
  // Every strip is read in place; no space is needed.
  [[nodiscard]] bool always_in_place() const { return dense_ || splat_; }
  [[nodiscard]] bool is_dense() const { return dense_; }
  [[nodiscard]] bool has_padding() const { return bounded_; }
  [[nodiscard]] std::int64_t offset() const { return offset_; }
  // Where elements stand behind offset(), for machine code: of views without padding whose axes have simple lengths.
  [[nodiscard]] std::optional<ElementMap> map() const;

  // Elements [first, first + n) of the view over memory `base`; `space` holds n floats and may not be used.
  [[nodiscard]] Strip read(const float* base, std::int64_t first, std::int64_t n, float* space) const;
  // The same of numbers in bfloat16 of a view that stands in runs; never in place, `space` may hold them.
  [[nodiscard]] Strip read_narrow(const std::uint16_t* base, std::int64_t first, std::int64_t n, float* space) const;
  // The same, always copied to `out`.
  void copy(const float* base, std::int64_t first, std::int64_t n, float* out) const;

  // A transposition: elements side by side in memory lie along another axis than the innermost.
  [[nodiscard]] bool is_transposed() const;
  // Copies the whole view in tiles; part `part` of parts() of them.
  [[nodiscard]] std::int64_t parts() const;
  void copy_part(const float* base, std::int64_t part, float* out) const;

 private:
  struct Position {
    std::array<std::int64_t, graph::Shape::kMaxRank> index{};
    std::int64_t offset = 0;  // of the run's first element
    int outside = 0;          // outer axes whose index is padding
  };
  [[nodiscard]] Position position(std::int64_t run) const;
  void advance(Position& position) const;
  [[nodiscard]] bool is_outside(std::size_t axis, std::int64_t index) const {
    return index < axes_[axis].begin || index >= axes_[axis].end;
  }
  template <class Visit>
  void for_blocks(std::int64_t first, std::int64_t n, Visit visit) const;
  void copy_block_of(const float* source, const Block& block, float* out) const;
  void copy_run(const float* base, const Position& position, std::int64_t from, std::int64_t n, float* out) const;
  void widen_run(const std::uint16_t* base, const Position& position, std::int64_t from, std::int64_t n,
                 float* out) const;
  [[nodiscard]] std::size_t unit_axis() const;

  graph::Value base_ = 0;
  std::int64_t offset_ = 0;
  float fill_ = 0;  // by bits, of the view's type
  bool dense_ = false;
  bool splat_ = false;
  bool bounded_ = false;
  std::size_t axis_count_ = 0;
  std::array<graph::ViewAxis, graph::Shape::kMaxRank> axes_{};
};

// Elements that follow each other along the innermost axis stand side by side, as read_narrow() needs.
bool stands_in_runs(const graph::View& view);

}  // namespace caddie::cpu
