// How a group with reductions is walked.
//
// The walked space has kept and reduced axes in turn. Three ways, chosen by shape:
//   rows    the outermost axis is kept and long enough: tasks own ranges of it and write their results directly;
//   columns [reduced, kept] with many columns: tasks own ranges of columns and walk over all rows;
//   parts   anything else: fixed parts of the walked space make partial results, added up part after part.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cpu/strip_program.hpp"

namespace caddie::cpu {

struct ReductionResult {
  graph::GroupOperand operand;
  graph::Value value = 0;
  StripReduction function{};
};

class ReductionWalk {
 public:
  ReductionWalk(const CompileInput& input, const graph::FusedGroup& group, std::int64_t strip_length);

  [[nodiscard]] std::size_t scratch_bytes() const;
  void run(const StripProgram& program, const RunContext& context) const;

 private:
  enum class Way { rows, columns, parts };

  // Evaluates [first, last) and folds it into totals[r], element 0 of result r.
  void walk(const StripProgram& program, const RunContext& context, std::byte* space, std::int64_t first,
            std::int64_t last, float* const* totals) const;
  void fold(const StripReduction& function, std::size_t level, const float* strip, std::int64_t first, std::int64_t n,
            float* total) const;
  std::int64_t fold_reduced(const StripReduction& function, std::size_t level, const float* strip, std::int64_t row,
                            std::int64_t rows, std::int64_t count, float* total) const;
  std::int64_t fold_kept(const StripReduction& function, std::size_t level, const float* strip, std::int64_t row,
                         std::int64_t rows, std::int64_t from, std::int64_t count, float* total) const;
  [[nodiscard]] std::int64_t kept_index(std::size_t level, std::int64_t row) const;
  void run_rows(const StripProgram& program, const RunContext& context) const;
  void run_columns(const StripProgram& program, const RunContext& context) const;
  void run_parts(const StripProgram& program, const RunContext& context) const;
  void add_parts(const RunContext& context) const;

  Way way_ = Way::parts;
  std::vector<graph::ReducedAxis> axes_;   // outermost first
  std::int64_t inner_ = 1;                 // length of the innermost axis
  std::int64_t elements_ = 0;
  std::int64_t kept_ = 1;                  // elements of a result
  std::int64_t strip_ = 1;
  std::int64_t tasks_ = 1;
  std::vector<ReductionResult> results_;
};

}  // namespace caddie::cpu
