// A manifest's model on made-up tokens: what a scored token, an adaptation step and a start cost beside plain work.
//
//   bench_model sliding MANIFEST STRIDE ROUNDS [SET...]   a scored token against the forward tokens of its window
//   bench_model profile MANIFEST STRIDE [SET...]          where the time of sliding windows goes
//   bench_model ttt MANIFEST ROUNDS [SET...]              a token of a test-time step against one of a training step
//   bench_model start MANIFEST [SET...]                   build, compile, first step; memory. One process, one start
//
// SET is KEY=VALUE as for `caddie run --set`. One thread and processor time unless compute.threads says otherwise.
// Kinds are interleaved; each line stands beside the multiply-add probe of its moment.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/data/shard.hpp"
#include "core/data/tokenizer.hpp"
#include "core/graph/profiling.hpp"
#include "core/score/evaluation.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/pipeline/model_parts.hpp"
#include "runner/pipeline/profile_report.hpp"
#include "runner/pipeline/train_stage.hpp"
#include "runner/pipeline/workbench.hpp"
#include "test_paths.hpp"
#include "tests/bench/probe.hpp"

namespace {

using namespace caddie;
namespace fs = std::filesystem;

[[noreturn]] void stop(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::exit(1);
}

template <class T>
T value_of(Result<T> result) {
  if (!result) stop(result.error().message());
  return std::move(*result);
}

double median(std::vector<double> numbers) {
  std::ranges::sort(numbers);
  return numbers[numbers.size() / 2];
}

// Everything a manifest needs but text.
class Setting {
 public:
  Setting(const std::string& manifest, std::vector<manifest::Override> sets)
      : registry_(pipeline::scan_plugins({CADDIE_BUILD_DIR "/lib/caddie/plugins"}, CADDIE_BUILD_DIR "/bin/caddie")), catalogue_(registry_),
        resolution_(resolved(manifest, sets)), host_(1),
        objects_(value_of(pipeline::create_objects(manifest_of(), registry_, host_))),
        dims_(value_of(pipeline::model_dims(manifest_of(), 4))),
        model_(value_of(pipeline::make_model(manifest_of(), dims_, objects_.blocks))),
        executor_(value_of(pipeline::make_executor(manifest_of().compute))) {
    folder_ = fs::temp_directory_path() / fmt::format("caddie-bench-model-{}", ::getpid());
    fs::create_directories(folder_);
    std::mt19937 random(1);
    std::vector<data::TokenId> tokens(std::size_t{1} << 19);
    for (data::TokenId& token : tokens) token = static_cast<data::TokenId>(4 + random() % static_cast<unsigned>(dims_.vocab - 4));
    if (auto done = data::write_shard(folder_ / "shard_000000.bin", tokens); !done) stop(done.error().message());
    std::vector<data::Shard> shards;
    shards.push_back(value_of(data::Shard::open(folder_ / "shard_000000.bin")));
    tokens_ = data::TokenStream(std::move(shards));
    std::vector<data::Piece> pieces(static_cast<std::size_t>(dims_.vocab), {"x", data::PieceKind::normal});
    pieces.back().text = data::kSpaceMark;
    bytes_ = value_of(data::ByteTable::build(pieces, "made-up"));
  }
  ~Setting() { fs::remove_all(folder_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  [[nodiscard]] const manifest::Manifest& manifest_of() const { return resolution_.manifest; }
  [[nodiscard]] pipeline::Objects& objects() { return objects_; }
  [[nodiscard]] graph::Executor& executor() { return *executor_; }

  void profile_from_now() {
    sink_ = std::make_shared<graph::ProfileSink>();
    executor_ = graph::make_profiling_executor(value_of(pipeline::make_executor(manifest_of().compute, true)), sink_);
  }
  [[nodiscard]] const graph::ProfileSink& sink() const { return *sink_; }

  std::unique_ptr<train::Trainer> trainer() {
    stage_ = {};
    stage_.executor = executor_.get();
    stage_.manifest = &manifest_of();
    stage_.objects = &objects_;
    stage_.model = &model_;
    stage_.threads = pipeline::thread_count(manifest_of().compute);
    return value_of(train::Trainer::make(*executor_, pipeline::trainer_parts(stage_, tokens_), pipeline::trainer_options(stage_)));
  }

  struct Scored {
    double cpu_seconds = 0;
    score::EvaluationReport report;
  };
  Scored evaluate(const plugins::Object* evaluator, plugins::Object* strategy, const std::vector<train::HostTensor>& weights,
                  std::int64_t targets) {
    score::EvaluationParts parts;
    parts.model = &model_;
    parts.weights = &weights;
    parts.evaluator = evaluator;
    parts.strategy = strategy;
    parts.tokens = &tokens_;
    parts.bytes = &bytes_;
    score::EvaluationOptions options;
    options.context = manifest_of().model.context;
    options.rows = 8;
    options.max_targets = targets;
    const double start = bench::cpu_seconds();
    auto report = value_of(score::evaluate(*executor_, parts, options, {}));
    return {bench::cpu_seconds() - start, std::move(report)};
  }

 private:
  manifest::Resolution resolved(const std::string& file, const std::vector<manifest::Override>& sets) {
    const std::vector<fs::path> files{file};
    manifest::Resolution made = manifest::resolve(files, sets, catalogue_);
    if (!made.ok()) stop(manifest::format_issues(made.issues));
    return made;
  }

  plugins::Registry registry_;
  pipeline::RegistryCatalogue catalogue_;
  manifest::Resolution resolution_;
  plugins::Host host_;
  pipeline::Objects objects_;
  plugins::Dims dims_;
  plugins::Model model_;
  std::unique_ptr<graph::Executor> executor_;
  std::shared_ptr<graph::ProfileSink> sink_;
  pipeline::TrainStage stage_;
  data::TokenStream tokens_;
  data::ByteTable bytes_;
  fs::path folder_;
};

plugins::Object* sliding_of(Setting& setting) {
  for (plugins::Object& object : setting.objects().evaluators) {
    if (object.instance() == "sliding") return &object;
  }
  stop("the manifest has no evaluator \"sliding\"");
}

// The cost of starting an evaluation is taken out by the difference of a long one and a short one.
int sliding(Setting& setting, std::int64_t stride, int rounds) {
  const std::int64_t context = setting.manifest_of().model.context;
  const auto weights = value_of(setting.trainer()->raw_weights());
  cpu::ThreadPool pool(1);
  const auto per_target = [&](const plugins::Object* evaluator, std::int64_t few, std::int64_t many) {
    const double first = setting.evaluate(evaluator, nullptr, weights, few).cpu_seconds;
    return (setting.evaluate(evaluator, nullptr, weights, many).cpu_seconds - first) / static_cast<double>(many - few);
  };
  const auto windows = [&](std::int64_t count) { return context + stride * (8 * count - 1); };
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    const double before = bench::probe(pool, bench::cpu_seconds);
    const double plain = per_target(nullptr, 8 * context, 72 * context);
    const double scored = per_target(sliding_of(setting), windows(5), windows(17));
    ratios.push_back(scored / (plain * static_cast<double>(context) / static_cast<double>(stride)));
    std::printf("probe %.0f GFLOP/s; plain forward token %.2f us, scored token %.2f us of %lld forward tokens: %.3f\n", before,
                plain * 1e6, scored * 1e6, static_cast<long long>(context / stride), ratios.back());
    std::fflush(stdout);
  }
  std::printf("a scored token costs %.3f (median, best %.3f) of its window's forward tokens\n", median(ratios),
              *std::ranges::min_element(ratios));
  return 0;
}

int profile(Setting& setting) {
  const auto weights = value_of(setting.trainer()->raw_weights());
  setting.profile_from_now();
  setting.evaluate(sliding_of(setting), nullptr, weights, 1 << 12);
  std::fputs(pipeline::profile_table(setting.sink(), 0).c_str(), stdout);
  std::map<std::string, std::pair<double, int>> names;
  for (const graph::TraceEvent& event : setting.sink().events) {
    auto& [seconds, times] = names[event.group + ": " + event.name + " " + event.scope];
    seconds += event.seconds;
    ++times;
  }
  std::vector<std::pair<double, std::string>> longest;
  for (const auto& [name, entry] : names) longest.emplace_back(entry.first, fmt::format("{:5} {}", entry.second, name));
  std::ranges::sort(longest, std::greater<>());
  for (std::size_t i = 0; i < std::min<std::size_t>(longest.size(), 40); ++i) {
    std::printf("%8.1f ms wall  %s\n", longest[i].first * 1e3, longest[i].second.c_str());
  }
  return 0;
}

int ttt(Setting& setting, int rounds) {
  if (setting.objects().ttt == nullptr) stop("the manifest has no \"ttt\"");
  auto trainer = setting.trainer();
  const auto weights = value_of(trainer->raw_weights());
  cpu::ThreadPool pool(1);
  for (int i = 0; i < 8; ++i) value_of(trainer->step());
  std::vector<double> ratios;
  // Targets of one adapted chunk more; what scoring it costs is known from an evaluation without a strategy.
  const auto cost = [&](std::int64_t targets, bool adapts) {
    return setting.evaluate(nullptr, adapts ? setting.objects().ttt.get() : nullptr, weights, targets);
  };
  for (int round = 0; round < rounds; ++round) {
    const double before = bench::probe(pool, bench::cpu_seconds);
    double start = bench::cpu_seconds();
    const auto step = value_of(trainer->step());
    value_of(trainer->step());
    const double training = (bench::cpu_seconds() - start) / static_cast<double>(2 * step.tokens);
    const std::int64_t chunk = 8192;
    const auto few = cost(2 * chunk, true);
    const auto many = cost(6 * chunk, true);
    const double scoring = cost(6 * chunk, false).cpu_seconds - cost(2 * chunk, false).cpu_seconds;
    const double steps = static_cast<double>(many.report.adaptations - few.report.adaptations);
    const double adapting = many.cpu_seconds - few.cpu_seconds - scoring;
    const double each = adapting / static_cast<double>(4 * chunk);
    ratios.push_back(each / training);
    std::printf("probe %.0f GFLOP/s; training token %.2f us, adaptation token %.2f us (%.0f steps): %.3f\n", before,
                training * 1e6, each * 1e6, steps, ratios.back());
    std::fflush(stdout);
  }
  std::printf("a token of a test-time step costs %.3f (median, best %.3f) of a training token\n", median(ratios),
              *std::ranges::min_element(ratios));
  return 0;
}

double peak_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") {
      double kilobytes = 0;
      status >> kilobytes;
      return kilobytes / 1024;
    }
  }
  return 0;
}

int start(Setting& setting) {
  const double before_mb = peak_mb();
  const double begin_wall = bench::wall_seconds();
  const double begin = bench::cpu_seconds();
  auto trainer = setting.trainer();
  const double made = bench::cpu_seconds();
  value_of(trainer->step());
  const double first = bench::cpu_seconds();
  const double first_wall = bench::wall_seconds();
  double best = 1e9;
  for (int i = 0; i < 12; ++i) {
    const double from = bench::cpu_seconds();
    value_of(trainer->step());
    best = std::min(best, bench::cpu_seconds() - from);
  }
  const double after_mb = peak_mb();
  double kept = 0;
  for (const auto& [name, bytes] : value_of(trainer->checkpoint()).sections) kept += static_cast<double>(bytes.size());
  const double mega = 1.0 / (1 << 20);
  const double live = static_cast<double>(trainer->gradient_program().program().live_bytes());
  std::printf("build and compile %.3f s, first step %.3f s (processor), together %.3f s (wall); a later step %.3f s\n", made - begin,
              first - made, first_wall - begin_wall, best);
  std::printf("parameters and states %.1f MB, live values of the program at least %.1f MB, arenas %.1f MB\n", kept * mega,
              live * mega, static_cast<double>(trainer->arena_bytes()) * mega);
  std::printf("peak memory %.1f MB, %.1f MB of them before the model: %.2f of (parameters + states + live values)\n", after_mb,
              before_mb, (after_mb - before_mb) / ((kept + live) * mega));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const std::string what = args.empty() ? "" : args[0];
  const std::map<std::string, std::size_t> numbers{{"sliding", 2}, {"profile", 1}, {"ttt", 1}, {"start", 0}};
  const auto known = numbers.find(what);
  if (known == numbers.end() || args.size() < 2 + known->second) {
    stop("bench_model sliding MANIFEST STRIDE ROUNDS [SET...] | profile MANIFEST STRIDE [SET...] | "
         "ttt MANIFEST ROUNDS [SET...] | start MANIFEST [SET...]");
  }
  std::vector<manifest::Override> sets{{manifest::Override::Kind::set, "compute.threads=1"}};
  if (what == "sliding" || what == "profile") {
    sets.push_back({manifest::Override::Kind::set, "evaluators.sliding.stride=" + args[2]});
  }
  for (std::size_t i = 2 + known->second; i < args.size(); ++i) sets.push_back({manifest::Override::Kind::set, args[i]});
  Setting setting(args[1], sets);
  if (what == "sliding") return sliding(setting, std::stoll(args[2]), std::stoi(args[3]));
  if (what == "profile") return profile(setting);
  return what == "ttt" ? ttt(setting, std::stoi(args[2])) : start(setting);
}
