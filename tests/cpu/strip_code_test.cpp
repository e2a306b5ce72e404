// Machine code for chains of operations gives the bits of the operations one by one.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/cpu/kernels/isa.hpp"
#include "core/cpu/strips/strip_code.hpp"

namespace caddie::cpu {
namespace {

using Kind = ElementOperation::Kind;

constexpr std::int64_t kMost = 200;  // elements
constexpr float kUntouched = 12345.0F;

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

class StripCodeTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override { ASSERT_TRUE(set_active_isa(GetParam())); }
  void TearDown() override { set_active_isa(before_); }

 private:
  Isa before_ = active_isa();
};
INSTANTIATE_TEST_SUITE_P(Isa, StripCodeTest, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(name(info.param)); });

std::vector<float> numbers(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x;
  for (std::int64_t i = 0; i < kMost; ++i) x.push_back(normal(random) * std::exp2(3 * normal(random)));
  for (const float special : {0.0F, -0.0F, std::numeric_limits<float>::infinity()}) x[random() % kMost] = special;
  return x;
}

// A program, its memory, and what the strip functions make of it.
class Example {
 public:
  explicit Example(unsigned seed) : random_(seed) {
    const bool narrow = active_isa() >= Isa::avx512_bf16;
    const std::size_t reads = 1 + random_() % 5;
    for (std::size_t i = 0; i < reads; ++i) add_read(static_cast<Kind>(random_() % 3));
    const std::size_t computed = 1 + random_() % 12;
    for (std::size_t i = 0; i < computed; ++i) add_operation();
    const std::size_t results = 1 + random_() % 3;
    for (std::size_t i = 0; i < results; ++i) {
      const auto value = static_cast<std::uint16_t>(random_() % values_.size());
      program_.results.push_back({value, narrow && random_() % 2 == 0});
    }
  }

  void check(std::int64_t n) {
    const auto code = StripCode::make(program_);
    if (active_isa() < Isa::avx512) {
      EXPECT_EQ(code, nullptr);
      return;
    }
    ASSERT_NE(code, nullptr);
    std::vector<std::vector<float>> wide(program_.results.size(), std::vector<float>(kMost, kUntouched));
    std::vector<std::vector<std::uint16_t>> narrow(program_.results.size(), std::vector<std::uint16_t>(kMost, 77));
    std::vector<void*> places = sources();
    for (std::size_t r = 0; r < program_.results.size(); ++r) {
      places.push_back(program_.results[r].is_narrow ? static_cast<void*>(narrow[r].data()) : wide[r].data());
    }
    code->run(places.data(), 0, n);
    for (std::size_t r = 0; r < program_.results.size(); ++r) {
      const std::vector<float>& want = values_[program_.results[r].value];
      std::vector<std::uint16_t> rounded(kMost);
      narrow_strip(rounded.data(), want.data(), kMost);
      for (std::size_t i = 0; i < kMost; ++i) {
        const bool inside = static_cast<std::int64_t>(i) < n;
        if (program_.results[r].is_narrow) {
          ASSERT_EQ(narrow[r][i], inside ? rounded[i] : 77) << n << " " << r << " " << i;
        } else {
          const float wanted = inside ? want[i] : kUntouched;
          if (std::isnan(wanted) && std::isnan(wide[r][i])) continue;
          ASSERT_EQ(bits(wide[r][i]), bits(wanted)) << n << " " << r << " " << i;
        }
      }
    }
  }

 private:
  void add_read(Kind kind) {
    std::vector<float> x = numbers(random_);
    std::vector<std::uint16_t> halves(kMost);
    narrow_strip(halves.data(), x.data(), kMost);
    if (kind == Kind::read_narrow) widen_block(x.data(), halves.data(), {.length = kMost});
    wide_sources_.push_back(x);
    narrow_sources_.push_back(halves);
    if (kind == Kind::read_scalar) fill_strip(x.data(), x[0], kMost);
    program_.operations.push_back({.kind = kind, .out = next()});
    values_.push_back(x);
  }

  void add_operation() {
    constexpr StripOp kOps[] = {StripOp::copy, StripOp::neg, StripOp::sqrt,    StripOp::add,     StripOp::sub,
                                StripOp::mul,  StripOp::div, StripOp::mul_add, StripOp::mul_sub, StripOp::sub_mul};
    const std::size_t which = random_() % std::size(kOps);
    ElementOperation made{.op = kOps[which]};
    made.operand_count = which < 3 ? 1 : which < 7 ? 2 : 3;
    made.out = next();
    const float* operand[3] = {values_[0].data(), values_[0].data(), values_[0].data()};
    for (int k = 0; k < made.operand_count; ++k) {
      made.in[k] = static_cast<std::uint16_t>(random_() % values_.size());
      operand[k] = values_[made.in[k]].data();
    }
    std::vector<float> out(kMost);
    strip_function(made.op)(out.data(), operand[0], operand[1], operand[2], kMost, 0);
    program_.operations.push_back(made);
    values_.push_back(std::move(out));
  }

  [[nodiscard]] std::uint16_t next() const { return static_cast<std::uint16_t>(values_.size()); }
  std::vector<void*> sources() {
    std::vector<void*> places;
    for (const ElementOperation& operation : program_.operations) {
      const std::size_t i = places.size();
      if (operation.kind == Kind::read_narrow) places.push_back(narrow_sources_[i].data());
      if (operation.kind == Kind::read || operation.kind == Kind::read_scalar) {
        places.push_back(wide_sources_[i].data());
      }
    }
    return places;
  }

  std::mt19937 random_;
  ElementProgram program_;
  std::vector<std::vector<float>> values_;  // that the operations have made so far
  std::vector<std::vector<float>> wide_sources_;
  std::vector<std::vector<std::uint16_t>> narrow_sources_;
};

TEST_P(StripCodeTest, ChainsGiveTheBitsOfTheirOperations) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    Example example(seed);
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{15}, std::int64_t{16}, std::int64_t{33}, kMost}) {
      example.check(n);
      if (HasFatalFailure()) FAIL() << "seed " << seed;
    }
  }
}

TEST_P(StripCodeTest, WhatItCannotDoIsLeftToTheStripFunctions) {
  ElementProgram program;
  program.operations = {{.kind = Kind::read, .out = 0}, {.op = StripOp::exp, .operand_count = 1, .out = 1, .in = {0}}};
  program.results = {{1, false}};
  EXPECT_EQ(StripCode::make(program), nullptr);

  ElementProgram crowded;  // more values at a time than registers
  for (std::uint16_t i = 0; i < 40; ++i) {
    crowded.operations.push_back({.kind = Kind::read, .out = i});
    crowded.results.push_back({i, false});
  }
  EXPECT_EQ(StripCode::make(crowded), nullptr);
}

TEST_P(StripCodeTest, EqualProgramsShareTheirCode) {
  ElementProgram program;
  program.operations = {{.kind = Kind::read, .out = 0},
                        {.op = StripOp::add, .operand_count = 2, .out = 1, .in = {0, 0}}};
  program.results = {{1, false}};
  EXPECT_EQ(StripCode::make(program), StripCode::make(ElementProgram(program)));
}

}  // namespace
}  // namespace caddie::cpu
