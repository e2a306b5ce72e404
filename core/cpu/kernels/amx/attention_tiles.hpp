// What the forward and the backward pass of attention on the tile unit share.
#pragma once

#include "core/cpu/kernels/amx/planes.hpp"
#include "core/cpu/kernels/per_isa/attention_common.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

static_assert(kPanel == amx::kPanel && kPanel == kDepth);

constexpr std::int64_t kKeyTile = 4 * kPanel;  // keys at a time
constexpr std::int64_t kChunk = 8;             // keys between two looks at the tile unit

CADDIE_INLINE std::int64_t padded(std::int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }
CADDIE_INLINE std::int64_t steps_of(std::int64_t depth) { return (depth + kDepth - 1) / kDepth; }

inline std::int64_t query_panels(const AttentionShape& s) { return (s.queries + kPanel - 1) / kPanel; }

// Memory of packed lines.
template <int kPlanes>
inline char* take_panels(Carver& carver, std::int64_t lines, std::int64_t depth) {
  return reinterpret_cast<char*>(carver.take(padded(lines) / kPanel * panel_bytes<kPlanes>(depth) / 4));
}

// `count` positions from `at` on as rows of A, or transposed: then they are the depth of `dim` rows.
template <int kPlanes>
inline void pack_left(const HeadsIn& x, std::int64_t at, bool transposed, std::int64_t count, std::int64_t dim,
                      char* out) {
  with_numbers<kPlanes == 1>(x, at, [&](const auto* numbers) {
    pack_rows<kPlanes>(numbers, x.position_stride, transposed, transposed ? dim : count, transposed ? count : dim, out);
  });
}
// As the depth of `dim` columns of B, or transposed: then they are the columns.
template <int kPlanes>
inline void pack_right(const HeadsIn& x, std::int64_t at, bool transposed, std::int64_t count, std::int64_t dim,
                       char* out) {
  with_numbers<kPlanes == 1>(x, at, [&](const auto* numbers) {
    pack_columns<kPlanes>(numbers, x.position_stride, transposed, transposed ? dim : count, transposed ? count : dim,
                          out);
  });
}

// C += a panel of A * a panel of B.
template <int kPlanes>
CADDIE_INLINE void multiply_steps(const char* a, const char* b, std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step, a += kStepBytes<kPlanes>, b += kStepBytes<kPlanes>) {
    multiply_step<kPlanes>(a, b);
  }
}

// Panels of A times one panel of B -> blocks of C [kPanel][kPanel] one after the other, or added to them; step by step
// beside other work.
template <int kPlanes>
class Products {
 public:
  Products(const char* a, std::int64_t a_stride, std::int64_t panels, const char* b, std::int64_t steps, float* c,
           bool adds)
      : a_(a), a_stride_(a_stride), panels_(panels), b_(b), steps_(steps), c_(c), adds_(adds) {}
  static Products none() { return {nullptr, 0, 0, nullptr, 1, nullptr, false}; }

  // How many steps to go at each of some calls, so that all are done, or all of a panel.
  [[nodiscard]] CADDIE_INLINE std::int64_t pace(std::int64_t calls) const {
    return (panels_ * steps_ + calls - 1) / calls;
  }
  [[nodiscard]] CADDIE_INLINE std::int64_t pace_in_panel(std::int64_t calls) const {
    return (steps_ + calls - 1) / calls;
  }
  CADDIE_INLINE void go_on(std::int64_t steps) {
    for (; steps > 0 && panel_ < panels_; --steps) step();
  }
  // Not the last step, which writes to C.
  CADDIE_INLINE void go_on_in_panel(std::int64_t steps) {
    for (; steps > 0 && panel_ < panels_ && step_ + 1 < steps_; --steps) step();
  }
  CADDIE_INLINE void finish_panel() {
    for (const std::int64_t panel = panel_; panel_ == panel && panel_ < panels_;) step();
  }
  CADDIE_INLINE void finish() {
    while (panel_ < panels_) step();
  }

 private:
  CADDIE_INLINE void step() {
    if (step_ == 0 && adds_) load_c(c_, kPanel);
    if (step_ == 0 && !adds_) clear_c();
    multiply_step<kPlanes>(a_ + step_ * kStepBytes<kPlanes>, b_ + step_ * kStepBytes<kPlanes>);
    if (++step_ < steps_) return;
    store_c(c_, kPanel);
    step_ = 0;
    ++panel_;
    a_ += a_stride_;
    c_ += kPanel * kPanel;
  }

  const char* a_;
  std::int64_t a_stride_;
  std::int64_t panels_;
  const char* b_;
  std::int64_t steps_;
  float* c_;
  bool adds_;
  std::int64_t panel_ = 0;
  std::int64_t step_ = 0;
};

// exp2_nonpositive(), with one plane as exact as numbers of 8 bits need: to 2^-13, and 1 for x = 0.
template <int kPlanes>
CADDIE_INLINE F exp2_weight(F x) {
  if constexpr (kPlanes > 1) return exp2_nonpositive(x);
  const auto value = reinterpret_cast<__m512>(x);
  const __mmask16 normal = _mm512_cmp_ps_mask(value, _mm512_set1_ps(-126.0F), _CMP_NLT_UQ);
  constexpr int kDown = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  const auto above = reinterpret_cast<F>(_mm512_maskz_reduce_ps(0xffff, value, kDown));
  const F power = polynomial(above, 1.0F, 0.69511679F, 0.22764498F, 0.07706705F);
  return reinterpret_cast<F>(_mm512_maskz_scalef_ps(normal, reinterpret_cast<__m512>(power), value));
}

// Two vectors to a row of a tile in all planes: two lines of the depth as pairs (B), or 32 numbers along it (A).
template <int kPlanes, bool kAsPairs>
CADDIE_INLINE void store_planes(F first, F second, char* out) {
  auto a = reinterpret_cast<__m512>(first);
  auto b = reinterpret_cast<__m512>(second);
  for (int plane = 0; plane < kPlanes; ++plane) {
    _mm512_store_si512(out + plane * kPlaneBytes, kAsPairs ? pairs<kPlanes>(a, b) : in_order<kPlanes>(a, b));
    if (plane + 1 == kPlanes) break;
    a = _mm512_sub_ps(a, cut(a));
    b = _mm512_sub_ps(b, cut(b));
  }
}
template <int kPlanes>
CADDIE_INLINE void store_pair(F first, F second, char* out) { store_planes<kPlanes, true>(first, second, out); }
template <int kPlanes>
CADDIE_INLINE void store_row(F first, F second, char* out) { store_planes<kPlanes, false>(first, second, out); }

}  // namespace caddie::cpu::CADDIE_ISA::attention
