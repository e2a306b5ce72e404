#include "core/cpu/kernels/attention.hpp"

#include <algorithm>

#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {
namespace {

double visible_pairs(const AttentionShape& s) {
  double pairs = 0;
  for (std::int64_t t = 0; t < s.queries; ++t) {
    const std::int64_t last = s.causal ? std::min(s.keys, t + s.keys - s.queries + 1) : s.keys;
    pairs += static_cast<double>(std::max<std::int64_t>(last, 0));
  }
  return pairs * static_cast<double>(s.batch * s.heads);
}

// A unit is a panel of queries of one head. Where (batch, kv head) pairs are too few to keep all threads busy, the
// units of a pair are cut into equal parts; each part packs the keys for itself.
std::int64_t parts_per_pair(const AttentionShape& s, int threads) {
  const std::int64_t pairs = s.batch * s.kv_heads;
  if (pairs >= 4 * threads || pairs % threads == 0) return 1;
  const std::int64_t most = s.heads / s.kv_heads * std::max<std::int64_t>(s.queries, 1);
  return std::min((2 * threads + pairs - 1) / pairs, most);
}

}  // namespace

double attention_forward_flops(const AttentionShape& s) { return 4 * static_cast<double>(s.dim) * visible_pairs(s); }
double attention_backward_flops(const AttentionShape& s) { return 10 * static_cast<double>(s.dim) * visible_pairs(s); }

std::size_t attention_forward_workspace_bytes(const AttentionShape& shape, int threads) {
  return static_cast<std::size_t>(attention_kernels(shape.factors).forward_floats(shape) * threads) * sizeof(float);
}

void attention_forward(const AttentionForward& args, ThreadPool& pool, void* workspace) {
  const AttentionShape& s = args.shape;
  if (s.batch <= 0 || s.heads <= 0 || s.queries <= 0) return;
  const AttentionTable& table = attention_kernels(s.factors);
  const std::int64_t stride = table.forward_floats(s);
  const std::int64_t parts = parts_per_pair(s, pool.size());
  const std::int64_t units = s.heads / s.kv_heads * table.query_panels(s);
  pool.run(s.batch * s.kv_heads * parts, [&](std::int64_t task, int thread) {
    const std::int64_t pair = task / parts;
    const std::int64_t part = task % parts;
    table.forward(args, pair / s.kv_heads, pair % s.kv_heads, units * part / parts, units * (part + 1) / parts,
                  static_cast<float*>(workspace) + thread * stride);
  });
}

std::size_t attention_backward_workspace_bytes(const AttentionShape& shape, int threads) {
  return static_cast<std::size_t>(attention_kernels(shape.factors).backward_floats(shape) * threads) * sizeof(float);
}

void attention_backward(const AttentionBackward& args, ThreadPool& pool, void* workspace) {
  const AttentionShape& s = args.shape;
  if (s.batch <= 0 || s.heads <= 0) return;
  const AttentionTable& table = attention_kernels(s.factors);
  const std::int64_t stride = table.backward_floats(s);
  pool.run(s.batch * s.kv_heads, [&](std::int64_t pair, int thread) {
    table.backward(args, pair / s.kv_heads, pair % s.kv_heads, static_cast<float*>(workspace) + thread * stride);
  });
}

}  // namespace caddie::cpu
