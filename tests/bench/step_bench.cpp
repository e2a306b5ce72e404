// Whole training steps of the plain GPT on the processor, and the machine's ceiling beside them.
//   bench_step export DIR                    writes sizes.txt, weights.bin and tokens.bin for other programs
//   bench_step serve DIR THREADS             peers' protocol, see tests/bench/run.py: "run N" -> one line of JSON
//   bench_step probe THREADS                 the same protocol: "run N" -> N rounds of multiply-adds
//   bench_step profile DIR THREADS STEPS     where the time goes, by group
//   bench_step count DIR THREADS STEPS       steps and nothing else, for callgrind
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "core/cpu/cpu_executor.hpp"
#include "tests/bench/gpt.hpp"
#include "tests/bench/probe.hpp"

namespace {

using namespace caddie;
using bench::cpu_seconds;
using bench::GptSizes;
using bench::GptTrainer;
using bench::wall_seconds;

constexpr std::int64_t kBatches = 50;  // then from the first again

int report(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

GptSizes read_sizes(const std::string& folder) {
  GptSizes n;
  std::ifstream in(folder + "/sizes.txt");
  in >> n.layers >> n.dim >> n.heads >> n.context >> n.vocab >> n.batch;
  return n;
}

template <class Number>
void write_all(const std::string& path, const std::vector<Number>& numbers) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(Number)));
}

int export_files(const std::string& folder) {
  const GptSizes n = read_sizes(folder);
  std::ofstream(folder + "/sizes.txt") << n.layers << ' ' << n.dim << ' ' << n.heads << ' ' << n.context << ' '
                                       << n.vocab << ' ' << n.batch << '\n';
  write_all(folder + "/weights.bin", bench::gpt_weights(n));
  write_all(folder + "/tokens.bin", bench::gpt_tokens(n, kBatches));
  return 0;
}

struct Run {
  GptSizes n;
  std::vector<std::int32_t> tokens;
  std::unique_ptr<graph::Executor> executor;
  std::unique_ptr<GptTrainer> trainer;
  std::int64_t steps = 0;
  double ready_wall = 0;
  double ready_cpu = 0;

  Result<float> step() {
    const std::int64_t batch = steps++ % kBatches;
    return trainer->step(tokens.data() + batch * n.batch * (n.context + 1));
  }
};

Result<Run> prepare(const std::string& folder, int threads, graph::Precision precision, bool profile) {
  Run run;
  run.n = read_sizes(folder);
  run.tokens = bench::gpt_tokens(run.n, kBatches);
  const std::vector<float> weights = bench::gpt_weights(run.n);
  const double wall = wall_seconds();
  const double cpu = cpu_seconds();
  run.executor = cpu::make_cpu_executor({.threads = threads, .precision = precision, .profile = profile});
  auto trainer = GptTrainer::make(*run.executor, run.n, weights);
  if (!trainer) return trainer.error();
  run.trainer = std::move(*trainer);
  run.ready_wall = wall_seconds() - wall;
  run.ready_cpu = cpu_seconds() - cpu;
  return run;
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-6;
}

int serve(const std::string& folder, int threads, graph::Precision precision) {
  auto run = prepare(folder, threads, precision, false);
  if (!run) return report(run.error());
  graph::Program& program = run->trainer->gradients();
  std::printf("{\"name\": \"caddie\", \"compile_wall\": %.4f, \"compile_cpu\": %.4f, \"arena_mb\": %.1f, \"live_mb\": %.1f}\n",
              run->ready_wall, run->ready_cpu, static_cast<double>(program.arena_bytes()) * 1e-6,
              static_cast<double>(program.live_bytes()) * 1e-6);
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line.starts_with("run ")) {
    std::string losses;
    std::string walls;
    const double cpu = cpu_seconds();
    for (int i = std::atoi(line.c_str() + 4); i > 0; --i) {
      const double start = wall_seconds();
      const auto loss = run->step();
      if (!loss) return report(loss.error());
      walls += std::to_string(wall_seconds() - start) + (i > 1 ? ", " : "");
      losses += std::to_string(*loss) + (i > 1 ? ", " : "");
    }
    std::printf("{\"cpu\": %.6f, \"peak_mb\": %.1f, \"walls\": [%s], \"losses\": [%s]}\n", cpu_seconds() - cpu,
                peak_megabytes(), walls.c_str(), losses.c_str());
    std::fflush(stdout);
  }
  return 0;
}

int serve_probe(int threads) {
  cpu::ThreadPool pool(threads);
  std::printf("{\"name\": \"probe\"}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line.starts_with("run ")) {
    double best_wall = 0;
    double best_cpu = 0;
    for (int i = std::atoi(line.c_str() + 4); i > 0; --i) {
      best_wall = std::max(best_wall, bench::probe(pool, wall_seconds));
      best_cpu = std::max(best_cpu, bench::probe(pool, cpu_seconds));
    }
    std::printf("{\"gflops_wall\": %.2f, \"gflops_cpu\": %.2f}\n", best_wall, best_cpu);
    std::fflush(stdout);
  }
  return 0;
}

int profile(const std::string& folder, int threads, int steps, graph::Precision precision) {
  auto run = prepare(folder, threads, precision, true);
  if (!run) return report(run.error());
  std::map<std::string, graph::ProfileEntry> groups;
  double total = 0;
  for (int i = 0; i <= steps; ++i) {
    if (auto loss = run->step(); !loss) return report(loss.error());
    for (graph::Program* program : {&run->trainer->gradients(), &run->trainer->update()}) {
      for (const graph::ProfileEntry& entry : program->profile()) {
        if (i == 0) continue;
        graph::ProfileEntry& group = groups[program == &run->trainer->update() ? "update" : entry.group];
        group.seconds += entry.busy_seconds;
        group.flops += entry.flops;
        group.bytes += entry.bytes;
        total += entry.busy_seconds;
      }
    }
  }
  for (const auto& [name, group] : groups) {
    std::printf("%-12s %8.2f ms/step %5.1f %% %8.1f GFLOP/s %7.2f GB/s\n", name.c_str(), group.seconds / steps * 1e3,
                100 * group.seconds / total, group.flops / group.seconds * 1e-9, group.bytes / group.seconds * 1e-9);
  }
  std::printf("%-12s %8.2f ms/step\n", "all", total / steps * 1e3);
  std::map<std::string, std::pair<double, int>> names;
  for (graph::Program* program : {&run->trainer->gradients(), &run->trainer->update()}) {
    for (const graph::TraceEvent& event : program->trace()) {
      auto& [seconds, times] = names[event.group + ": " + event.name];
      seconds += event.seconds;
      ++times;
    }
  }
  std::vector<std::pair<double, std::string>> longest;
  for (const auto& [name, entry] : names) longest.emplace_back(entry.first, std::to_string(entry.second) + " " + name);
  std::sort(longest.rbegin(), longest.rend());
  for (std::size_t i = 0; i < std::min<std::size_t>(longest.size(), 25); ++i) {
    std::printf("%8.2f ms/step wall  %s\n", longest[i].first / (steps + 1) * 1e3, longest[i].second.c_str());
  }
  return 0;
}

int count(const std::string& folder, int threads, int steps, graph::Precision precision) {
  auto run = prepare(folder, threads, precision, false);
  if (!run) return report(run.error());
  for (int i = 0; i < steps; ++i) {
    if (auto loss = run->step(); !loss) return report(loss.error());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  const auto precision = args.size() > 1 && args.back() == "bf16" ? graph::Precision::bf16 : graph::Precision::f32;
  if (precision == graph::Precision::bf16) args.pop_back();
  const auto number = [&](std::size_t i) { return std::atoi(args[i].c_str()); };
  if (args.size() == 2 && args[0] == "export") return export_files(args[1]);
  if (args.size() == 2 && args[0] == "probe") return serve_probe(number(1));
  if (args.size() == 3 && args[0] == "serve") return serve(args[1], number(2), precision);
  if (args.size() == 4 && args[0] == "profile") return profile(args[1], number(2), number(3), precision);
  if (args.size() == 4 && args[0] == "count") return count(args[1], number(2), number(3), precision);
  std::fprintf(stderr, "bench_step export DIR | serve DIR THREADS | probe THREADS | profile DIR THREADS STEPS | "
                       "count DIR THREADS STEPS; and \"bf16\" behind for bfloat16 factors\n");
  return 2;
}
