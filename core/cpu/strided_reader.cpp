#include "core/cpu/strided_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

namespace caddie::cpu {
namespace {

constexpr std::int64_t kTile = 32;

}  // namespace

StridedReader::StridedReader(const graph::View& view, graph::DType type)
    : base_(view.base), offset_(view.offset), dense_(view.is_dense()), splat_(view.is_splat()), bounded_(view.bounded) {
  fill_ = type == graph::DType::f32 ? static_cast<float>(view.fill)
                                    : std::bit_cast<float>(static_cast<std::int32_t>(view.fill));
  for (const graph::ViewAxis& axis : joined_axes(view)) axes_[axis_count_++] = axis;
}

std::int64_t StridedReader::part_length() const {
  if (axis_count_ == 0) return 1;
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  return std::gcd(std::gcd(inner.begin, inner.end), inner.length);
}

std::optional<ElementMap> StridedReader::map() const {
  if (bounded_ || axis_count_ == 0) return std::nullopt;
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  if (inner.length % ElementMap::kVector != 0 || inner.stride < 0 || inner.stride > 1) return std::nullopt;
  ElementMap map;
  map.repeats = inner.stride == 0;
  std::int64_t inside = 1;  // elements of the axes so far
  for (std::size_t axis = axis_count_; axis-- > 0;) {
    const auto [length, stride, begin, end] = axes_[axis];
    if (!std::in_range<std::int32_t>(stride) || !std::has_single_bit(static_cast<std::uint64_t>(inside))) {
      return std::nullopt;
    }
    if (axis > 0 && !std::in_range<std::int32_t>(inside * length)) return std::nullopt;
    const int shift = std::countr_zero(static_cast<std::uint64_t>(inside));
    const std::uint32_t mask = axis == 0 ? ~0U : static_cast<std::uint32_t>(length - 1);
    if (stride != 0) map.axes.push_back({shift, mask, static_cast<std::int32_t>(stride)});
    inside *= length;
  }
  return map;
}

StridedReader::Position StridedReader::position(std::int64_t run) const {
  Position at;
  at.offset = offset_;
  for (std::size_t axis = axis_count_ - 1; axis-- > 0;) {
    at.index[axis] = run % axes_[axis].length;
    run /= axes_[axis].length;
    at.offset += at.index[axis] * axes_[axis].stride;
    if (is_outside(axis, at.index[axis])) ++at.outside;
  }
  return at;
}

void StridedReader::advance(Position& at) const {
  for (std::size_t axis = axis_count_ - 1; axis-- > 0;) {
    at.outside -= is_outside(axis, at.index[axis]) ? 1 : 0;
    at.offset += axes_[axis].stride;
    if (++at.index[axis] == axes_[axis].length) {
      at.offset -= axes_[axis].stride * axes_[axis].length;
      at.index[axis] = 0;
    }
    at.outside += is_outside(axis, at.index[axis]) ? 1 : 0;
    if (at.index[axis] != 0) return;
  }
}

void StridedReader::copy_run(const float* base, const Position& at, std::int64_t from, std::int64_t n,
                             float* out) const {
  if (at.outside > 0) return fill_strip(out, fill_, n);
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  const std::int64_t begin = std::clamp(inner.begin, from, from + n);
  const std::int64_t end = std::clamp(inner.end, begin, from + n);
  if (begin > from) fill_strip(out, fill_, begin - from);
  if (end > begin) {
    const float* source = base + at.offset + begin * inner.stride;
    float* target = out + (begin - from);
    if (inner.stride == 1) {
      std::memcpy(target, source, static_cast<std::size_t>(end - begin) * sizeof(float));
    } else if (inner.stride == 0) {
      fill_strip(target, *source, end - begin);
    } else {
      read_strided(target, source, inner.stride, end - begin);
    }
  }
  if (end < from + n) fill_strip(out + (end - from), fill_, from + n - end);
}

Strip StridedReader::read(const float* base, std::int64_t first, std::int64_t n, float* space) const {
  if (dense_) return {base + offset_ + first, false};
  if (splat_) return {base + offset_, true};
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  const std::int64_t from = first % inner.length;
  if (from + n <= inner.length && inner.stride >= 0 && inner.stride <= 1) {
    const Position at = position(first / inner.length);
    if (at.outside > 0 || from + n <= inner.begin || from >= inner.end) return {&fill_, true};
    if (from >= inner.begin && from + n <= inner.end) {
      return {base + at.offset + from * inner.stride, inner.stride == 0};
    }
  }
  copy(base, first, n, space);
  return {space, false};
}

// Elements [first, first + n) of a view without padding, block by block: visit(the first's offset, block, elements
// before it). Whole runs that follow each other along the two next axes make one block: runs are often short.
template <class Visit>
void StridedReader::for_blocks(std::int64_t first, std::int64_t n, Visit visit) const {
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  std::int64_t from = first % inner.length;
  Position at = position(first / inner.length);
  for (std::int64_t done = 0; done < n;) {
    const std::int64_t left = n - done;
    const std::int64_t offset = at.offset + from * inner.stride;
    Block block{.length = std::min(left, inner.length - from)};
    if (block.length == inner.length && axis_count_ > 1) {
      const graph::ViewAxis& middle = axes_[axis_count_ - 2];
      block.rows = std::min(left / inner.length, middle.length - at.index[axis_count_ - 2]);
      block.row_stride = middle.stride;
      if (block.rows == middle.length && axis_count_ > 2) {
        const graph::ViewAxis& outer = axes_[axis_count_ - 3];
        std::int64_t& index = at.index[axis_count_ - 3];
        block.planes = std::min(left / (inner.length * middle.length), outer.length - index);
        block.plane_stride = outer.stride;
        index += block.planes - 1;
        at.offset += (block.planes - 1) * outer.stride;
      }
      at.index[axis_count_ - 2] += block.rows - 1;
      at.offset += (block.rows - 1) * middle.stride;
    }
    visit(offset, block, done);
    done += block.length * block.rows * block.planes;
    from = 0;
    if (done < n) advance(at);
  }
}

void StridedReader::widen_run(const std::uint16_t* base, const Position& at, std::int64_t from, std::int64_t n,
                              float* out) const {
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  const std::int64_t begin = at.outside > 0 ? from + n : std::clamp(inner.begin, from, from + n);
  const std::int64_t end = std::clamp(inner.end, begin, from + n);
  fill_strip(out, fill_, begin - from);
  if (end > begin) widen_block(out + (begin - from), base + at.offset + begin, {.length = end - begin});
  fill_strip(out + (end - from), fill_, from + n - end);
}

Strip StridedReader::read_narrow(const std::uint16_t* base, std::int64_t first, std::int64_t n, float* space) const {
  if (!bounded_) {
    for_blocks(first, n, [&](std::int64_t offset, const Block& block, std::int64_t done) {
      widen_block(space + done, base + offset, block);
    });
    return {space, false};
  }
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  std::int64_t from = first % inner.length;
  Position at = position(first / inner.length);
  const bool misses = at.outside > 0 || from + n <= inner.begin || from >= inner.end;
  if (misses && from + n <= inner.length) return {&fill_, true};
  for (std::int64_t done = 0; done < n;) {
    const std::int64_t count = std::min(n - done, inner.length - from);
    widen_run(base, at, from, count, space + done);
    done += count;
    from = 0;
    if (done < n) advance(at);
  }
  return {space, false};
}

void StridedReader::copy_block_of(const float* source, const Block& block, float* out) const {
  const std::int64_t stride = axes_[axis_count_ - 1].stride;
  if (stride == 1) return copy_block(out, source, block);
  for (std::int64_t plane = 0; plane < block.planes; ++plane, source += block.plane_stride) {
    if (stride == 0) {
      repeat_elements(out, source, block.row_stride, block.length, block.rows);
      out += block.length * block.rows;
      continue;
    }
    for (std::int64_t row = 0; row < block.rows; ++row, out += block.length) {
      read_strided(out, source + row * block.row_stride, stride, block.length);
    }
  }
}

void StridedReader::copy(const float* base, std::int64_t first, std::int64_t n, float* out) const {
  if (!bounded_ && !dense_ && !splat_ && n > 0) {
    return for_blocks(first, n, [&](std::int64_t offset, const Block& block, std::int64_t done) {
      copy_block_of(base + offset, block, out + done);
    });
  }
  if (dense_) {
    std::memcpy(out, base + offset_ + first, static_cast<std::size_t>(n) * sizeof(float));
    return;
  }
  if (splat_) return fill_strip(out, base[offset_], n);
  const std::int64_t length = run_length();
  std::int64_t from = first % length;
  Position at = position(first / length);
  while (n > 0) {
    const std::int64_t count = std::min(n, length - from);
    copy_run(base, at, from, count, out);
    out += count;
    n -= count;
    from = 0;
    if (n > 0) advance(at);
  }
}

bool stands_in_runs(const graph::View& view) {
  const auto axes = graph::joined_axes(view);
  return !axes.empty() && axes.back().stride == 1;
}

// ---- transpositions -------------------------------------------------------------------------------------------------

std::size_t StridedReader::unit_axis() const {
  for (std::size_t axis = 0; axis + 1 < axis_count_; ++axis) {
    if (axes_[axis].stride == 1) return axis;
  }
  return axis_count_;
}

bool StridedReader::is_transposed() const {
  if (bounded_ || axis_count_ < 2) return false;
  const std::size_t unit = unit_axis();
  return unit < axis_count_ && axes_[axis_count_ - 1].stride > 1 && axes_[unit].length >= 4 && run_length() >= 4;
}

std::int64_t StridedReader::parts() const {
  const graph::ViewAxis& unit = axes_[unit_axis()];
  std::int64_t outer = 1;
  for (std::size_t axis = 0; axis + 1 < axis_count_; ++axis) {
    if (axis != unit_axis()) outer *= axes_[axis].length;
  }
  return outer * ((unit.length + kTile - 1) / kTile);
}

void StridedReader::copy_part(const float* base, std::int64_t part, float* out) const {
  const std::size_t unit = unit_axis();
  const std::int64_t height = axes_[unit].length;
  const std::int64_t tiles = (height + kTile - 1) / kTile;
  const std::int64_t row = part % tiles * kTile;
  const graph::ViewAxis& inner = axes_[axis_count_ - 1];
  std::int64_t rest = part / tiles;
  const float* from = base + offset_ + row;
  std::int64_t out_stride = inner.length;  // of the axis looked at, in the result
  std::int64_t unit_stride = 0;
  for (std::size_t axis = axis_count_ - 1; axis-- > 0;) {
    if (axis == unit) {
      unit_stride = out_stride;
    } else {
      const std::int64_t index = rest % axes_[axis].length;
      rest /= axes_[axis].length;
      from += index * axes_[axis].stride;
      out += index * out_stride;
    }
    out_stride *= axes_[axis].length;
  }
  out += row * unit_stride;
  const std::int64_t rows = std::min(kTile, height - row);
  for (std::int64_t column = 0; column < inner.length; column += kTile) {
    const std::int64_t columns = std::min(kTile, inner.length - column);
    for (std::int64_t i = 0; i < rows; ++i) {
      read_strided(out + i * unit_stride + column, from + i + column * inner.stride, inner.stride, columns);
    }
  }
}

}  // namespace caddie::cpu
