// Speed of the CPU kernels beside the machine's ceiling of the same moment: each round runs a loop of independent
// multiply-adds (the probe), then one kernel. Printed: GFLOP/s and percent of the probe, best and median of the rounds.
//
//   bench_kernels [threads] [rounds] [filter] [f32 | bf16] [portable | avx2 | avx512 | avx512_bf16 | amx]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/cpu/kernels/attention.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/isa.hpp"
#include "core/cpu/thread_pool.hpp"
#include "tests/bench/probe.hpp"

namespace {

using namespace caddie;
using namespace caddie::cpu;

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<float, Free>;

// On huge pages where the system grants them: worth 5 to 8 % of a large product.
Buffer buffer(std::int64_t floats) {
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const std::size_t wanted = static_cast<std::size_t>(std::max<std::int64_t>(floats, 16)) * sizeof(float);
  const std::size_t bytes = (wanted + kPage - 1) / kPage * kPage;
  Buffer memory(static_cast<float*>(std::aligned_alloc(kPage, bytes)));
#if defined(__linux__)
  madvise(memory.get(), bytes, MADV_HUGEPAGE);
#endif
  std::memset(memory.get(), 0, bytes);
  return memory;
}

Buffer random_buffer(std::int64_t floats) {
  static std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Buffer memory = buffer(floats);
  for (std::int64_t i = 0; i < floats; ++i) memory.get()[i] = normal(random);
  return memory;
}

// As many in bfloat16.
Buffer random_halves(std::int64_t count) {
  const Buffer numbers = random_buffer(count);
  Buffer memory = buffer(count / 2);
  auto* halves = reinterpret_cast<std::uint16_t*>(memory.get());
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, numbers.get() + i, sizeof bits);
    halves[i] = static_cast<std::uint16_t>(bits >> 16);
  }
  return memory;
}

// One thread is measured in CPU time, several in wall time: neighbours then only disturb caches and clocks.
bool use_cpu_time = false;

double seconds() { return use_cpu_time ? bench::cpu_seconds() : bench::wall_seconds(); }

struct Bench {
  ThreadPool pool;
  int rounds;
  std::string filter;
  Factors factors = Factors::f32;

  // Rounds whose probe is more than 5 % under the best one are left out of the medians.
  void run(const std::string& name, double flops, const std::function<void()>& body) {
    if (name.find(filter) == std::string::npos) return;
    body();
    struct Round { double probe, rate; };
    std::vector<Round> all;
    for (int i = 0; i < rounds; ++i) {
      const double before = bench::probe(pool, seconds);
      const double start = seconds();
      int repeats = 0;
      do { body(); ++repeats; } while (seconds() - start < 0.03);
      const double rate = flops * repeats / (seconds() - start) * 1e-9;
      all.push_back({std::max(before, bench::probe(pool, seconds)), rate});
    }
    double best_probe = 0, best_rate = 0;
    for (const Round& r : all) { best_probe = std::max(best_probe, r.probe); best_rate = std::max(best_rate, r.rate); }
    std::vector<double> share, rate;
    for (const Round& r : all) {
      if (r.probe < 0.95 * best_probe) continue;
      share.push_back(r.rate / r.probe);
      rate.push_back(r.rate);
    }
    std::sort(share.begin(), share.end());
    std::sort(rate.begin(), rate.end());
    std::printf("%-44s best %6.1f median %6.1f GFLOP/s   probe %6.1f   best %5.1f %% median %5.1f %%  (%zu rounds)\n",
                name.c_str(), best_rate, rate[rate.size() / 2], best_probe, 100 * share.back(),
                100 * share[share.size() / 2], share.size());
    std::fflush(stdout);
  }
};

void bench_gemm(Bench& bench, std::int64_t m, std::int64_t n, std::int64_t k, bool ta, bool tb, bool packed,
                std::int64_t batch = 1) {
  const Buffer a = random_buffer(batch * m * k);
  const Buffer b = random_buffer(batch * k * n);
  const Buffer c = buffer(batch * m * n);
  const Buffer pb = buffer(static_cast<std::int64_t>(packed_b_bytes(bench.factors, k, n) / 4));
  Gemm g{.m = m, .n = n, .k = k, .batch = batch};
  g.factors = bench.factors;
  g.a = {a.get(), ta ? m : k, ta, m * k};
  g.b = {b.get(), tb ? k : n, tb, k * n};
  g.c = c.get();
  g.ldc = n;
  g.c_batch_stride = m * n;
  if (packed) {
    pack_b(g.factors, g.b, k, n, bench.pool, pb.get());
    g.packed_b = pb.get();
  }
  const Buffer space = buffer(static_cast<std::int64_t>(gemm_workspace_bytes(g, bench.pool.size()) / 4));
  char name[96];
  std::snprintf(name, sizeof name, "gemm %ldx%ldx%ld %c%c%s x%ld", static_cast<long>(m), static_cast<long>(n),
                static_cast<long>(k), ta ? 'T' : 'N', tb ? 'T' : 'N', packed ? " packed" : "",
                static_cast<long>(batch));
  bench.run(name, 2.0 * static_cast<double>(batch * m * n * k), [&] { gemm(g, bench.pool, space.get()); });
}

// Queries, keys and values are parts of the same rows, as a product makes them.
void bench_attention(Bench& bench, std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t kv_heads,
                     std::int64_t dim, bool narrow) {
  AttentionShape s;
  s.factors = bench.factors;
  s.batch = batch;
  s.queries = s.keys = length;
  s.heads = heads;
  s.kv_heads = kv_heads;
  s.dim = dim;
  s.scale = 1.0F / std::sqrt(static_cast<float>(dim));
  const std::int64_t row = (heads + 2 * kv_heads) * dim;
  const std::int64_t q_floats = batch * length * heads * dim;
  const std::int64_t k_floats = batch * length * kv_heads * dim;
  const auto numbers = [&](std::int64_t count) { return narrow ? random_halves(count) : random_buffer(count); };
  const Buffer qkv = numbers(batch * length * row), dy = numbers(q_floats);
  const Buffer y = buffer(q_floats), dq = buffer(q_floats), dk = buffer(k_floats), dv = buffer(k_floats);
  const Buffer lse = buffer(batch * heads * length);
  const auto part = [&](auto heads_of, const Buffer& x, std::int64_t first, std::int64_t position) {
    heads_of.batch_stride = length * position;
    heads_of.position_stride = position;
    heads_of.head_stride = dim;
    if (narrow) {
      heads_of.narrow = reinterpret_cast<std::uint16_t*>(x.get()) + first;
    } else {
      heads_of.data = x.get() + first;
    }
    return heads_of;
  };
  const HeadsIn q = part(HeadsIn{}, qkv, 0, row);
  const HeadsIn k = part(HeadsIn{}, qkv, heads * dim, row);
  const HeadsIn v = part(HeadsIn{}, qkv, (heads + kv_heads) * dim, row);
  const AttentionForward forward{s, q, k, v, part(HeadsOut{}, y, 0, heads * dim), lse.get()};
  const AttentionBackward backward{.shape = s, .q = q, .k = k, .v = v, .y = part(HeadsIn{}, y, 0, heads * dim),
                                   .lse = lse.get(), .dy = part(HeadsIn{}, dy, 0, heads * dim),
                                   .dq = part(HeadsOut{}, dq, 0, heads * dim),
                                   .dk = part(HeadsOut{}, dk, 0, kv_heads * dim),
                                   .dv = part(HeadsOut{}, dv, 0, kv_heads * dim)};
  const int threads = bench.pool.size();
  const Buffer space = buffer(static_cast<std::int64_t>(
      std::max(attention_forward_workspace_bytes(s, threads), attention_backward_workspace_bytes(s, threads)) / 4));
  char name[96];
  std::snprintf(name, sizeof name, "attention B%ld T%ld H%ld K%ld D%ld%s", static_cast<long>(batch),
                static_cast<long>(length), static_cast<long>(heads), static_cast<long>(kv_heads),
                static_cast<long>(dim), narrow ? " narrow" : "");
  bench.run(std::string(name) + " fwd", attention_forward_flops(s),
            [&] { attention_forward(forward, bench.pool, space.get()); });
  bench.run(std::string(name) + " bwd", attention_backward_flops(s),
            [&] { attention_backward(backward, bench.pool, space.get()); });
}

// Of a name as available_isas() has it; otherwise nothing changes.
void choose_isa(const std::string& wanted) {
  for (const Isa isa : available_isas()) {
    if (name(isa) == wanted) set_active_isa(isa);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : ThreadPool::available_threads();
  Bench bench{ThreadPool(threads), argc > 2 ? std::atoi(argv[2]) : 15, argc > 3 ? argv[3] : ""};
  if (argc > 4 && std::string(argv[4]) == "bf16") bench.factors = Factors::bf16;
  if (argc > 5) choose_isa(argv[5]);
  use_cpu_time = bench.pool.size() == 1;
  std::printf("%s, %d threads, %s time\n", name(active_isa()), bench.pool.size(), use_cpu_time ? "CPU" : "wall");
  bench_gemm(bench, 140, 256, 256, false, true, true);
  for (const bool packed : {true, false}) {
    bench_gemm(bench, 512, 768, 256, false, true, packed);
    bench_gemm(bench, 512, 256, 256, false, true, packed);
    bench_gemm(bench, 512, 1024, 256, false, true, packed);
    bench_gemm(bench, 512, 256, 1024, false, true, packed);
    bench_gemm(bench, 4096, 512, 512, false, true, packed);
    bench_gemm(bench, 4096, 256, 1024, false, true, packed);
    bench_gemm(bench, 4096, 1024, 256, false, true, packed);
    bench_gemm(bench, 2048, 1024, 256, false, false, packed);
    bench_gemm(bench, 4096, 512, 2048, false, true, packed);
  }
  for (const bool transposed : {true, false}) {  // of a slab of the small twin
    bench_gemm(bench, 256, 512, 128, false, transposed, true);
    bench_gemm(bench, 256, 128, 512, false, transposed, true);
    bench_gemm(bench, 256, 64, 128, false, transposed, true);
  }
  bench_gemm(bench, 512, 128, 256, true, false, false);
  bench_gemm(bench, 128, 64, 256, true, false, false);
  bench_gemm(bench, 2048, 2048, 2048, false, false, false);
  bench_gemm(bench, 256, 768, 512, true, false, false);
  bench_gemm(bench, 1024, 256, 512, true, false, false);
  bench_gemm(bench, 256, 1024, 512, true, false, false);
  bench_gemm(bench, 256, 256, 4096, true, false, false);
  bench_gemm(bench, 512, 512, 4096, true, false, false);
  bench_gemm(bench, 2048, 512, 4096, true, false, false);
  bench_gemm(bench, 1024, 256, 4096, true, false, false);
  bench_gemm(bench, 512, 512, 512, false, true, false, 16);
  bench_gemm(bench, 256, 256, 256, false, true, false, 16);
  bench_gemm(bench, 256, 1024, 256, false, false, false, 16);
  for (const bool narrow : {false, true}) {
    if (narrow && !takes_narrow(bench.factors)) break;
    bench_attention(bench, 16, 256, 4, 2, 32, narrow);
    bench_attention(bench, 16, 256, 4, 4, 32, narrow);
    bench_attention(bench, 8, 512, 4, 4, 64, narrow);
    bench_attention(bench, 8, 512, 8, 4, 64, narrow);
    bench_attention(bench, 2, 2048, 8, 4, 64, narrow);
    bench_attention(bench, 4, 1024, 4, 4, 128, narrow);
  }
  return 0;
}
