// What the elementwise interpreter runs: one function per operation over a strip of 4-byte elements that stays in the
// first-level cache. i32 strips are carried in float memory by their bits.
//
// An operand is a strip, or one element for the whole strip (bit i of `scalars` for operand i). `out` may be the same
// strip as an operand. NaN, infinities, division and wrapping of i32 are as in the table of operations. Nothing
// allocates; any thread.
#pragma once

#include <cstdint>

namespace caddie::cpu {

enum class StripOp : std::uint8_t {
  copy,
  // f32
  neg, abs, sign, exp, log, sin, cos, tanh, sqrt, rsqrt, recip, floor, round, sigmoid, round_bf16, to_i32,
  add, sub, mul, div, max, min, pow, lt, le, eq, where,
  mul_add, mul_sub, sub_mul,  // a b + c, a b - c, c - a b; rounded once where the machine can
  // i32; comparisons give f32; where_i32 has an i32 mask and elements of either type
  neg_i32, abs_i32, sign_i32, to_f32,
  add_i32, sub_i32, mul_i32, max_i32, min_i32, lt_i32, le_i32, eq_i32,
  bit_and, bit_or, bit_xor, shift_left, shift_right, int_div, int_mod, where_i32,
  count
};

using StripFunction = void (*)(float* out, const float* a, const float* b, const float* c, std::int64_t n,
                               unsigned scalars);

// One reduction: a strip into one element, strip by strip into another, and what it starts from.
struct StripReduction {
  float (*reduce)(const float* x, std::int64_t n);                       // in a fixed tree that depends on n alone
  float (*combine)(float a, float b);
  void (*accumulate)(float* total, const float* x, std::int64_t n);      // total[i] = combine(total[i], x[i])
  float identity;
  // The same bits for many rows of n elements at once: total[row] = combine(total[row], reduce(its elements)); and for
  // each plane of rows, accumulate(total + plane * n, its elements) row after row.
  void (*reduce_rows)(float* total, const float* x, std::int64_t rows, std::int64_t n);
  void (*accumulate_rows)(float* total, const float* x, std::int64_t planes, std::int64_t rows, std::int64_t n);
};

// Elements that are walked plane by plane, row by row; those of a row stand side by side.
struct Block {
  std::int64_t length = 0;  // of a row
  std::int64_t rows = 1;
  std::int64_t row_stride = 0;
  std::int64_t planes = 1;
  std::int64_t plane_stride = 0;
};

enum class Reduce : std::uint8_t { sum, max, min, sum_i32, max_i32, min_i32, count };

// Of the active instruction set (kernels/isa.hpp).
StripFunction strip_function(StripOp op);
StripReduction strip_reduction(Reduce reduce);

// Numbers from and to bfloat16 (rounded to the nearest, ties to even).
void widen_block(float* out, const std::uint16_t* x, const Block& block);
void narrow_strip(std::uint16_t* out, const float* x, std::int64_t n);

void copy_block(float* out, const float* x, const Block& block);
// The elements at x, x + stride, ..., each `length` times.
void repeat_elements(float* out, const float* x, std::int64_t stride, std::int64_t length, std::int64_t rows);

// n elements from x, x + stride, ...; and n copies of one element.
void read_strided(float* out, const float* x, std::int64_t stride, std::int64_t n);
void fill_strip(float* out, float value, std::int64_t n);

}  // namespace caddie::cpu
