// What plugins cost before anything is computed: the program's start, scans of 1,000 plugins, loading one, and emitting
// 10,000 operations. Wall-clock times, the best and the median of several.
//   bench_plugins
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/file.hpp"
#include "core/graph/graph.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/library.hpp"
#include "core/plugins/registry.hpp"
#include "test_paths.hpp"

namespace {

using namespace caddie;
namespace fs = std::filesystem;

const std::string kProgram = CADDIE_BUILD_DIR "/bin/caddie";

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

void measure(const char* what, double target_ms, int times, const std::function<void(int)>& act) {
  std::vector<double> ms;
  for (int i = 0; i < times; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    act(i);
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::sort(ms);
  std::printf("%-34s %9.2f ms %9.2f ms %8.0f ms  %d\n", what, ms.front(), ms[ms.size() / 2], target_ms, times);
}

// 1,000 files of one source, each with an id of its own.
void write_plugins(const fs::path& folder) {
  const auto form = read_text(CADDIE_BUILD_DIR "/tests/plugins/fixtures/variant-many.so");
  if (!form) stop(form.error().message());
  const std::size_t at = form->find("id-0000");
  if (at == std::string::npos) stop("the fixture variant-many has no id to replace");
  for (int i = 0; i < 1000; ++i) {
    char id[16];
    std::snprintf(id, sizeof id, "id-%04d", i);
    std::string bytes = *form;
    bytes.replace(at, 7, id);
    std::FILE* file = std::fopen((folder / (std::string(id) + ".so")).c_str(), "wb");
    if (file == nullptr) stop("no plugin can be written to " + folder.string());
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
  }
}

void scan(const plugins::ScanOptions& options) {
  if (plugins::Registry::scan(options).all().size() != 1000) stop("the scan does not find 1,000 plugins");
}

std::uint32_t opcode(graph::Op op) { return static_cast<std::uint32_t>(op); }

// Through the table of C functions that plugins are given.
void emit_ten_thousand() {
  graph::Graph graph;
  const caddie_host_graph& host = *plugins::graph_service();
  auto* const handle = reinterpret_cast<caddie_graph*>(&graph);
  caddie_value x = graph.leaf(graph::LeafKind::parameter, "x", graph::DType::f32, {8, 16});
  for (int i = 0; i < 5000; ++i) {
    const caddie_value sum[2] = {host.emit(handle, opcode(graph::Op::tanh), &x, 1, nullptr, 0), x};
    x = host.emit(handle, opcode(graph::Op::add), sum, 2, nullptr, 0);
  }
  if (graph.nodes().size() != 10001) stop("the graph does not have 10,000 operations");
}

}  // namespace

int main() {
  std::string pattern = (fs::temp_directory_path() / "caddie-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) stop("no folder can be made for the plugins");
  const fs::path folder = pattern;
  fs::create_directory(folder / "plugins");
  write_plugins(folder / "plugins");
  plugins::ScanOptions options;
  options.folders = {folder / "plugins"};
  options.scanner = {kProgram, "plugins", "describe"};

  std::printf("%-34s %12s %12s %11s  runs\n", "", "best", "median", "target");
  measure("caddie --help", 10, 20, [](int) {
    if (std::system((kProgram + " --help > /dev/null").c_str()) != 0) stop("caddie --help fails");
  });
  measure("1,000 plugins, cold scan", 5000, 3, [&](int i) {
    options.cache_file = folder / ("cache-" + std::to_string(i) + ".json");
    scan(options);
  });
  // A file counts as settled, and its cached digest as good, only when it is older than two seconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  scan(options);
  measure("1,000 plugins, from the cache", 50, 10, [&](int) { scan(options); });
  measure("loading one", 1, 50, [&](int i) {
    char name[16];
    std::snprintf(name, sizeof name, "id-%04d.so", i);
    if (!plugins::load_library(folder / "plugins" / name)) stop("a plugin does not load");
  });
  measure("10,000 emit calls", 10, 10, [](int) { emit_ten_thousand(); });
  fs::remove_all(folder);
}
