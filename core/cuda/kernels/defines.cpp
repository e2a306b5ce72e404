#include <fmt/format.h>

#include "core/cuda/codegen/view_code.hpp"
#include "core/cuda/kernels/kernel_texts.hpp"

namespace caddie::cuda {

Defines& Defines::set(std::string_view key, std::string_view value) {
  lines_ += fmt::format("#define {} {}\n", key, value);
  return *this;
}
Defines& Defines::set(std::string_view key, long long value) {
  const bool small = value > -(1LL << 31) && value < (1LL << 31);
  return set(key, fmt::format("{}{}", value, small ? "" : "LL"));
}
Defines& Defines::index(long long elements) { return set("INDEX", elements < (1LL << 31) ? "u32" : "i64"); }
Defines& Defines::real(std::string_view key, double value) { return set(key, literal(value, graph::DType::f32)); }

std::string Defines::before(std::string_view name) const { return lines_ + std::string(kernel_text(name)); }

}  // namespace caddie::cuda
