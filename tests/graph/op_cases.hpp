// One or more well-formed uses of every operation, for tests that walk the table.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/graph/run.hpp"

namespace caddie::graph::testing {

struct OpCase {
  Op op;
  std::vector<Shape> shapes;  // one for each input
  Attributes attributes = {};
  double low = -1;            // range of f32 inputs
  double high = 1;
  std::map<std::size_t, Numbers> given = {};  // inputs with chosen numbers
  std::vector<std::size_t> i32 = {};          // inputs that are i32

  [[nodiscard]] std::string title() const;
  [[nodiscard]] bool is_i32(std::size_t input) const;
  // Leaves "in0", "in1", ... and the operation on them; returns its first output.
  Value build(Graph& graph) const;
  [[nodiscard]] Named numbers(std::uint64_t seed) const;
};

const std::vector<OpCase>& op_cases();

}  // namespace caddie::graph::testing
