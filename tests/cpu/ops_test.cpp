// Every operation of the table on the processor against the reference, over several shapes.
#include <set>

#include "core/cpu/kernels/isa.hpp"
#include "tests/cpu/op_cases.hpp"

namespace caddie::cpu::testing {
namespace {

using List = std::vector<std::int64_t>;

TEST(Ops, EveryOperationOfTheTableIsTested) {
  std::set<Op> tested;
  for (const OpCases& cases : all_cases()) {
    EXPECT_FALSE(cases.cases.empty());
    tested.insert(cases.op);
  }
  for (const graph::OpInfo& row : graph::all_ops())
    EXPECT_TRUE(tested.contains(row.op)) << row.name << " has no case here";
}

void run_all_cases() {
  for (const OpCases& cases : all_cases()) {
    for (std::size_t i = 0; i < cases.cases.size(); ++i) {
      SCOPED_TRACE(std::string(graph::info(cases.op).name) + " case " + std::to_string(i));
      Case c;
      cases.cases[i](c);
      if (::testing::Test::HasFatalFailure()) return;
      expect_close(c.graph, run_cpu(c.graph, c.leaves), run_reference(c.graph, c.leaves), c.tolerance, c.tolerance);
    }
  }
}

TEST(Ops, AgreeWithTheReference) { run_all_cases(); }

TEST(Ops, AgreeWithTheReferenceOnEveryInstructionSet) {
  const Isa before = active_isa();
  for (const Isa isa : available_isas()) {
    SCOPED_TRACE(name(isa));
    ASSERT_TRUE(set_active_isa(isa));
    run_all_cases();
  }
  set_active_isa(before);
}

TEST(Ops, AnyNumberOfThreadsGivesTheSameBits) {
  for (const OpCases& cases : all_cases()) {
    for (std::size_t i = 0; i < cases.cases.size(); ++i) {
      Case c;
      cases.cases[i](c);
      const Contents one = run_cpu(c.graph, c.leaves, 1);
      for (const int threads : {2, 3, 4}) {
        EXPECT_EQ(run_cpu(c.graph, c.leaves, threads), one)
            << graph::info(cases.op).name << " case " << i << ", threads " << threads;
      }
    }
  }
}

// Random fields are the same bits as the reference's, whatever fuses with them.
TEST(Ops, RandomFieldsAreTheReferencesBits) {
  for (const Op op : {Op::random_uniform, Op::random_normal}) {
    Case c;
    c.emit(op, {}, Attributes().set("shape", List{37, 211}));
    EXPECT_EQ(run_cpu(c.graph, c.leaves), run_reference(c.graph, c.leaves));
  }
}

// NaN and infinities go through elementwise operations and reductions as in the reference.
TEST(Ops, SpecialNumbers) {
  const float nan = std::nanf("");
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> a = {nan, 1, -infinity, infinity, 0, -0.0F, 3e38F, -2.5F, 0.5F, nan, 1e-40F, 8388609.0F};
  const std::vector<float> b = {1, nan, infinity, infinity, 0, 0, 3e38F, 2.5F, -0.0F, nan, 1, 0.5F};
  const Shape shape{static_cast<std::int64_t>(a.size())};
  for (const graph::OpInfo& row : graph::all_ops()) {
    const auto code = static_cast<std::uint32_t>(row.op);
    const bool reduction = row.op == Op::reduce_sum || row.op == Op::reduce_max || row.op == Op::reduce_min;
    if (!reduction && (code < 10 || code > 49)) continue;
    Case c;
    c.leaves = {{"a", words_of(a)}, {"b", words_of(b)}};
    const Value x = c.graph.leaf(LeafKind::input, "a", DType::f32, shape);
    const Value y = c.graph.leaf(LeafKind::input, "b", DType::f32, shape);
    SCOPED_TRACE(row.name);
    if (row.op == Op::cast) {
      c.emit(row.op, {x}, Attributes().set("dtype", std::int64_t{7}));
    } else if (row.inputs.size() == 2) {
      c.emit(row.op, {x, y});
    } else {
      c.emit(row.op, {x});
    }
    expect_close(c.graph, run_cpu(c.graph, c.leaves), run_reference(c.graph, c.leaves), 1e-6, 1e-5);
  }
}

}  // namespace
}  // namespace caddie::cpu::testing
