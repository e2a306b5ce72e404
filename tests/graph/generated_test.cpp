// The generated files of the SDK are what the table makes of them, and the wrappers say what they were asked.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "caddie/ops.h"
#include "core/base/file.hpp"
#include "core/graph/graph.hpp"
#include "test_paths.hpp"

namespace caddie::graph::testing {
namespace {

std::string generated(const std::string& what) {
  const std::string command = std::string(CADDIE_GENERATE_OPS) + " " + what;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string out;
  std::array<char, 4096> block{};
  for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), pipe)) > 0;) out.append(block.data(), got);
  EXPECT_EQ(pclose(pipe), 0);
  return out;
}

void expect_file_is(const std::string& path, const std::string& what) {
  const auto held = read_text(std::string(CADDIE_SOURCE_DIR) + "/" + path);
  ASSERT_TRUE(held.ok()) << held.error().message();
  EXPECT_TRUE(*held == generated(what)) << path << " is not what the table makes; run: caddie_generate_ops " << what
                                        << " > " << path;
}

TEST(Generated, files_are_up_to_date) {
  expect_file_is("sdk/include/caddie/ops.h", "header");
  expect_file_is("docs/ops.md", "docs");
}

// A host whose emit keeps what it was given in a graph of ours.
caddie_value emit_into_graph(caddie_graph* handle, uint32_t opcode, const caddie_value* inputs, uint32_t input_count,
                             const caddie_attribute* given, uint32_t attribute_count) {
  Attributes attributes;
  for (uint32_t i = 0; i < attribute_count; ++i) {
    const caddie_attribute& each = given[i];
    switch (each.type) {
      case CADDIE_ATTRIBUTE_INT: attributes.set(each.key, each.data.ints[0]); break;
      case CADDIE_ATTRIBUTE_INTS:
        attributes.set(each.key, std::vector<std::int64_t>(each.data.ints, each.data.ints + each.count));
        break;
      case CADDIE_ATTRIBUTE_FLOAT: attributes.set(each.key, each.data.floats[0]); break;
      default: attributes.set(each.key, std::vector<double>(each.data.floats, each.data.floats + each.count));
    }
  }
  return reinterpret_cast<Graph*>(handle)->emit(static_cast<Op>(opcode), std::span(inputs, input_count),
                                                std::move(attributes));
}

TEST(Generated, wrappers_emit_what_they_say) {
  Graph graph;
  caddie_host_graph host{};
  host.emit = emit_into_graph;
  auto* handle = reinterpret_cast<caddie_graph*>(&graph);
  const Value q = graph.leaf(LeafKind::input, "q", DType::f32, {1, 2, 4, 6});
  const std::array<std::int64_t, 2> axes{-1, 0};
  const Value sum = caddie_op_reduce_sum(&host, handle, q, axes.data(), 2, 1);
  const Value y = caddie_op_attention(&host, handle, q, q, q, 0, 0.25, 0);
  const std::array<caddie_value, 2> parts{q, y};
  const Value both = caddie_op_concat(&host, handle, parts.data(), 2, 3);
  const std::array<double, 2> numbers{1, 2};
  const std::array<std::int64_t, 1> shape{2};
  const Value constant = caddie_op_constant(&host, handle, numbers.data(), 2, shape.data(), 1, CADDIE_F32);
  ASSERT_TRUE(graph.status().ok()) << graph.status().error().message();
  EXPECT_EQ(graph.shape(sum), (Shape{1, 2, 4, 1}));
  EXPECT_EQ(graph.node_of(y).op, Op::attention);
  EXPECT_EQ(graph.node_of(y).attributes.real("scale"), 0.25);
  EXPECT_EQ(graph.node_of(y).attributes.integer("causal", 7), 0);
  EXPECT_EQ(graph.shape(both), (Shape{1, 2, 4, 12}));
  EXPECT_EQ(graph.node_of(constant).attributes.reals("values")[1], 2);
}

}  // namespace
}  // namespace caddie::graph::testing
