// A block with custom kernels against the same block taken apart into operations: forward, and forward with gradients.
// Times are of the processor.
//   bench_custom [plugin] [batch] [context] [dim] [threads]     a block at attn.in of the build's plugins; mega-ema
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "core/cpu/cpu_executor.hpp"
#include "core/cpu/custom_check.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "core/plugins/model.hpp"
#include "test_paths.hpp"

namespace {

using namespace caddie;
using graph::Graph;
using graph::Value;

[[noreturn]] void stop(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  std::exit(1);
}
template <class T>
T must(Result<T> result) {
  if (!result) stop(result.error());
  return std::move(*result);
}

struct Sizes {
  std::int64_t batch, context, dim;
  int threads;
};

// The hook's graph; its loss is a sum of what comes out.
Graph built(const plugins::Model& model, const Sizes& sizes, bool gradients, bool decomposed) {
  plugins::BuildRequest request;
  request.batch = sizes.batch;
  request.context = sizes.context;
  plugins::Build build(model.dims(), request, &model.blocks());
  build.set_visits({0}, 0);
  build.enter_visit(0);
  const Value x =
      build.graph().leaf(graph::LeafKind::input, "x", graph::DType::f32, {sizes.batch, sizes.context, sizes.dim});
  const Value y = build.run_hook("attn.in", "", {x}, 1)[0];
  if (auto good = build.status(); !good) stop(good.error());
  Graph graph = build.take().graph;
  graph.output("y", y);
  const Value weight = graph.leaf(graph::LeafKind::input, "weight", graph::DType::f32, graph.shape(y));
  const graph::Emitter e{graph};
  graph.output("loss", e.reduce(graph::Op::reduce_sum, e.mul(y, weight), {}, false));
  if (decomposed) graph = must(graph::decompose(graph));
  if (!gradients) return graph;
  std::vector<Value> wanted;
  std::vector<std::string> names;
  for (const graph::Leaf& leaf : graph.leaves()) {
    if (leaf.name == "weight") continue;
    wanted.push_back(leaf.value);
    names.push_back("gradient " + leaf.name);
  }
  const auto made = must(graph::gradients(graph, graph.outputs()[1].value, wanted));
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (made[i] != 0) graph.output(names[i], made[i]);
  }
  return graph;
}

// Milliseconds of processor time, the best of several runs: others on the machine do not count.
double measure(const Graph& graph, int threads, std::size_t& arena) {
  const auto executor = cpu::make_cpu_executor({.threads = threads});
  const auto program = must(executor->compile(graph));
  arena = program->arena_bytes();
  const auto tie = [&](const std::string& name, Value value) {
    const auto elements = static_cast<std::size_t>(graph.shape(value).elements());
    const graph::BufferPtr buffer = must(executor->allocate(elements * sizeof(float)));
    auto* numbers = static_cast<float*>(buffer->host_data());
    for (std::size_t i = 0; i < elements; ++i) numbers[i] = std::sin(static_cast<float>(i));
    if (auto done = program->bind(name, {buffer, 0}); !done) stop(done.error());
  };
  for (const graph::Leaf& leaf : graph.leaves()) tie(leaf.name, leaf.value);
  for (const graph::Output& output : graph.outputs()) tie(output.name, output.value);
  double best = 1e30;
  for (int run = 0; run < 40; ++run) {
    const std::clock_t start = std::clock();
    if (auto done = program->run({}); !done) stop(done.error());
    best = std::min(best, 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

}  // namespace

int main(int count, char** values) {
  const auto number = [&](int index, int fallback) { return index < count ? std::atoi(values[index]) : fallback; };
  const std::string id = count > 1 ? values[1] : "mega-ema";
  const Sizes sizes{number(2, 8), number(3, 512), number(4, 256), number(5, 1)};
  plugins::ScanOptions scan;
  scan.folders = {CADDIE_BUILD_DIR "/lib/caddie/plugins"};
  const plugins::Registry registry = plugins::Registry::scan(scan);
  const plugins::Host host(1);
  nlohmann::json config = nlohmann::json::object();
  if (const plugins::Description* plugin = registry.find("block", id)) {
    for (const auto& [key, schema] : plugin->schema.at("properties").items()) config[key] = schema.at("default");
  }
  const plugins::Object block = must(plugins::Object::create(registry, "block", id, id, config, host));
  plugins::Dims dims;
  dims.vocab = 64;
  dims.dim = sizes.dim;
  dims.layers = 1;
  const std::vector<plugins::BlockEntry> entries{{&block, {}, "", {}}};
  const plugins::Model model = must(plugins::Model::attach(dims, entries));

  for (const Error& failure : cpu::check_custom_kernels(built(model, {2, 48, 96, 1}, false, false)).failures)
    stop(failure);
  std::printf("%s, x [%lld, %lld, %lld], %d threads\n", id.c_str(), static_cast<long long>(sizes.batch),
              static_cast<long long>(sizes.context), static_cast<long long>(sizes.dim), sizes.threads);
  std::printf("%-12s %12s %12s %8s %16s\n", "", "operations", "kernels", "times", "memory, MiB");
  for (const bool gradients : {false, true}) {
    std::size_t plain_arena = 0;
    std::size_t fast_arena = 0;
    const double plain = measure(built(model, sizes, gradients, true), sizes.threads, plain_arena);
    const double fast = measure(built(model, sizes, gradients, false), sizes.threads, fast_arena);
    std::printf("%-12s %9.2f ms %9.2f ms %8.1f %7.1f -> %5.1f\n", gradients ? "and gradient" : "forward", plain, fast,
                plain / fast, static_cast<double>(plain_arena) / 1048576, static_cast<double>(fast_arena) / 1048576);
  }
  return 0;
}
