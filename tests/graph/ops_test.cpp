// The registry against the table.
#include "core/graph/ops.hpp"

#include <gtest/gtest.h>

#include <set>

namespace caddie::graph::testing {
namespace {

TEST(Ops, are_found_by_code_and_name) {
  EXPECT_GE(all_ops().size(), 67U);
  std::set<std::uint32_t> codes;
  for (const OpInfo& row : all_ops()) {
    const auto code = static_cast<std::uint32_t>(row.op);
    EXPECT_TRUE(codes.insert(code).second) << "opcode " << code << " is used twice";
    EXPECT_EQ(find_op(code), &row);
    EXPECT_EQ(find_op(row.name), &row);
    EXPECT_EQ(&info(row.op), &row);
    EXPECT_FALSE(row.outputs.empty()) << row.name;
    EXPECT_FALSE(row.text.empty()) << row.name;
  }
  EXPECT_EQ(find_op(0U), nullptr);
  EXPECT_EQ(find_op(9999U), nullptr);
  EXPECT_EQ(find_op("no_such_op"), nullptr);
}

TEST(Ops, rows_are_read_as_written) {
  const OpInfo& attention = info(Op::attention);
  EXPECT_EQ(attention.inputs, (std::vector<std::string>{"q", "k", "v", "segments"}));
  EXPECT_EQ(attention.min_inputs, 3);
  EXPECT_EQ(attention.max_inputs, 4);
  EXPECT_EQ(attention.outputs, (std::vector<std::string>{"y", "lse"}));
  ASSERT_EQ(attention.attributes.size(), 2U);
  EXPECT_EQ(attention.attributes[0].key, "scale");
  EXPECT_EQ(attention.attributes[0].type, AttributeType::real);
  EXPECT_FALSE(attention.attributes[0].has_default);
  EXPECT_EQ(attention.attributes[1].type, AttributeType::integer);
  EXPECT_EQ(attention.attributes[1].default_value, 1);
  const OpInfo& concat = info(Op::concat);
  EXPECT_EQ(concat.inputs, (std::vector<std::string>{"x"}));
  EXPECT_EQ(concat.min_inputs, 1);
  EXPECT_GT(concat.max_inputs, 1000);
  EXPECT_EQ(info(Op::constant).attributes[0].type, AttributeType::reals);
  EXPECT_EQ(info(Op::constant).attributes[1].type, AttributeType::integers);
  EXPECT_EQ(info(Op::rms_norm_backward).kind, OpKind::backward);
  EXPECT_EQ(info(Op::linear).kind, OpKind::composite);
}

}  // namespace
}  // namespace caddie::graph::testing
