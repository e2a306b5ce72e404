// The elementwise members of a fused group as instructions over strips.
//
// Registers are strips in a thread's own space; a member that is stored is made in its own memory. Results that stand
// where an input stands that is still to be read are written last, by store().
//
// Where the processor allows it (strips/strip_code.hpp), all instructions are done to an element before the next; then
// only what reductions read stands in strips, and inputs whose elements have no simple places.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cpu/step.hpp"
#include "core/cpu/strided_reader.hpp"
#include "core/cpu/strips/strip_code.hpp"
#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {

class StripProgram {
 public:
  StripProgram(const CompileInput& input, const graph::FusedGroup& group);

  [[nodiscard]] std::int64_t strip_length() const { return strip_length_; }
  // Space of one thread for evaluate().
  [[nodiscard]] std::size_t space_bytes() const;

  // Makes elements [first, first + n) of all elementwise members, n <= strip_length().
  void evaluate(const RunContext& context, std::byte* space, std::int64_t first, std::int64_t n) const;
  // After evaluate(), when nothing more is read: writes what stands where an input of the group stands.
  void store(const RunContext& context, std::byte* space, std::int64_t first, std::int64_t n) const;
  // Between both: an operand of a member that is not elementwise.
  [[nodiscard]] Strip result(const std::byte* space, const graph::GroupOperand& operand) const;
  // The space of a strip in which a scalar operand may be spelled out.
  [[nodiscard]] float* spare(std::byte* space) const;

 private:
  enum class Kind : std::uint8_t { load, compute, iota, uniform, normal };
  struct Instruction {
    Kind kind = Kind::compute;
    StripOp op = StripOp::copy;           // of compute
    std::uint8_t operand_count = 0;
    std::uint16_t out = 0;                // operand number
    std::uint16_t in[3] = {};             // operand numbers
    std::uint16_t slot = 0;               // register, unless `memory`
    graph::Value memory = 0;              // stored there directly
    StripFunction function = nullptr;
    std::uint32_t detail = 0;             // of iota and random
  };
  struct Store {
    std::uint16_t operand = 0;
    graph::Value memory = 0;
    bool is_narrow = false;
  };
  struct Counting {  // element e is (e / inner) % length
    std::int64_t inner = 1;
    std::int64_t length = 1;
    bool is_real = false;
  };
  struct Drawing {
    std::uint64_t site = 0;
    double first = 0;   // low or mean
    double second = 1;  // high or standard deviation
  };

  // Where machine code reads an operand, or puts a result.
  struct Place {
    enum class Kind : std::uint8_t { memory, mapped, scalar, input_strip, result_strip };
    Kind kind = Kind::memory;
    graph::Value value = 0;     // of memory, mapped and scalar
    std::int64_t offset = 0;    // in it, in elements
    std::int64_t width = 4;     // bytes of an element
    std::uint16_t operand = 0;  // of strips
    std::uint16_t slot = 0;
  };

  [[nodiscard]] bool is_in_place(std::uint16_t input) const {
    return inputs_[input].always_in_place() && !narrow_inputs_[input];
  }
  [[nodiscard]] std::uint16_t number(const graph::GroupOperand& operand) const;
  void add_member(const CompileInput& input, const graph::FusedGroup& group, std::uint32_t member);
  [[nodiscard]] bool must_wait(const CompileInput& input, const graph::FusedGroup& group, std::uint32_t member) const;
  void add_source(const graph::Graph& graph, const graph::Node& node, Instruction& made);
  void join_multiply_adds();
  void place_loads();
  void assign_registers();
  void choose_strip_length(std::int64_t elements);
  void make_code(const graph::FusedGroup& group);
  [[nodiscard]] Place place_of_input(std::uint16_t input, bool has_map, std::size_t& slots) const;
  [[nodiscard]] Strip read(const RunContext& context, std::uint16_t input, std::int64_t first, std::int64_t n,
                           float* out) const;
  void evaluate_by_code(const RunContext& context, std::byte* space, std::int64_t first, std::int64_t n) const;
  void fetch_next(const RunContext& context, std::int64_t first, std::int64_t n) const;
  void count(const Counting& counting, std::int64_t first, std::int64_t n, float* out) const;

  std::vector<StridedReader> inputs_;
  std::vector<bool> narrow_inputs_;  // in bfloat16
  std::size_t member_count_ = 0;
  std::int64_t elements_ = 0;  // that the group walks
  std::vector<Instruction> instructions_;
  std::vector<Store> stores_;
  std::vector<std::uint16_t> kept_;    // operands that reductions and stores read after the last instruction
  std::vector<std::uint16_t> folded_;  // those of reductions
  std::vector<Counting> countings_;
  std::vector<Drawing> drawings_;
  std::size_t slots_ = 0;
  std::int64_t strip_length_ = 0;
  std::shared_ptr<const StripCode> code_;  // null: instruction by instruction
  std::vector<Place> places_;              // of the code
};

// The strip operation of an elementwise node with strips for operands.
StripOp strip_op(const graph::Graph& graph, const graph::Node& node);

}  // namespace caddie::cpu
