// Forward, backward and a plain SGD step of the small twin of PR #2163 (loop on, without NEFTune's noise), to be compared
// with the independent PyTorch model of tests/golden/records; twin_peer.py is the other side, run.py --twin the command.
//   bench_twin export DIR          writes sizes.txt, parameters.txt, weights.bin and tokens.bin
//   bench_twin serve DIR THREADS   peers' protocol, see run.py: "run N" -> one line of JSON
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/cpu/cpu_executor.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "core/train/initialise.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/pipeline/model_parts.hpp"
#include "runner/pipeline/workbench.hpp"
#include "test_paths.hpp"
#include "tests/bench/probe.hpp"

namespace {

using namespace caddie;

constexpr std::int64_t kBatch = 16;
constexpr std::int64_t kContext = 256;
constexpr int kBatches = 50;  // then from the first again
constexpr float kRate = 0.02F;

[[noreturn]] void stop(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::exit(1);
}
template <class T>
T value_of(Result<T> result) {
  if (!result) stop(result.error().message());
  return std::move(*result);
}
void must(const Result<void>& result) {
  if (!result) stop(result.error().message());
}

class Twin {
 public:
  Twin() : registry_(pipeline::scan_plugins({CADDIE_BUILD_DIR "/lib/caddie/plugins"}, CADDIE_BUILD_DIR "/bin/caddie")), host_(1) {
    const std::filesystem::path files[] = {CADDIE_SOURCE_DIR "/manifests/records/small/pr-2163.json"};
    using Kind = manifest::Override::Kind;
    const std::vector<manifest::Override> overrides{{Kind::disable, "neftune"}, {Kind::set, fmt::format("model.context={}", kContext)},
                                                    {Kind::set, fmt::format("train.context={}", kContext)}};
    const pipeline::RegistryCatalogue catalogue(registry_);
    resolution_ = manifest::resolve(files, overrides, catalogue);
    if (!resolution_.ok()) stop(manifest::format_issues(resolution_.issues));
    objects_ = value_of(pipeline::create_objects(resolution_.manifest, registry_, host_));
    const plugins::Dims dims = value_of(pipeline::model_dims(resolution_.manifest, 0));
    model_ = value_of(pipeline::make_model(resolution_.manifest, dims, objects_.blocks));
    plugins::BuildRequest request;
    request.mode = CADDIE_MODE_TRAIN;
    request.batch = kBatch;
    request.context = kContext;
    request.progress = 0.5;  // the loop is on
    request.scale = 1;
    build_ = value_of(model_.build(request));
    vocab_ = dims.vocab;
  }

  [[nodiscard]] const plugins::BuildResult& build() const { return build_; }
  [[nodiscard]] int vocab() const { return static_cast<int>(vocab_); }

 private:
  plugins::Registry registry_;
  plugins::Host host_;
  manifest::Resolution resolution_;
  pipeline::Objects objects_;
  plugins::Model model_;
  plugins::BuildResult build_;
  std::int64_t vocab_ = 0;
};

template <class Number>
void write_all(const std::string& path, const std::vector<Number>& numbers) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(Number)));
}
template <class Number>
std::vector<Number> read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  std::vector<Number> numbers(static_cast<std::size_t>(in.tellg()) / sizeof(Number));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(Number)));
  return numbers;
}

int export_files(const Twin& twin, const std::string& folder) {
  std::ofstream list(folder + "/parameters.txt");
  std::vector<float> weights;
  for (const plugins::TensorDeclaration& tensor : twin.build().parameters) {
    list << tensor.path;
    for (const std::int64_t length : tensor.shape.lengths()) list << ' ' << length;
    list << '\n';
    const auto values = value_of(train::initial_values(tensor, 1));
    weights.insert(weights.end(), values.begin(), values.end());
  }
  write_all(folder + "/weights.bin", weights);
  // A fixed successor of every token with some noise, and documents of about a hundred tokens.
  std::mt19937 random(5);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(kBatches * kBatch * (kContext + 1)));
  unsigned token = 7;
  for (std::int32_t& out : tokens) {
    token = random() % 4 == 0 ? static_cast<unsigned>(random()) : token * 31 + 11;
    token = random() % 100 == 0 ? 1 : 4 + token % static_cast<unsigned>(twin.vocab() - 4);
    out = static_cast<std::int32_t>(token);
  }
  write_all(folder + "/tokens.bin", tokens);
  std::ofstream(folder + "/sizes.txt") << kBatch << ' ' << kContext << ' ' << twin.vocab() << ' ' << kRate << '\n';
  return 0;
}

class Steps {
 public:
  Steps(Twin& twin, const std::string& folder, const graph::ExecutorOptions& options) : tokens_(read_all<std::int32_t>(folder + "/tokens.bin")) {
    executor_ = cpu::make_cpu_executor(options);
    plugins::BuildResult build = twin.build();
    build.graph.output("loss", build.wire("loss"));
    graph::Graph graph = value_of(graph::fuse_linear_cross_entropy(build.graph));
    const graph::Value loss = graph.outputs().back().value;
    std::vector<graph::Value> wanted;
    for (const auto& tensor : build.parameters) wanted.push_back(graph.find_leaf(tensor.path)->value);
    const auto gradients = value_of(graph::gradients(graph, loss, wanted));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i] != 0) graph.output("gradient/" + build.parameters[i].path, gradients[i]);
    }
    must(graph.status());
    program_ = value_of(executor_->compile(graph));
    for (const graph::Leaf& leaf : graph.leaves()) memory_[leaf.name] = bound(graph, leaf.name, leaf.value);
    for (const graph::Output& output : graph.outputs()) memory_[output.name] = bound(graph, output.name, output.value);
    const auto weights = read_all<float>(folder + "/weights.bin");
    auto at = weights.begin();
    for (const auto& tensor : build.parameters) {
      const auto count = static_cast<std::size_t>(tensor.shape.elements());
      std::copy_n(at, count, floats(tensor.path));
      at += static_cast<std::ptrdiff_t>(count);
      if (memory_.contains("gradient/" + tensor.path)) trained_.emplace_back(tensor.path, count);
    }
    caddie_step step = {};
    step.struct_size = sizeof step;
    step.fraction = 0.5;
    step.scale = 1;
    for (const plugins::StepScalar& scalar : build.scalars) {
      *floats(scalar.leaf) = static_cast<float>(scalar.function(scalar.user, &step));
    }
  }

  float step() {
    const std::int32_t* batch = tokens_.data() + steps_++ % kBatches * kBatch * (kContext + 1);
    auto* tokens = reinterpret_cast<std::int32_t*>(floats("tokens"));
    auto* targets = reinterpret_cast<std::int32_t*>(floats("targets"));
    for (std::int64_t row = 0; row < kBatch; ++row) {
      std::copy_n(batch + row * (kContext + 1), kContext, tokens + row * kContext);
      std::copy_n(batch + row * (kContext + 1) + 1, kContext, targets + row * kContext);
    }
    must(program_->run({}));
    for (const auto& [path, count] : trained_) {
      float* weight = floats(path);
      const float* gradient = floats("gradient/" + path);
      for (std::size_t i = 0; i < count; ++i) weight[i] -= kRate * gradient[i];
    }
    return *floats("loss");
  }

  graph::Program& program() { return *program_; }

 private:
  graph::BufferPtr bound(const graph::Graph& graph, const std::string& name, graph::Value value) {
    auto buffer = value_of(executor_->allocate(static_cast<std::size_t>(graph.shape(value).elements()) * sizeof(float)));
    must(program_->bind(name, {buffer, 0}));
    return buffer;
  }
  float* floats(const std::string& name) { return static_cast<float*>(memory_.at(name)->host_data()); }

  std::unique_ptr<graph::Executor> executor_;
  std::unique_ptr<graph::Program> program_;
  std::map<std::string, graph::BufferPtr> memory_;
  std::vector<std::pair<std::string, std::size_t>> trained_;
  std::vector<std::int32_t> tokens_;
  std::int64_t steps_ = 0;
};

using Times = std::map<std::string, std::pair<double, int>>;  // seconds, how often

void print_longest(const Times& times, int steps) {
  std::vector<std::pair<double, std::string>> longest;
  double all = 0;
  for (const auto& [name, entry] : times) {
    longest.emplace_back(entry.first, fmt::format("{} {}", entry.second / steps, name));
    all += entry.first;
  }
  std::ranges::sort(longest, std::greater<>());
  for (const auto& [seconds, name] : longest) {
    if (seconds < 0.005 * all) break;
    fmt::print("{:8.2f} ms/step {:5.1f} %  {}\n", seconds / steps * 1e3, 100 * seconds / all, name);
  }
}

// Where the time of a step goes: by group, and by hook's last name and operation.
int profile(Twin& twin, const std::string& folder, graph::ExecutorOptions options, int count) {
  options.profile = true;
  Steps steps(twin, folder, options);
  Times groups;
  Times names;
  const auto add = [](std::pair<double, int>& entry, double seconds) {
    entry.first += seconds;
    ++entry.second;
  };
  for (int i = 0; i <= count; ++i) {
    steps.step();
    const std::vector<graph::TraceEvent> events = steps.program().trace();  // taken each step: a trace has a limit
    if (i == 0) continue;
    for (const graph::TraceEvent& event : events) {
      add(groups[event.group], event.seconds);
      add(names[event.scope.substr(event.scope.rfind('/') + 1) + ": " + event.name], event.seconds);
    }
  }
  print_longest(groups, count);
  fmt::print("\n");
  print_longest(names, count);
  return 0;
}

int serve(Twin& twin, const std::string& folder, const graph::ExecutorOptions& options) {
  Steps steps(twin, folder, options);
  const float first = steps.step();
  fmt::print("{{\"name\": \"caddie cpu\", \"losses\": [{:.9g}]}}\n", first);
  std::fflush(stdout);
  for (std::string word; std::cin >> word;) {
    int count = 0;
    if (word != "run" || !(std::cin >> count)) break;
    std::string walls, losses;
    const double cpu = bench::cpu_seconds();
    for (int i = 0; i < count; ++i) {
      const double begin = bench::wall_seconds();
      losses += fmt::format("{}{:.9g}", i > 0 ? ", " : "", steps.step());
      walls += fmt::format("{}{:.6f}", i > 0 ? ", " : "", bench::wall_seconds() - begin);
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    fmt::print("{{\"cpu\": {:.6f}, \"walls\": [{}], \"losses\": [{}], \"peak_mb\": {:.0f}}}\n", bench::cpu_seconds() - cpu, walls,
               losses, static_cast<double>(usage.ru_maxrss) * 1024e-6);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  graph::ExecutorOptions options;
  if (!args.empty() && args.back() == "bf16") {
    options.precision = graph::Precision::bf16;
    args.pop_back();
  }
  const std::string what = args.empty() ? "" : args[0];
  const std::map<std::string, std::size_t> counts{{"export", 2}, {"serve", 3}, {"profile", 4}};
  if (!counts.contains(what) || args.size() != counts.at(what)) {
    stop("bench_twin export DIR | serve DIR THREADS | profile DIR THREADS STEPS; and \"bf16\" behind for bfloat16 factors");
  }
  Twin twin;
  if (what == "export") return export_files(twin, args[1]);
  options.threads = std::stoi(args[2]);
  return what == "serve" ? serve(twin, args[1], options) : profile(twin, args[1], options, std::stoi(args[3]));
}
