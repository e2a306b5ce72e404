#include "core/cpu/kernels/isa.hpp"

#include <algorithm>
#include <atomic>

#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {
namespace {

std::vector<Isa> detect() {
  std::vector<Isa> found{Isa::portable};
#if defined(CADDIE_X86)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(Isa::avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    found.push_back(Isa::avx512);
  }
#endif
  return found;
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{available_isas().back()};
  return isa;
}

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::portable: break;
  }
  return "portable";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa active_isa() { return active().load(std::memory_order_relaxed); }

bool set_active_isa(Isa isa) {
  const std::vector<Isa>& isas = available_isas();
  if (std::find(isas.begin(), isas.end(), isa) == isas.end()) return false;
  active().store(isa, std::memory_order_relaxed);
  return true;
}

const KernelTable& kernels() {
  switch (active_isa()) {
#if defined(CADDIE_X86)
    case Isa::avx512: return avx512::table;
    case Isa::avx2: return avx2::table;
#else
    case Isa::avx512:
    case Isa::avx2:
#endif
    case Isa::portable: break;
  }
  return portable::table;
}

}  // namespace caddie::cpu
