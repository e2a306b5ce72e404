#include "tests/cuda/simt/emulated_kernels.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <sstream>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "test_paths.hpp"

namespace caddie::simt {
namespace {

constexpr std::size_t kKernelsOfAUnit = 40;

std::string undefine_all(const std::string& text) {
  std::istringstream lines(text);
  std::string out, line;
  while (std::getline(lines, line)) {
    if (!line.starts_with("#define ")) continue;
    const std::string name = line.substr(8, line.find_first_of(" (", 8) - 8);
    if (name != "UNROLL" && name != "DYNAMIC_SHARED") out += "#undef " + name + "\n";
  }
  return out;
}

Result<void> compile(const std::string& compiler, const std::filesystem::path& folder, const std::string& name,
                     const std::string& text) {
  const std::filesystem::path base = folder / name;
  if (std::filesystem::exists(base.string() + ".so")) return {};
  if (auto done = write_atomically(base.string() + ".cpp", text); !done) return done;
  const std::string command = fmt::format(
      "{0} -std=c++17 -O1 -w -fPIC -shared -ffp-contract=off -fno-strict-aliasing -I{1} {2}.cpp -o {2}.tmp.so > "
      "{2}.log "
      "2>&1 && mv {2}.tmp.so {2}.so",
      compiler, CADDIE_SOURCE_DIR "/tests/cuda/simt", base.string());
  if (std::system(command.c_str()) != 0) {
    const auto log = read_text(base.string() + ".log");
    return Error{Code::internal, base.string() + ".cpp", log ? log->substr(0, 4000) : "the compiler failed"};
  }
  return {};
}

}  // namespace

EmulatedKernels::EmulatedKernels(std::string compiler, std::filesystem::path folder)
    : compiler_(std::move(compiler)), folder_(std::move(folder)) {}

cuda::KernelId EmulatedKernels::add(const cuda::KernelSource& source) {
  const auto found = std::ranges::find(kernels_, source, &Kernel::source);
  if (found != kernels_.end()) return static_cast<cuda::KernelId>(found - kernels_.begin());
  kernels_.push_back({source, nullptr});
  return static_cast<cuda::KernelId>(kernels_.size() - 1);
}

std::string EmulatedKernels::unit(std::size_t first, std::size_t last) const {
  std::string out = "#include \"simt.hpp\"\n";
  for (std::size_t i = first; i < last; ++i) {
    cuda::KernelSource source = kernels_[i].source;
    source.name = fmt::format("kernel_{}", i);
    const std::string text = cuda::complete_source(source);
    out += fmt::format("namespace in_{0} {{\n{1}\nextern \"C\" __attribute__((visibility(\"default\"))) void call_{0}"
                       "(const void* at) {{\n  kernel_{0}(*(const Pointers*)at);\n}}\n}}\n{2}",
                       i, text, undefine_all(text));
  }
  return out;
}

Result<void> EmulatedKernels::compile_waiting(SimtHooks& hooks) {
  if (auto made = make_folder(folder_); !made) return made;
  struct Unit {
    std::size_t first, last;
    std::string name, text;
  };
  std::vector<Unit> units;
  for (std::size_t first = compiled_; first < kernels_.size(); first += kKernelsOfAUnit) {
    Unit made{first, std::min(first + kKernelsOfAUnit, kernels_.size()), "", ""};
    made.text = unit(made.first, made.last);
    made.name = sha256_hex(made.text).substr(0, 24);
    units.push_back(std::move(made));
  }
  std::atomic<std::size_t> next{0};
  std::vector<Result<void>> results(units.size());
  const auto work = [&] {
    for (std::size_t i = next++; i < units.size(); i = next++) {
      results[i] = compile(compiler_, folder_, units[i].name, units[i].text);
    }
  };
  std::future<void> other = std::async(std::launch::async, work);
  work();
  other.get();
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (!results[i]) return results[i];
    void* library = dlopen((folder_ / (units[i].name + ".so")).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return Error{Code::internal, units[i].name, dlerror()};
    reinterpret_cast<void (*)(SimtHooks*)>(dlsym(library, "simt_attach"))(&hooks);
    for (std::size_t k = units[i].first; k < units[i].last; ++k) {
      kernels_[k].function =
          reinterpret_cast<KernelFunction>(dlsym(library, fmt::format("call_{}", k).c_str()));
    }
  }
  compiled_ = kernels_.size();
  return {};
}

Result<KernelFunction> EmulatedKernels::function(cuda::KernelId id, SimtHooks& hooks) {
  if (id >= compiled_) {
    if (auto done = compile_waiting(hooks); !done) return done.error();
  }
  return kernels_[id].function;
}

}  // namespace caddie::simt
