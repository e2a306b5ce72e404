// The code between reading and writing the elements of a fused group. Inside core/cuda/codegen only.
#pragma once

#include <string>
#include <vector>

#include "core/cuda/codegen/view_code.hpp"
#include "core/cuda/step.hpp"

namespace caddie::cuda {

// A reduction of the group: what is folded and where the result goes.
struct GroupReduction {
  graph::Op op = graph::Op::reduce_sum;
  graph::DType dtype = graph::DType::f32;
  std::string operand;  // expression of lane j
  graph::Value value = 0;

  [[nodiscard]] const char* type() const { return dtype == graph::DType::i32 ? "int" : "float"; }
  [[nodiscard]] const char* combine() const;
  [[nodiscard]] const char* block_combine() const;
  [[nodiscard]] std::string identity() const;
};

class GroupBody {
 public:
  // `e` is a variable with the number of the first element.
  GroupBody(const CompileInput& input, const graph::FusedGroup& group, int lanes);

  [[nodiscard]] const std::string& loads() const { return loads_; }
  [[nodiscard]] const std::string& members() const { return members_; }  // of lane j
  [[nodiscard]] const std::string& stores() const { return stores_; }
  [[nodiscard]] const std::vector<GroupReduction>& reductions() const { return reductions_; }
  [[nodiscard]] std::vector<Place>& places() { return places_; }
  // The pointer to a further place.
  std::string pointer(const Place& place);

  // Lanes that every view of the group can be read with.
  static int lanes_of(const graph::FusedGroup& group);

 private:
  void add_input(std::size_t number);
  void add_member(std::uint32_t number);
  [[nodiscard]] std::string operand(const graph::GroupOperand& operand) const;

  const CompileInput& input_;
  const graph::FusedGroup& group_;
  ElementRange range_;
  std::string loads_, members_, stores_;
  std::vector<GroupReduction> reductions_;
  std::vector<Place> places_;
};

}  // namespace caddie::cuda
