#include <fmt/format.h>

#include "core/cuda/codegen/view_code.hpp"
#include "core/cuda/kernels/kernel_texts.hpp"

namespace caddie::cuda {

Defines& Defines::set(std::string_view key, std::string_view value) {
  lines_ += fmt::format("#define {} {}\n", key, value);
  return *this;
}
Defines& Defines::set(std::string_view key, long long value) { return set(key, fmt::format("{}LL", value)); }
Defines& Defines::real(std::string_view key, double value) { return set(key, literal(value, graph::DType::f32)); }

std::string Defines::before(std::string_view name) const { return lines_ + std::string(kernel_text(name)); }

}  // namespace caddie::cuda
