// A chain of strip operations as machine code: each element goes through all of them in registers, from where it is
// read to where it is stored, instead of strip by strip through the first-level cache. For processors with AVX-512;
// assembled by Xbyak when a program is compiled. The same bits as the strip functions, but numbers below 2^-126 become
// 0 in bfloat16.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {

// Where the elements of an input stand that are not simply side by side: element i at the sum of the axes'
// (i >> shift & mask) * stride. Vectors of kVector elements, which begin at multiples of it, stand side by side, or are
// one element.
struct ElementMap {
  static constexpr std::int64_t kVector = 16;
  struct Axis {
    int shift = 0;
    std::uint32_t mask = ~0U;
    std::int32_t stride = 0;
    friend bool operator==(const Axis&, const Axis&) = default;
  };
  std::vector<Axis> axes;
  bool repeats = false;  // one element for a vector

  [[nodiscard]] bool is_given() const { return repeats || !axes.empty(); }
  friend bool operator==(const ElementMap&, const ElementMap&) = default;
};

// What happens to element i. Values have numbers, each is made once.
struct ElementOperation {
  enum class Kind : std::uint8_t { read, read_narrow, read_scalar, compute };
  Kind kind = Kind::compute;
  StripOp op = StripOp::copy;  // of compute
  std::uint8_t operand_count = 0;
  std::uint16_t out = 0;
  std::uint16_t in[3] = {};
  ElementMap map{};  // of read and read_narrow; empty: element i stands at i
  friend bool operator==(const ElementOperation&, const ElementOperation&) = default;
};

struct ElementResult {
  std::uint16_t value = 0;
  bool is_narrow = false;  // stored in bfloat16
  friend bool operator==(const ElementResult&, const ElementResult&) = default;
};

struct ElementProgram {
  std::vector<ElementOperation> operations;
  std::vector<ElementResult> results;
  friend bool operator==(const ElementProgram&, const ElementProgram&) = default;
};

class StripCode {
 public:
  virtual ~StripCode() = default;
  // Null where there can be none: another processor, an operation that is not simple arithmetic, more values than
  // registers, memory that may not be executed. Equal programs share their code. Any thread.
  static std::shared_ptr<const StripCode> make(const ElementProgram& program);

  // Elements [first, first + n). places: what is read, in the order of the operations, then where the results go; they
  // point at element `first`, but at element 0 where there is a map, and then `first` is a multiple of its kVector. A
  // result may go where an operand without a map stands, element by element. Any number of threads.
  void run(void* const* places, std::int64_t first, std::int64_t n) const { function_(places, n, first); }

 protected:
  using Function = void (*)(void* const* places, std::int64_t n, std::int64_t first);
  Function function_ = nullptr;
};

}  // namespace caddie::cpu
