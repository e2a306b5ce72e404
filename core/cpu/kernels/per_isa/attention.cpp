#include "core/cpu/kernels/per_isa/attention_backward.hpp"
#include "core/cpu/kernels/per_isa/attention_forward.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

std::int64_t query_panels(const AttentionShape& s) { return (s.queries + attention::kPanel - 1) / attention::kPanel; }

void forward(const AttentionForward& args, std::int64_t batch, std::int64_t kv_head, std::int64_t begin,
             std::int64_t end, float* base) {
  const AttentionShape& s = args.shape;
  const attention::ForwardSpace space(s, base);
  if (begin == end) return;
  const float* k = attention::head_of(args.k, batch, kv_head);
  const float* v = attention::head_of(args.v, batch, kv_head);
  gemm_table.pack_a(k, args.k.position_stride, false, s.keys, s.dim, space.keys);
  gemm_table.pack_a(v, args.v.position_stride, true, s.dim, s.keys, space.values);
  const std::int64_t panels = query_panels(s);
  for (std::int64_t unit = begin; unit < end; ++unit) {
    const std::int64_t head = kv_head * (s.heads / s.kv_heads) + unit / panels;
    attention::forward_panel(args, space, batch, head, unit % panels * attention::kPanel);
  }
}

}  // namespace

extern const AttentionTable attention_table;
const AttentionTable attention_table{attention::forward_floats, attention::backward_floats, query_panels, forward,
                                     attention::backward_pair};

}  // namespace caddie::cpu::CADDIE_ISA
