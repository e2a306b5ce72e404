// What is read or reduced many rows at a time is the same, bit for bit, as row by row and element by element.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "core/cpu/kernels/isa.hpp"
#include "core/cpu/strided_reader.hpp"
#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {
namespace {

class StripsTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override { ASSERT_TRUE(set_active_isa(GetParam())); }
  void TearDown() override { set_active_isa(before_); }

 private:
  Isa before_ = active_isa();
};
INSTANTIATE_TEST_SUITE_P(Isa, StripsTest, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(name(info.param)); });

std::vector<std::uint32_t> bits_of(const std::vector<float>& x) {
  std::vector<std::uint32_t> bits;
  for (const float value : x) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

// Numbers of very different size, so that any other order of sums shows; by bits also i32.
std::vector<float> numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x;
  for (std::int64_t i = 0; i < count; ++i) x.push_back(normal(random) * std::exp2(4 * normal(random)));
  return x;
}

TEST_P(StripsTest, RowsAreReducedAsOneByOne) {
  for (int kind = 0; kind < static_cast<int>(Reduce::count); ++kind) {
    const StripReduction function = strip_reduction(static_cast<Reduce>(kind));
    for (const std::int64_t length : {1, 4, 5, 8, 16, 31, 32, 33, 64, 100, 130}) {
      for (const std::int64_t rows : {1, 3, 16, 37}) {
        const std::vector<float> x = numbers(rows * length, 7);
        std::vector<float> want = numbers(rows, 8);
        std::vector<float> got = want;
        for (std::int64_t row = 0; row < rows; ++row) {
          auto& total = want[static_cast<std::size_t>(row)];
          total = function.combine(total, function.reduce(x.data() + row * length, length));
        }
        function.reduce_rows(got.data(), x.data(), rows, length);
        EXPECT_EQ(bits_of(got), bits_of(want)) << kind << ", " << rows << " rows of " << length;

        want = got = numbers(length, 9);
        for (std::int64_t row = 0; row < rows; ++row) function.accumulate(want.data(), x.data() + row * length, length);
        function.accumulate_rows(got.data(), x.data(), 1, rows, length);
        EXPECT_EQ(bits_of(got), bits_of(want)) << kind << ", " << rows << " rows added, of " << length;

        constexpr std::int64_t kPlanes = 3;
        const std::vector<float> planes = numbers(kPlanes * rows * length, 10);
        want = got = numbers(kPlanes * length, 11);
        for (std::int64_t row = 0; row < kPlanes * rows; ++row) {
          function.accumulate(want.data() + row / rows * length, planes.data() + row * length, length);
        }
        function.accumulate_rows(got.data(), planes.data(), kPlanes, rows, length);
        EXPECT_EQ(bits_of(got), bits_of(want)) << kind << ", planes of " << rows << " rows of " << length;
      }
    }
  }
}

graph::View view_of(const std::vector<std::int64_t>& lengths, const std::vector<std::int64_t>& strides) {
  graph::View view;
  view.shape = graph::Shape(std::span<const std::int64_t>(lengths));
  for (std::size_t axis = 0; axis < strides.size(); ++axis) view.strides[axis] = strides[axis];
  view.offset = 3;
  return view;
}

// The element's place, axis by axis.
std::size_t place(const graph::View& view, std::int64_t element) {
  std::int64_t at = view.offset;
  for (int axis = view.shape.rank() - 1; axis >= 0; --axis) {
    at += element % view.shape[axis] * view.strides[static_cast<std::size_t>(axis)];
    element /= view.shape[axis];
  }
  return static_cast<std::size_t>(at);
}

TEST_P(StripsTest, ShortRunsAreReadInTheirOrder) {
  const std::vector<float> base = numbers(6000, 5);
  std::vector<std::uint16_t> narrow(base.size());
  narrow_strip(narrow.data(), base.data(), static_cast<std::int64_t>(base.size()));
  std::vector<float> space(4096);
  std::mt19937 random(6);
  for (const graph::View& view :
       {view_of({40, 5}, {7, 1}), view_of({6, 2, 33}, {40, 0, 1}), view_of({3, 4, 2, 16}, {200, 16, 0, 1}),
        view_of({5, 3, 7}, {0, 0, 1}), view_of({2, 3, 4, 5}, {1000, 7, 40, 1}), view_of({300}, {1}),
        view_of({9, 4, 8}, {4, 1, 0}), view_of({4, 6, 5}, {300, 40, 3})}) {
    const StridedReader reader(view, graph::DType::f32);
    const std::int64_t elements = view.shape.elements();
    for (int attempt = 0; attempt < 60; ++attempt) {
      const auto below = [&](std::int64_t end) { return static_cast<std::int64_t>(random()) % end; };
      const std::int64_t first = attempt == 0 ? 0 : below(elements);
      const std::int64_t n = attempt == 0 ? elements : 1 + below(elements - first);
      reader.copy(base.data(), first, n, space.data());
      for (std::int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(space[static_cast<std::size_t>(i)], base[place(view, first + i)]) << first << " " << n << " " << i;
      }
      if (!stands_in_runs(view)) continue;
      const Strip strip = reader.read_narrow(narrow.data(), first, n, space.data());
      ASSERT_FALSE(strip.is_scalar);
      for (std::int64_t i = 0; i < n; ++i) {
        const std::uint32_t want = std::uint32_t{narrow[place(view, first + i)]} << 16;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(strip.data[i]), want) << first << " " << n << " " << i;
      }
    }
  }
}

TEST_P(StripsTest, MachineCodeFindsWhatReadersFind) {
  const std::vector<float> base = numbers(9000, 5);
  std::vector<std::uint16_t> narrow(base.size());
  narrow_strip(narrow.data(), base.data(), static_cast<std::int64_t>(base.size()));
  for (const graph::View& view :
       {view_of({40, 32}, {7, 1}), view_of({6, 2, 64}, {90, 0, 1}), view_of({3, 4, 2, 16}, {200, 16, 0, 1}),
        view_of({20, 4, 32}, {0, 1, 0}), view_of({9, 4, 16}, {4, 1, 0}), view_of({8, 2, 128}, {0, -130, 1})}) {
    graph::View moved = view;
    moved.offset = 1000;
    const StridedReader reader(moved, graph::DType::f32);
    ASSERT_TRUE(reader.map().has_value());
    ElementProgram program;
    program.operations = {
        {.kind = ElementOperation::Kind::read, .out = 0, .map = *reader.map()},
        {.kind = ElementOperation::Kind::read_narrow, .out = 1, .map = *reader.map()},
        {.op = StripOp::copy, .operand_count = 1, .out = 2, .in = {0}},
    };
    program.results = {{2, false}, {1, false}};
    const auto code = StripCode::make(program);
    if (GetParam() < Isa::avx512) continue;  // there is none
    ASSERT_NE(code, nullptr);
    for (const std::int64_t first : {0, 16, 96}) {
      const std::int64_t n = moved.shape.elements() - first;
      std::vector<float> wide(static_cast<std::size_t>(n)), widened(wide.size());
      auto* const from = const_cast<float*>(base.data()) + moved.offset;
      auto* const narrow_from = narrow.data() + moved.offset;
      code->run(std::vector<void*>{from, narrow_from, wide.data(), widened.data()}.data(), first, n);
      for (std::int64_t i = 0; i < n; ++i) {
        const std::size_t at = place(moved, first + i);
        ASSERT_EQ(wide[static_cast<std::size_t>(i)], base[at]) << first << " " << i;
        const std::uint32_t want = std::uint32_t{narrow[at]} << 16;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(widened[static_cast<std::size_t>(i)]), want) << first << " " << i;
      }
    }
  }
}

TEST_P(StripsTest, OnlySimplePlacesHaveMaps) {
  const auto has_map = [](const graph::View& view) { return StridedReader(view, graph::DType::f32).map().has_value(); };
  EXPECT_FALSE(has_map(view_of({40, 24}, {70, 1})));     // vectors would cross rows
  EXPECT_FALSE(has_map(view_of({5, 3, 32}, {1, 7, 0})));  // three is not a power of two
  EXPECT_FALSE(has_map(view_of({16, 16}, {1, 16})));     // transposed
  graph::View padded = view_of({40, 32}, {64, 1});
  padded.bounded = true;
  EXPECT_FALSE(has_map(padded));
}

}  // namespace
}  // namespace caddie::cpu
