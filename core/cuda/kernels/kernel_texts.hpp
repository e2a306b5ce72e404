// The kernels of this folder as text, put into the library when it is built. Constant data; any thread.
#pragma once

#include <string>
#include <string_view>

namespace caddie::cuda {

// The contents of NAME.cuh; empty for a name this folder does not have.
std::string_view kernel_text(std::string_view name);

// "#define KEY VALUE" lines before a kernel's text.
class Defines {
 public:
  Defines& set(std::string_view key, std::string_view value);
  // An int where it is one: kernels cast before products that may be larger.
  Defines& set(std::string_view key, long long value);
  // INDEX, the type that numbers of elements are divided in: 64-bit division is slow.
  Defines& index(long long elements);
  // A float, by its bits.
  Defines& real(std::string_view key, double value);

  // The kernel NAME with these definitions.
  [[nodiscard]] std::string before(std::string_view name) const;

 private:
  std::string lines_;
};

}  // namespace caddie::cuda
