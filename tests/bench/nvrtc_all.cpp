// Compiles by NVRTC every kernel that the manifests' programs need on a GPU, without one: training in the first and the
// last phase, the update, the evaluation; in f32 and bf16. Writes what each takes.
//   nvrtc_all ARCHITECTURE OUT [MANIFEST ...]   ARCHITECTURE: 80, 90, ...; OUT.json and OUT.md; all of manifests/
//                                               and "gpt", the benchmarks' GPT with biases, without names
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <stdexcept>
#include <thread>

#include "core/base/file.hpp"
#include "core/cuda/cuda_executor.hpp"
#include "core/cuda/runtime/kernel_compiler.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "tests/bench/gpt.hpp"
#include "tests/cuda/listing_device.hpp"
#include "tests/records/twins.hpp"
#include "test_paths.hpp"

namespace {

using namespace caddie;
namespace fs = std::filesystem;
using cuda::testing::ListingDevice;

constexpr const char* kGpt = "gpt";  // instead of a manifest

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

struct Listed {
  std::string manifest, precision;
  std::size_t kernels = 0;  // different ones
  std::vector<cuda::Product> products;

  [[nodiscard]] long count(bool (*which)(const cuda::Product&)) const { return std::ranges::count_if(products, which); }
};

struct Row {
  cuda::KernelSource source;
  std::string first_manifest;
  int registers = 0, stack = 0, spill_stores = 0, spill_loads = 0, static_shared = 0;
  std::size_t bytes = 0;
  double seconds = 0;
};

std::unique_ptr<graph::Executor> executor_for(const std::shared_ptr<ListingDevice>& device,
                                              graph::Precision precision) {
  graph::ExecutorOptions options;
  options.precision = precision;
  return cuda::make_cuda_executor(device, options);
}

// Forward and gradients of all parameters at the end of the run, as plain leaves.
graph::Graph last_phase(const records::Twin& twin, bool segments) {
  const manifest::Manifest& m = twin.manifest();
  auto build = value_of(twin.model().build(
      {CADDIE_MODE_TRAIN, m.train.batch / m.train.accumulate, m.train.context, segments, 1, 0}));
  const graph::Value loss = build.wire("loss");
  build.graph.output("loss", loss);
  graph::Graph fused = value_of(graph::fuse_linear_cross_entropy(build.graph));
  graph::Value total = 0;
  for (const graph::Output& output : fused.outputs()) {
    if (output.name == "loss") total = output.value;
  }
  std::vector<graph::Value> wanted;
  for (const graph::Leaf& leaf : fused.leaves()) {
    if (leaf.kind == graph::LeafKind::parameter && fused.dtype(leaf.value) == graph::DType::f32)
      wanted.push_back(leaf.value);
  }
  const auto gradients = value_of(graph::gradients(fused, total, wanted));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (gradients[i] == 0) continue;
    const graph::Shape shape = fused.shape(wanted[i]);
    fused.update(fused.leaf(graph::LeafKind::state, fmt::format("gradient/{}", i), graph::DType::f32, shape),
                 gradients[i]);
  }
  return fused;
}

graph::Graph evaluation(const records::Twin& twin) {
  const manifest::Manifest& m = twin.manifest();
  auto build = value_of(twin.model().build({CADDIE_MODE_EVALUATE, 16, m.train.context, false, 1, 0}));
  build.graph.output("nll", build.wire("nll"));
  return value_of(graph::fuse_linear_cross_entropy(build.graph));
}

// What trains and scores; plugins that come afterwards need no kernels and may be missing.
manifest::Resolution resolved(const std::string& file) {
  manifest::Resolution resolution = records::resolve_manifest(file);
  const bool lanes = resolution.manifest.loader && resolution.manifest.loader->config.contains("lanes");
  if (lanes)
    resolution = records::resolve_manifest(file, {records::set("loader.lanes=1")});  // the tokens are one shard
  for (auto* section : {&resolution.manifest.quantize, &resolution.manifest.compress, &resolution.manifest.evaluators})
    section->clear();
  resolution.manifest.ttt.reset();
  return resolution;
}

Listed listed(const std::string& name, const ListingDevice& device, graph::Precision precision) {
  return {name, precision == graph::Precision::f32 ? "f32" : "bf16", device.kernels().size(), device.products()};
}

// The manifest's kernels, gathered by `device`.
Listed list(const std::string& file, const std::shared_ptr<ListingDevice>& device, graph::Precision precision) {
  records::Twin twin(resolved(file), executor_for(device, precision));
  twin.start();  // first phase and update
  const auto executor = executor_for(device, precision);
  value_of(executor->compile(last_phase(twin, false)));
  value_of(executor->compile(evaluation(twin)));
  return listed(file, *device, precision);
}

// The GPT of the benchmarks, with biases and GELU: gradients and update.
Listed list_gpt(const std::shared_ptr<ListingDevice>& device, graph::Precision precision) {
  const auto executor = executor_for(device, precision);
  value_of(executor->compile(value_of(bench::gpt_gradient_graph({}))));
  value_of(executor->compile(value_of(bench::gpt_update_graph({}))));
  return listed(kGpt, *device, precision);
}

int number(const std::string& log, const char* pattern) {
  std::smatch found;
  return std::regex_search(log, found, std::regex(pattern)) ? std::stoi(found[1]) : 0;
}

void read_log(const std::string& log, Row& row) {
  row.registers = number(log, "Used (\\d+) registers");
  row.stack = number(log, "(\\d+) bytes stack frame");
  row.spill_stores = number(log, "(\\d+) bytes spill stores");
  row.spill_loads = number(log, "(\\d+) bytes spill loads");
  row.static_shared = number(log, "(\\d+) bytes smem");
}

std::vector<std::string> all_manifests() {
  std::vector<std::string> out{"quickstart.json"};
  for (const char* folder : {"records", "records/small"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(CADDIE_SOURCE_DIR) / "manifests" / folder)) {
      const std::string name = entry.path().filename().string();
      const bool shared = name == "stack.json" || name == "clear.json";  // parts of other manifests
      if (name.ends_with(".json") && !shared) out.push_back(fmt::format("{}/{}", folder, name));
    }
  }
  std::ranges::sort(out);
  out.emplace_back(kGpt);
  return out;
}

std::string summary(const cuda::KernelCompiler& compiler, const std::vector<Listed>& listed,
                    const std::vector<Row>& rows) {
  double seconds = 0;
  std::size_t bytes = 0;
  std::vector<const Row*> spilling, heavy;
  for (const Row& row : rows) {
    seconds += row.seconds;
    bytes += row.bytes;
    if (row.spill_stores + row.spill_loads > 0) spilling.push_back(&row);
    heavy.push_back(&row);
  }
  std::ranges::stable_sort(heavy, [](const Row* a, const Row* b) { return a->registers > b->registers; });
  std::string out = fmt::format(
      "# Kernels of all manifests for {} by NVRTC {}\n\n{} different kernels, {:.1f} MiB, {:.0f} seconds of "
      "compiling on one core; {} spill registers.\n\n",
      compiler.target(), compiler.version(), rows.size(), static_cast<double>(bytes) / 1048576.0, seconds,
      spilling.size());
  out += "| manifest | precision | kernels | products | with a factor | a sum | a bias | an activation |\n"
         "|---|---|---|---|---|---|---|---|\n";
  for (const Listed& each : listed) {
    using cuda::Product;
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", each.manifest, each.precision, each.kernels,
                       each.products.size(), each.count([](const Product& p) { return p.alpha != 1 || p.scaled; }),
                       each.count([](const Product& p) { return p.beta != 0; }),
                       each.count([](const Product& p) { return p.has_bias; }),
                       each.count([](const Product& p) { return p.activation != graph::Activation::none; }));
  }
  const auto table = [&](const char* title, const std::vector<const Row*>& some, std::size_t most) {
    out += fmt::format("\n## {}\n\n| kernel | registers | spill stores, loads (bytes) | stack (bytes) | shared "
                       "(bytes) | block | first in |\n|---|---|---|---|---|---|---|\n", title);
    for (std::size_t i = 0; i < std::min(some.size(), most); ++i) {
      const Row& row = *some[i];
      out += fmt::format("| {} | {} | {}, {} | {} | {} | {} | {} |\n", row.source.name, row.registers, row.spill_stores,
                         row.spill_loads, row.stack, row.static_shared + static_cast<int>(row.source.shared_bytes),
                         row.source.block, row.first_manifest);
    }
  };
  table("Kernels that spill", spilling, 40);
  table("Most registers", heavy, 20);
  return out;
}

nlohmann::json as_json(const Row& row) {
  return {{"name", row.source.name}, {"block", row.source.block}, {"registers", row.registers},
          {"spill_store_bytes", row.spill_stores}, {"spill_load_bytes", row.spill_loads}, {"stack_bytes", row.stack},
          {"static_shared_bytes", row.static_shared}, {"dynamic_shared_bytes", row.source.shared_bytes},
          {"image_bytes", row.bytes}, {"compile_seconds", row.seconds}, {"first_manifest", row.first_manifest}};
}

int run(int architecture, const std::string& out, const std::vector<std::string>& manifests) {
  std::vector<Listed> listed;
  std::vector<Row> rows;
  std::vector<cuda::KernelSource> sources;
  std::set<std::string> known;
  for (const std::string& file : manifests) {
    for (const auto precision : {graph::Precision::f32, graph::Precision::bf16}) {
      const auto device = std::make_shared<ListingDevice>();
      listed.push_back(file == kGpt ? list_gpt(device, precision) : list(file, device, precision));
      for (const cuda::KernelSource& source : device->kernels()) {
        if (!known.insert(cuda::complete_source(source)).second) continue;
        sources.push_back(source);
        rows.push_back({source, file});
      }
      const Listed& last = listed.back();
      std::fprintf(stderr, "%s %s: %zu kernels\n", file.c_str(), last.precision.c_str(), last.kernels);
    }
  }
  const cuda::KernelCompiler compiler(architecture, {}, true);
  const auto images = value_of(compiler.compile_all(sources, static_cast<int>(std::thread::hardware_concurrency())));
  nlohmann::json kernels = nlohmann::json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].bytes = images[i].bytes.size();
    rows[i].seconds = images[i].seconds;
    read_log(images[i].log, rows[i]);
    kernels.push_back(as_json(rows[i]));
  }
  const std::string text = summary(compiler, listed, rows);
  const nlohmann::json all{{"target", compiler.target()}, {"nvrtc", compiler.version()}, {"kernels", kernels}};
  if (auto done = write_atomically(out + ".md", text); !done) throw std::runtime_error(done.error().message());
  if (auto done = write_atomically(out + ".json", all.dump(1) + "\n"); !done)
    throw std::runtime_error(done.error().message());
  std::printf("%s", text.substr(0, text.find("\n## ")).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "nvrtc_all ARCHITECTURE OUT [MANIFEST ...]\n");
    return 2;
  }
  try {
    std::vector<std::string> manifests(argv + 3, argv + argc);
    return run(std::atoi(argv[1]), argv[2], manifests.empty() ? all_manifests() : manifests);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
