// Whole training steps on the processor: tokens per second and where the time goes.
//   bench_step [layers] [batch] [vocab] [threads] [steps]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <vector>

#include "core/cpu/cpu_executor.hpp"
#include "tests/cpu/small_model.hpp"

namespace {

using namespace caddie;

int argument(int count, char** values, int index, int fallback) {
  return index < count ? std::atoi(values[index]) : fallback;
}

int report(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

// 2 for each multiply-add of forward and backward products, causal attention counted once below the diagonal.
double flops_per_token(const cpu::testing::ModelSizes& n) {
  const auto d = static_cast<double>(n.dim);
  const double kv = d * static_cast<double>(n.kv_heads) / static_cast<double>(n.heads);
  const double weights =
      static_cast<double>(n.layers) * (2 * d * d + 2 * d * kv + 2 * d * d * static_cast<double>(n.hidden)) +
      d * static_cast<double>(n.vocab);
  const double attention = static_cast<double>(n.layers) * 6 * static_cast<double>(n.context) * d;
  return 6 * weights + attention;
}

}  // namespace

int main(int count, char** values) {
  cpu::testing::ModelSizes n{
      .batch = 8, .context = 512, .dim = 256, .heads = 4, .kv_heads = 4, .vocab = 1024, .layers = 4, .hidden = 4};
  n.layers = argument(count, values, 1, 4);
  n.batch = argument(count, values, 2, 8);
  n.vocab = argument(count, values, 3, 1024);
  const int threads = argument(count, values, 4, 2);
  const int steps = argument(count, values, 5, 10);
  auto graph = cpu::testing::SmallModel(n).training_step();
  if (!graph) return report(graph.error());
  for (const bool profile : {false, true}) {
    const auto executor = cpu::make_cpu_executor({.threads = threads, .profile = profile});
    const std::clock_t started = std::clock();
    auto program = executor->compile(*graph);
    if (!program) return report(program.error());
    const double compile_seconds = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
    for (const graph::Leaf& leaf : graph->leaves()) {
      const auto elements = static_cast<std::size_t>(graph->shape(leaf.value).elements());
      auto buffer = executor->allocate(elements * 4);
      if (!buffer) return report(buffer.error());
      auto* words = static_cast<std::uint32_t*>((*buffer)->host_data());
      auto* reals = static_cast<float*>((*buffer)->host_data());
      for (std::size_t i = 0; i < elements; ++i) {
        const auto noise = static_cast<std::uint32_t>(i * 2654435761U) >> 8;
        if (graph->dtype(leaf.value) == graph::DType::i32) {
          words[i] = noise % static_cast<std::uint32_t>(n.vocab);
        } else if (leaf.kind == graph::LeafKind::parameter) {
          reals[i] = (static_cast<float>(noise) / 16777216.0F - 0.5F) * 0.1F;
        }
      }
      if (auto bound = (*program)->bind(leaf.name, {*buffer, 0}); !bound) return report(bound.error());
    }
    std::vector<double> seconds;
    std::clock_t busy = 0;  // of all threads, idle spinning included
    for (int step = 0; step < steps + 1; ++step) {
      const auto start = std::chrono::steady_clock::now();
      if (step == 1) busy = std::clock();
      if (auto ran = (*program)->run({1, 0, static_cast<std::uint64_t>(step)}); !ran) return report(ran.error());
      if (step > 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      if (step == 0 && profile) (*program)->profile();
    }
    const double busy_seconds = static_cast<double>(std::clock() - busy) / CLOCKS_PER_SEC / steps;
    if (!profile) {
      std::sort(seconds.begin(), seconds.end());
      const double best = static_cast<double>(n.batch * n.context) / seconds.front();
      const double median = static_cast<double>(n.batch * n.context) / seconds[seconds.size() / 2];
      std::printf("compile %.3f CPU seconds, arena %.1f MB (lower bound %.1f)\n", compile_seconds,
                  static_cast<double>((*program)->arena_bytes()) * 1e-6,
                  static_cast<double>((*program)->live_bytes()) * 1e-6);
      std::printf("tokens/s best %.0f, median %.0f; %.0f GFLOP/s best\n", best, median,
                  best * flops_per_token(n) * 1e-9);
      std::printf("%.3f CPU seconds a step: %.0f tokens per CPU second\n", busy_seconds,
                  static_cast<double>(n.batch * n.context) / busy_seconds);
      continue;
    }
    std::map<std::string, graph::ProfileEntry> groups;
    for (const graph::ProfileEntry& entry : (*program)->profile()) {
      graph::ProfileEntry& group = groups[entry.group];
      group.seconds += entry.seconds;
      group.flops += entry.flops;
      group.bytes += entry.bytes;
    }
    for (const auto& [name, group] : groups) {
      std::printf("%-12s %8.2f ms/step %8.1f GFLOP/s %7.2f GB/s\n", name.c_str(), group.seconds / steps * 1e3,
                  group.flops / group.seconds * 1e-9, group.bytes / group.seconds * 1e-9);
    }
  }
  return 0;
}
