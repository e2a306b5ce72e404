#include "core/cuda/runtime/kernel_compiler.hpp"

#include <fmt/format.h>
#include <nvrtc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"

namespace caddie::cuda {
namespace {

struct NvrtcProgram {
  nvrtcProgram handle = nullptr;
  ~NvrtcProgram() {
    if (handle != nullptr) nvrtcDestroyProgram(&handle);
  }
};

// The architecture itself where NVRTC knows it, else PTX of the newest that it knows.
std::string target_of(int architecture) {
  int count = 0;
  if (nvrtcGetNumSupportedArchs(&count) != NVRTC_SUCCESS || count <= 0) return fmt::format("sm_{}", architecture);
  std::vector<int> known(static_cast<std::size_t>(count));
  if (nvrtcGetSupportedArchs(known.data()) != NVRTC_SUCCESS) return fmt::format("sm_{}", architecture);
  if (std::ranges::find(known, architecture) != known.end()) return fmt::format("sm_{}", architecture);
  return fmt::format("compute_{}", std::ranges::max(known));
}

std::string log_of(nvrtcProgram program) {
  std::size_t size = 0;
  if (nvrtcGetProgramLogSize(program, &size) != NVRTC_SUCCESS || size < 2) return {};
  std::string log(size, '\0');
  nvrtcGetProgramLog(program, log.data());
  log.resize(size - 1);
  return log;
}

}  // namespace

KernelCompiler::KernelCompiler(int architecture, std::filesystem::path folder, bool verbose)
    : target_(target_of(architecture)), folder_(std::move(folder)), verbose_(verbose) {
  int major = 0;
  int minor = 0;
  nvrtcVersion(&major, &minor);
  version_ = fmt::format("{}.{}", major, minor);
}

Result<KernelImage> KernelCompiler::compile(const KernelSource& source) const {
  const std::string text = complete_source(source);
  if (folder_.empty() || verbose_) return compile_text(source, text);
  const std::string name = sha256_hex(fmt::format("{}\n{}\n{}", version_, target_, text));
  const std::filesystem::path file = folder_ / (name + ".cubin");
  std::error_code code;
  if (std::filesystem::exists(file, code)) {
    if (auto bytes = read_bytes(file); bytes && !bytes->empty()) return KernelImage{std::move(*bytes), {}, 0};
  }
  auto image = compile_text(source, text);
  if (!image) return image;
  // A cache that cannot be written costs time, nothing else.
  if (make_folder(folder_)) static_cast<void>(write_atomically(file, image->bytes).ok());
  return image;
}

Result<KernelImage> KernelCompiler::compile_text(const KernelSource& source, const std::string& text) const {
  const auto start = std::chrono::steady_clock::now();
  NvrtcProgram program;
  const auto failed = [&](nvrtcResult result) {
    return Error{Code::internal, source.name,
                 fmt::format("NVRTC does not compile this kernel for {}: {}. {}", target_, nvrtcGetErrorString(result),
                             log_of(program.handle).substr(0, 2000))};
  };
  auto result =
      nvrtcCreateProgram(&program.handle, text.c_str(), (source.name + ".cu").c_str(), 0, nullptr, nullptr);
  if (result != NVRTC_SUCCESS) return failed(result);
  const std::string architecture = "--gpu-architecture=" + target_;
  std::vector<const char*> options{architecture.c_str(), "--std=c++17"};
  if (verbose_) options.push_back("--ptxas-options=-v");
  result = nvrtcCompileProgram(program.handle, static_cast<int>(options.size()), options.data());
  if (result != NVRTC_SUCCESS) return failed(result);
  const bool ptx = target_.starts_with("compute_");
  std::size_t size = 0;
  result = ptx ? nvrtcGetPTXSize(program.handle, &size) : nvrtcGetCUBINSize(program.handle, &size);
  if (result != NVRTC_SUCCESS) return failed(result);
  KernelImage image;
  image.bytes.resize(size);
  auto* bytes = reinterpret_cast<char*>(image.bytes.data());
  result = ptx ? nvrtcGetPTX(program.handle, bytes) : nvrtcGetCUBIN(program.handle, bytes);
  if (result != NVRTC_SUCCESS) return failed(result);
  image.log = log_of(program.handle);
  image.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return image;
}

Result<std::vector<KernelImage>> KernelCompiler::compile_all(std::span<const KernelSource> sources, int threads) const {
  std::vector<KernelImage> images(sources.size());
  std::vector<Error> errors(sources.size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> all_good{true};
  const auto work = [&] {
    for (std::size_t i = next++; i < sources.size() && all_good; i = next++) {
      auto image = compile(sources[i]);
      if (image) {
        images[i] = std::move(*image);
      } else {
        errors[i] = image.error();
        all_good = false;
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 1; i < std::min<int>(threads, static_cast<int>(sources.size())); ++i) workers.emplace_back(work);
    work();
  }
  for (const Error& error : errors) {
    if (!error.text.empty()) return error;
  }
  return images;
}

}  // namespace caddie::cuda
