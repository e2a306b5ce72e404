#include "core/cpu/fused_reduction.hpp"

#include <algorithm>
#include <array>

namespace caddie::cpu {

using graph::DType;
using graph::Op;

namespace {

constexpr std::int64_t kLeastRows = 8;             // of an outermost kept axis that is dealt over tasks
constexpr std::int64_t kMostTasks = 64;
constexpr std::int64_t kElementsPerTask = 16384;
constexpr std::size_t kMostResults = 96;

Reduce reduce_of(Op op, DType type) {
  const bool real = type == DType::f32;
  if (op == Op::reduce_sum) return real ? Reduce::sum : Reduce::sum_i32;
  if (op == Op::reduce_max) return real ? Reduce::max : Reduce::max_i32;
  return real ? Reduce::min : Reduce::min_i32;
}

using Totals = std::array<float*, kMostResults>;

}  // namespace

ReductionWalk::ReductionWalk(const CompileInput& input, const graph::FusedGroup& group, std::int64_t strip_length)
    : axes_(group.reduction), elements_(group.elements), strip_(strip_length) {
  for (const graph::GroupMember& member : group.members) {
    const graph::Node& node = input.graph.nodes()[member.node];
    if (!graph::is_reduction(node.op)) continue;
    const DType type = input.graph.dtype(node.first_output);
    results_.push_back({member.operands[0], node.first_output, strip_reduction(reduce_of(node.op, type))});
  }
  inner_ = axes_.back().length;
  for (const graph::ReducedAxis& axis : axes_) kept_ *= axis.reduced ? 1 : axis.length;
  const bool outer_kept = !axes_.front().reduced && axes_.size() > 1;
  const bool two_axes = axes_.size() == 2;
  const std::int64_t by_size = std::clamp<std::int64_t>(elements_ / kElementsPerTask, 1, kMostTasks);
  if (outer_kept && axes_.front().length >= kLeastRows) {
    way_ = Way::rows;
    tasks_ = std::min(by_size, axes_.front().length);
  } else if (two_axes && !axes_.back().reduced && inner_ >= kLeastRows * strip_) {
    way_ = Way::columns;
    tasks_ = std::min(by_size, (inner_ + strip_ - 1) / strip_);
  } else {
    way_ = Way::parts;
    const std::int64_t worth = std::max<std::int64_t>(elements_ / (4 * kept_), 1);
    tasks_ = std::min({by_size, worth, (elements_ + strip_ - 1) / strip_});
  }
}

std::size_t ReductionWalk::scratch_bytes() const {
  if (way_ != Way::parts || tasks_ == 1) return 0;
  return static_cast<std::size_t>(tasks_ * kept_) * results_.size() * sizeof(float);
}

// Of row `row` of the axes before `level`, among the kept elements of these axes.
std::int64_t ReductionWalk::kept_index(std::size_t level, std::int64_t row) const {
  std::int64_t index = 0;
  std::int64_t step = 1;
  for (std::size_t axis = level; axis-- > 0;) {
    const std::int64_t at = row % axes_[axis].length;
    row /= axes_[axis].length;
    if (axes_[axis].reduced) continue;
    index += at * step;
    step *= axes_[axis].length;
  }
  return index;
}

// Folds elements [first, first + n) of the axes up to `level`, which is the last one at first. A strip may cut runs of
// that axis and hold several: whole ones that follow each other are folded at once. Axes are kept and reduced in turn.
void ReductionWalk::fold(const StripReduction& function, std::size_t level, const float* strip, std::int64_t first,
                         std::int64_t n, float* total) const {
  const std::int64_t length = axes_[level].length;
  std::int64_t row = first / length;
  std::int64_t from = first % length;
  while (n > 0) {
    const std::int64_t count = std::min(n, length - from);
    const std::int64_t rows = count < length ? 1 : n / length;
    const std::int64_t folded = axes_[level].reduced ? fold_reduced(function, level, strip, row, rows, count, total)
                                                     : fold_kept(function, level, strip, row, rows, from, count, total);
    strip += folded * count;
    n -= folded * count;
    row += folded;
    from = 0;
  }
}

// Rows of `count` elements each along a reduced axis; how many were folded. Few results that follow each other are not
// worth a call: those of many rows are then made beside, and folded in their turn.
std::int64_t ReductionWalk::fold_reduced(const StripReduction& function, std::size_t level, const float* strip,
                                         std::int64_t row, std::int64_t rows, std::int64_t count, float* total) const {
  constexpr std::int64_t kFew = 16, kRows = 64;
  const std::int64_t next_length = level == 0 ? 1 : axes_[level - 1].length;
  if (level == 0 || next_length >= kFew) {
    rows = std::min(rows, next_length - row % next_length);
    function.reduce_rows(total + kept_index(level, row), strip, rows, count);
    return rows;
  }
  std::array<float, kRows> made;
  rows = std::min(rows, kRows);
  fill_strip(made.data(), function.identity, rows);
  function.reduce_rows(made.data(), strip, rows, count);
  fold(function, level - 1, made.data(), row, rows, total);
  return rows;
}

// Rows of `count` elements each, from element `from` of a kept axis; how many were folded.
std::int64_t ReductionWalk::fold_kept(const StripReduction& function, std::size_t level, const float* strip,
                                      std::int64_t row, std::int64_t rows, std::int64_t from, std::int64_t count,
                                      float* total) const {
  const std::int64_t next_length = level == 0 ? 1 : axes_[level - 1].length;
  float* at = total + kept_index(level, row) * axes_[level].length + from;
  const std::int64_t planes = rows / next_length;
  if (row % next_length != 0 || planes == 0) {
    rows = std::min(rows, next_length - row % next_length);
    function.accumulate_rows(at, strip, 1, rows, count);
    return rows;
  }
  // Results of whole planes follow each other along the axis before, as far as it goes.
  const std::int64_t outer_length = level < 2 ? 1 : axes_[level - 2].length;
  const std::int64_t whole = std::min(planes, outer_length - row / next_length % outer_length);
  function.accumulate_rows(at, strip, whole, next_length, count);
  return whole * next_length;
}

void ReductionWalk::walk(const StripProgram& program, const RunContext& context, std::byte* space, std::int64_t first,
                         std::int64_t last, float* const* totals) const {
  while (first < last) {
    const std::int64_t n = std::min(strip_, last - first);
    program.evaluate(context, space, first, n);
    for (std::size_t r = 0; r < results_.size(); ++r) {
      Strip strip = program.result(space, results_[r].operand);
      if (strip.is_scalar) {
        float* spelled = program.spare(space);
        fill_strip(spelled, *strip.data, n);
        strip.data = spelled;
      }
      fold(results_[r].function, axes_.size() - 1, strip.data, first, n, totals[r]);
    }
    program.store(context, space, first, n);
    first += n;
  }
}

void ReductionWalk::run(const StripProgram& program, const RunContext& context) const {
  switch (way_) {
    case Way::rows: return run_rows(program, context);
    case Way::columns: return run_columns(program, context);
    case Way::parts: return run_parts(program, context);
  }
}

void ReductionWalk::run_rows(const StripProgram& program, const RunContext& context) const {
  const std::int64_t rows = axes_.front().length;
  const std::int64_t row_elements = elements_ / rows;
  const std::int64_t row_kept = kept_ / rows;
  context.pool.run(tasks_, [&](std::int64_t task, int thread) {
    const std::int64_t begin = rows * task / tasks_;
    const std::int64_t end = rows * (task + 1) / tasks_;
    Totals totals{};
    for (std::size_t r = 0; r < results_.size(); ++r) {
      totals[r] = context.write(results_[r].value);
      fill_strip(totals[r] + begin * row_kept, results_[r].function.identity, (end - begin) * row_kept);
    }
    walk(program, context, context.thread_space[thread], begin * row_elements, end * row_elements, totals.data());
  });
}

void ReductionWalk::run_columns(const StripProgram& program, const RunContext& context) const {
  const std::int64_t rows = axes_.front().length;
  const std::int64_t strips = (inner_ + strip_ - 1) / strip_;
  context.pool.run(tasks_, [&](std::int64_t task, int thread) {
    Totals totals{};
    for (std::size_t r = 0; r < results_.size(); ++r) totals[r] = context.write(results_[r].value);
    for (std::int64_t s = strips * task / tasks_; s < strips * (task + 1) / tasks_; ++s) {
      const std::int64_t begin = s * strip_;
      const std::int64_t end = std::min(begin + strip_, inner_);
      for (std::size_t r = 0; r < results_.size(); ++r) {
        fill_strip(totals[r] + begin, results_[r].function.identity, end - begin);
      }
      for (std::int64_t row = 0; row < rows; ++row) {
        walk(program, context, context.thread_space[thread], row * inner_ + begin, row * inner_ + end, totals.data());
      }
    }
  });
}

// Parts begin at whole strips. Partial results stand part after part, result after result.
void ReductionWalk::run_parts(const StripProgram& program, const RunContext& context) const {
  const std::int64_t strips = (elements_ + strip_ - 1) / strip_;
  context.pool.run(tasks_, [&](std::int64_t task, int thread) {
    const std::int64_t begin = strips * task / tasks_ * strip_;
    const std::int64_t end = std::min(strips * (task + 1) / tasks_ * strip_, elements_);
    Totals totals{};
    for (std::size_t r = 0; r < results_.size(); ++r) {
      auto* partial =
          reinterpret_cast<float*>(context.scratch) + (static_cast<std::int64_t>(r) * tasks_ + task) * kept_;
      totals[r] = tasks_ == 1 ? context.write(results_[r].value) : partial;
      fill_strip(totals[r], results_[r].function.identity, kept_);
    }
    walk(program, context, context.thread_space[thread], begin, end, totals.data());
  });
  if (tasks_ > 1) add_parts(context);
}

void ReductionWalk::add_parts(const RunContext& context) const {
  const std::int64_t slices = std::clamp<std::int64_t>(kept_ / kElementsPerTask, 1, kMostTasks);
  context.pool.run(slices, [&](std::int64_t slice) {
    const std::int64_t begin = kept_ * slice / slices;
    const std::int64_t count = kept_ * (slice + 1) / slices - begin;
    for (std::size_t r = 0; r < results_.size(); ++r) {
      float* total = context.write(results_[r].value) + begin;
      fill_strip(total, results_[r].function.identity, count);
      for (std::int64_t part = 0; part < tasks_; ++part) {
        const auto* partial =
            reinterpret_cast<const float*>(context.scratch) + (static_cast<std::int64_t>(r) * tasks_ + part) * kept_;
        results_[r].function.accumulate(total, partial + begin, count);
      }
    }
  });
}

}  // namespace caddie::cpu
