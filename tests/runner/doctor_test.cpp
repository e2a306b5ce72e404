// What is said of machines that are not this one: libraries that tests make up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "runner/doctor/doctor.hpp"
#include "runner/doctor/graphics.hpp"
#include "runner/doctor/machine.hpp"

namespace caddie::doctor {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class MadeUp final : public Libraries {
 public:
  std::map<std::string, std::map<std::string, void*>> libraries;

  void* open(const std::string& name, std::string* why) override {
    const auto found = libraries.find(name);
    if (found != libraries.end()) return &found->second;
    *why = name + ": cannot open shared object file";
    return nullptr;
  }
  void* symbol(void* library, const char* name) override {
    const auto& symbols = *static_cast<std::map<std::string, void*>*>(library);
    const auto found = symbols.find(name);
    return found == symbols.end() ? nullptr : found->second;
  }
};

template <class Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

// A driver with `count` devices of capability 9.0, or older ones.
int init_result = 0;
int device_count = 1;
int major_version = 9;
std::map<std::string, void*> driver() {
  const auto init = +[](unsigned) { return init_result; };
  const auto version = +[](int* out) { return *out = 13000, 0; };
  const auto count = +[](int* out) { return *out = device_count, 0; };
  const auto name = +[](char* out, int size, int) { return std::strncpy(out, "A Card", static_cast<std::size_t>(size)), 0; };
  const auto attribute = +[](int* out, int which, int) { return *out = which == 75 ? major_version : 0, 0; };
  const auto memory = +[](std::size_t* out, int) { return *out = std::size_t{80} << 30, 0; };
  return {{"cuInit", address(init)},           {"cuDriverGetVersion", address(version)},
          {"cuDeviceGetCount", address(count)}, {"cuDeviceGetName", address(name)},
          {"cuDeviceGetAttribute", address(attribute)}, {"cuDeviceTotalMem_v2", address(memory)}};
}

class Graphics : public testing::Test {
 protected:
  void SetUp() override {
    init_result = 0;
    device_count = 1;
    major_version = 9;
  }
  MadeUp made_up;
};

TEST_F(Graphics, WithoutADriver) {
  const auto findings = find_graphics(made_up);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].state, State::missing);
  EXPECT_THAT(findings[0].text, HasSubstr("no NVIDIA driver"));
}

TEST_F(Graphics, ADevice) {
  made_up.libraries["libcuda.so.1"] = driver();
  const auto findings = find_graphics(made_up);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].text, "for CUDA 13.0");
  EXPECT_EQ(findings[1].state, State::found);
  EXPECT_EQ(findings[1].text, "A Card, compute capability 9.0, 80.0 GiB");
}

TEST_F(Graphics, ADriverWithoutADevice) {
  made_up.libraries["libcuda.so.1"] = driver();
  init_result = 100;
  EXPECT_THAT(find_graphics(made_up).at(1).text, HasSubstr("sees no device"));
}

TEST_F(Graphics, ADriverThatDoesNotStart) {
  made_up.libraries["libcuda.so.1"] = driver();
  init_result = 999;
  const Finding finding = find_graphics(made_up).at(1);
  EXPECT_EQ(finding.state, State::broken);
  EXPECT_THAT(finding.text, HasSubstr("CUDA error 999"));
}

TEST_F(Graphics, ADeviceThatIsTooOld) {
  made_up.libraries["libcuda.so.1"] = driver();
  major_version = 7;
  const Finding finding = find_graphics(made_up).at(1);
  EXPECT_EQ(finding.state, State::broken);
  EXPECT_THAT(finding.advice, HasSubstr("8.0 or newer"));
}

TEST_F(Graphics, ALibraryThatIsNoDriver) {
  made_up.libraries["libcuda.so.1"] = {};
  EXPECT_EQ(find_graphics(made_up).at(0).state, State::broken);
}

TEST(Toolkit, VersionsAsTheirLibrariesCountThem) {
  MadeUp made_up;
  const auto runtime = +[](int* out) { return *out = 12040, 0; };
  const auto cublas = +[]() { return std::size_t{130001}; };
  const auto nccl = +[](int* out) { return *out = 22703, 0; };
  made_up.libraries["libcudart.so.12"] = {{"cudaRuntimeGetVersion", address(runtime)}};
  made_up.libraries["libcublasLt.so.13"] = {{"cublasLtGetVersion", address(cublas)}};
  made_up.libraries["libnccl.so.2"] = {{"ncclGetVersion", address(nccl)}};
  made_up.libraries["libcudnn.so.9"] = {};
  std::map<std::string, Finding> found;
  for (const Finding& finding : find_toolkit(made_up)) found[finding.part] = finding;
  EXPECT_EQ(found.at("cuda runtime").text, "12.4 (libcudart.so.12)");
  EXPECT_EQ(found.at("cublaslt").text, "13.0 (libcublasLt.so.13)");
  EXPECT_EQ(found.at("nccl").text, "2.27 (libnccl.so.2)");
  EXPECT_EQ(found.at("cudnn").state, State::broken);
  EXPECT_EQ(found.at("nvrtc").state, State::missing);
  EXPECT_THAT(found.at("nvrtc").advice, HasSubstr("install the CUDA Toolkit"));
}

// The backend's library is there; what it needs is not, or is.
TEST(CudaBackend, IsThereWhenItCanBeLoaded) {
  const fs::path folder = fs::canonical(testing::TempDir()) / "doctor-installation";
  const fs::path library = folder / "lib/caddie/libcaddie_cuda.so";
  fs::remove_all(folder);
  fs::create_directories(library.parent_path());
  const fs::path program = folder / "bin/caddie";
  fs::create_directories(program.parent_path());
  std::ofstream(program) << "program";
  MadeUp made_up;
  EXPECT_EQ(find_cuda_backend(program, made_up).text, "this build has none");
  std::ofstream(library) << "library";
  const Finding finding = find_cuda_backend(program, made_up);
  EXPECT_EQ(finding.state, State::missing);
  EXPECT_THAT(finding.text, HasSubstr("cannot open shared object file"));
  EXPECT_THAT(finding.advice, HasSubstr("cuBLASLt"));
  made_up.libraries[library.string()] = {};
  EXPECT_EQ(find_cuda_backend(program, made_up).state, State::found);
  fs::remove_all(folder);
}

TEST(Doctor, OnlyWhatTheProcessorNeedsIsFatal) {
  std::vector<Chapter> chapters = {{"this machine", {{"plugins", State::found, "", ""}}},
                                   {"the cuda backend", {{"gpu", State::broken, "", ""}}}};
  EXPECT_TRUE(can_run(chapters));
  chapters[0].findings[0].state = State::broken;
  EXPECT_FALSE(can_run(chapters));
}

}  // namespace
}  // namespace caddie::doctor
