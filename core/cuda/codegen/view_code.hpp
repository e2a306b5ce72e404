// CUDA C++ for reading a view: from a number of an element to its place in memory. Plain functions; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "core/graph/view.hpp"

namespace caddie::cuda {

// What a group of elements is read with: element number `e` (a variable of type u32 or u64) and the `lanes` - 1 behind
// it. With four lanes e is a multiple of four.
struct ElementRange {
  std::string e = "e";
  std::int64_t elements = 1;
  int lanes = 1;
};

// Whether four lanes can be read at once: no axis break falls between them.
bool reads_four(const graph::View& view);

// How one operand is read into the array `name` of `lanes` numbers.
struct OperandCode {
  std::string name;
  std::string type;     // of memory: float, bf16, int
  std::string pointer;  // expression of the pointer to the view's first element; empty for a literal
  std::string literal;  // what every element inside is
};

// Declares and fills the array.
std::string load_code(const graph::View& view, const OperandCode& operand, const ElementRange& range);

// A number as the type's literal, by its bits.
std::string literal(double value, graph::DType type);

// "e / divisor % length", with what is not needed left out.
std::string index_code(const std::string& e, std::int64_t divisor, std::int64_t length, std::int64_t elements);

}  // namespace caddie::cuda
