#include "runner/doctor/graphics.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <optional>

namespace caddie::doctor {
namespace {

// Results and names of the driver's C interface, as far as they are asked for here.
constexpr int kSuccess = 0;
constexpr int kNoDevice = 100;
constexpr int kMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kMinor = 76;

struct Driver {
  int (*init)(unsigned) = nullptr;
  int (*version)(int*) = nullptr;
  int (*count)(int*) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int (*attribute)(int*, int, int) = nullptr;
  int (*memory)(std::size_t*, int) = nullptr;
};

template <class Function>
bool take(Libraries& libraries, void* library, const char* name, Function** function) {
  *function = reinterpret_cast<Function*>(libraries.symbol(library, name));
  return *function != nullptr;
}

std::optional<Driver> driver_in(Libraries& libraries, void* library) {
  Driver driver;
  const bool whole = take(libraries, library, "cuInit", &driver.init) &&
                     take(libraries, library, "cuDriverGetVersion", &driver.version) &&
                     take(libraries, library, "cuDeviceGetCount", &driver.count) &&
                     take(libraries, library, "cuDeviceGetName", &driver.name) &&
                     take(libraries, library, "cuDeviceGetAttribute", &driver.attribute) &&
                     take(libraries, library, "cuDeviceTotalMem_v2", &driver.memory);
  return whole ? std::optional(driver) : std::nullopt;
}

Finding device_finding(const Driver& driver, int index) {
  std::array<char, 256> name{};
  int major = 0;
  int minor = 0;
  std::size_t bytes = 0;
  // A device's ordinal is its handle.
  driver.name(name.data(), static_cast<int>(name.size()) - 1, index);
  driver.attribute(&major, kMajor, index);
  driver.attribute(&minor, kMinor, index);
  driver.memory(&bytes, index);
  Finding finding{fmt::format("gpu {}", index), State::found,
                  fmt::format("{}, compute capability {}.{}, {:.1f} GiB", name.data(), major, minor,
                              static_cast<double>(bytes) / (1 << 30)),
                  ""};
  if (major < 8) {
    finding.state = State::broken;
    finding.advice = "the cuda backend needs compute capability 8.0 or newer";
  }
  return finding;
}

// One library of the toolkit, newest soname first.
struct Part {
  const char* name;
  std::vector<std::string> sonames;
  std::optional<std::string> (*version)(Libraries&, void*);
  const char* advice;
};

std::string dotted(std::size_t number, std::size_t major_unit, std::size_t minor_unit) {
  return fmt::format("{}.{}", number / major_unit, number % major_unit / minor_unit);
}

std::optional<std::string> runtime_version(Libraries& libraries, void* library) {
  int (*get)(int*) = nullptr;
  int number = 0;
  if (!take(libraries, library, "cudaRuntimeGetVersion", &get) || get(&number) != kSuccess) return std::nullopt;
  return dotted(static_cast<std::size_t>(number), 1000, 10);
}
std::optional<std::string> cublas_version(Libraries& libraries, void* library) {
  std::size_t (*get)() = nullptr;
  if (!take(libraries, library, "cublasLtGetVersion", &get)) return std::nullopt;
  return dotted(get(), 10000, 100);
}
std::optional<std::string> nvrtc_version(Libraries& libraries, void* library) {
  int (*get)(int*, int*) = nullptr;
  int major = 0;
  int minor = 0;
  if (!take(libraries, library, "nvrtcVersion", &get) || get(&major, &minor) != kSuccess) return std::nullopt;
  return fmt::format("{}.{}", major, minor);
}
std::optional<std::string> cudnn_version(Libraries& libraries, void* library) {
  std::size_t (*get)() = nullptr;
  if (!take(libraries, library, "cudnnGetVersion", &get)) return std::nullopt;
  return dotted(get(), 10000, 100);
}
std::optional<std::string> nccl_version(Libraries& libraries, void* library) {
  int (*get)(int*) = nullptr;
  int number = 0;
  if (!take(libraries, library, "ncclGetVersion", &get) || get(&number) != kSuccess) return std::nullopt;
  return dotted(static_cast<std::size_t>(number), 10000, 100);
}

const std::array<Part, 5>& parts() {
  static constexpr const char* kToolkit = "the cuda backend needs it: install the CUDA Toolkit";
  static const std::array<Part, 5> all = {
      {{"cuda runtime", {"libcudart.so.13", "libcudart.so.12"}, runtime_version, ""},
       {"cublaslt", {"libcublasLt.so.13", "libcublasLt.so.12"}, cublas_version, kToolkit},
       {"nvrtc", {"libnvrtc.so.13", "libnvrtc.so.12"}, nvrtc_version, kToolkit},
       {"cudnn", {"libcudnn.so.9", "libcudnn.so.8"}, cudnn_version, ""},
       {"nccl", {"libnccl.so.2"}, nccl_version, ""}}};
  return all;
}

Finding part_finding(Libraries& libraries, const Part& part) {
  std::string why;  // of the newest name
  for (const std::string& soname : part.sonames) {
    std::string reason;
    void* library = libraries.open(soname, &reason);
    if (why.empty()) why = reason;
    if (library == nullptr) continue;
    const auto version = part.version(libraries, library);
    if (version) return {part.name, State::found, *version + " (" + soname + ")", ""};
    return {part.name, State::broken, soname + " does not tell its version", "it is no library of this name; look at what it is"};
  }
  return {part.name, State::missing, why.empty() ? part.sonames.front() + " is not there" : why, part.advice};
}

}  // namespace

std::vector<Finding> find_graphics(Libraries& libraries) {
  std::string why;
  void* library = libraries.open("libcuda.so.1", &why);
  if (library == nullptr) {
    return {{"gpu", State::missing, "no NVIDIA driver: " + why,
             "the cuda backend needs one; the cpu backend does without"}};
  }
  const auto driver = driver_in(libraries, library);
  if (!driver) return {{"gpu", State::broken, "libcuda.so.1 is no NVIDIA driver", "install the driver anew"}};
  int version = 0;
  driver->version(&version);
  std::vector<Finding> findings = {
      {"driver", State::found, "for CUDA " + dotted(static_cast<std::size_t>(version), 1000, 10), ""}};
  const int code = driver->init(0);
  int count = 0;
  if (code == kSuccess) driver->count(&count);
  if (code != kSuccess && code != kNoDevice) {
    findings.push_back({"gpu", State::broken, fmt::format("the driver does not start (CUDA error {})", code),
                        "look at nvidia-smi and the kernel's log"});
    return findings;
  }
  if (count == 0) {
    findings.push_back({"gpu", State::missing, "the driver sees no device",
                        "CUDA_VISIBLE_DEVICES may hide it; in a container, give it to the container"});
  }
  for (int index = 0; index < count; ++index) findings.push_back(device_finding(*driver, index));
  return findings;
}

std::vector<Finding> find_toolkit(Libraries& libraries) {
  std::vector<Finding> findings;
  for (const Part& part : parts()) findings.push_back(part_finding(libraries, part));
  return findings;
}

}  // namespace caddie::doctor
