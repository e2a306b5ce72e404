#include "core/cpu/kernels/isa.hpp"

#include <algorithm>
#include <atomic>

#include "core/cpu/kernels/tables.hpp"

#if defined(CADDIE_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace caddie::cpu {
namespace {

#if defined(CADDIE_X86)
bool has_pairs() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kVectorBf16 = 1U << 5;  // in eax of leaf 7.1
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kVectorBf16) != 0;
}

// The kernel grants the tile unit's state to a process that asks.
bool has_tiles() {
#if defined(CADDIE_EMULATED_TILES)  // tests/cpu/emulated-tiles
  return __builtin_cpu_supports("avx512vnni");
#elif defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTileBf16 = 1U << 22, kTile = 1U << 24, kTileInt8 = 1U << 25;  // in edx of leaf 7
  constexpr unsigned kVectorInt8 = 1U << 11;
  constexpr unsigned kTiles = kTileBf16 | kTile | kTileInt8;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTiles) != kTiles) return false;
  if ((c & kVectorInt8) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> found{Isa::portable};
#if defined(CADDIE_X86)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(Isa::avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    found.push_back(Isa::avx512);
    if (has_pairs()) {
      found.push_back(Isa::avx512_bf16);
      if (has_tiles()) found.push_back(Isa::amx);
    }
  }
#endif
  return found;
}

Isa fastest() {
  const Isa widest = available_isas().back();
#if defined(CADDIE_X86)
  if (widest == Isa::avx512_bf16 && !__builtin_cpu_is("amd")) return Isa::avx512;
#endif
  return widest;
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{fastest()};
  return isa;
}

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::amx: return "amx";
    case Isa::avx512_bf16: return "avx512_bf16";
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
#if defined(CADDIE_X86)
  static const KernelTable pairs_table = [] {
    KernelTable table = avx512::table;
    table.gemm_bf16 = &avx512_bf16::gemm_bf16_table;
    table.attention_bf16 = &avx512_bf16::attention_bf16_table;
    table.rows = &avx512_bf16::row_table;
    return table;
  }();
  static const KernelTable amx_table = [] {
    KernelTable table = avx512::table;
    table.gemm = &amx::gemm_table;
    table.gemm_bf16 = &amx::gemm_bf16_table;
    table.attention = &amx::attention_table;
    table.attention_bf16 = &amx::attention_bf16_table;
    table.rows = &amx::row_table;
    return table;
  }();
#endif
  switch (active_isa()) {
#if defined(CADDIE_X86)
    case Isa::amx: return amx_table;
    case Isa::avx512_bf16: return pairs_table;
    case Isa::avx512: return avx512::table;
    case Isa::avx2: return avx2::table;
#else
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
    case Isa::avx2:
#endif
    case Isa::portable: break;
  }
  return portable::table;
}

}  // namespace caddie::cpu
