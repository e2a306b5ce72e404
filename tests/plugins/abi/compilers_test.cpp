// The same plugins built by other compilers, languages and libraries leave the same trace, bit by bit.
#include <gmock/gmock.h>

#include <fstream>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "test_paths.hpp"
#include "tests/plugins/abi/toolchain.hpp"
#include "tests/plugins/abi/trace.hpp"

namespace caddie::abi_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

struct Toolchain {
  const char* name;
  const char* tool;  // what must be there
  const char* command;
};

class CPlugins : public ::testing::TestWithParam<Toolchain> {};

TEST_P(CPlugins, LeaveTheSameTrace) {
  const Toolchain& with = GetParam();
  if (!is_installed(with.tool)) GTEST_SKIP() << with.tool << " is not installed";
  const Scratch scratch;
  const fs::path file = build_plugin(scratch, with.command, "tests/plugins/abi/nine.c", "nine");
  EXPECT_TRUE(trace_of(file) == trace_of(CADDIE_BUILD_DIR "/tests/plugins/fixtures/nine.so"));
}

// The last one compiles with the headers of musl; what it calls comes from the C library of the host.
INSTANTIATE_TEST_SUITE_P(Abi, CPlugins,
                         ::testing::Values(Toolchain{"gcc_c99_O0", "gcc", "gcc -std=c99 -pedantic -Werror -O0"},
                                           Toolchain{"gcc_c11_O3", "gcc", "gcc -std=c11 -O3 -flto"},
                                           Toolchain{"clang_c99_O0", "clang", "clang -std=c99 -pedantic -Werror -O0"},
                                           Toolchain{"clang_c11_O3", "clang", "clang -std=c11 -O3"},
                                           Toolchain{"musl", "musl-gcc", "musl-gcc -std=c99 -O2 -nostdlib"}),
                         [](const auto& info) { return info.param.name; });

class CxxPlugins : public ::testing::TestWithParam<Toolchain> {};

TEST_P(CxxPlugins, GiveTheSameLosses) {
  const Toolchain& with = GetParam();
  if (!is_installed(with.tool)) GTEST_SKIP() << with.tool << " is not installed";
  const std::string command = with.command;
  const Scratch scratch;
  if (command.find("-stdlib=libc++") != std::string::npos) {
    std::ofstream(scratch / "probe.cpp") << "#include <vector>\nstd::vector<int> probe;\n";
    const Command probe = run_command("clang++ -stdlib=libc++ -fPIC -shared " + (scratch / "probe.cpp").string() +
                                      " -o " + (scratch / "probe.so").string());
    if (probe.exit_code != 0) GTEST_SKIP() << "libc++ is not installed (Debian: libc++-dev, libc++abi-dev)";
  }
  const auto build = [&](const char* source, const char* name) { return build_plugin(scratch, command, source, name); };
  const fs::path block = build("plugins/blocks/mega-ema/mega-ema.cpp", "mega-ema");
  const fs::path optimizer = build("plugins/optimizers/muon/muon.cpp", "muon");
  const fs::path plugins = CADDIE_BUILD_DIR "/lib/caddie/plugins";
  EXPECT_EQ(losses_of(block, "mega-ema", optimizer, "muon"),
            losses_of(plugins / "mega-ema.so", "mega-ema", plugins / "muon.so", "muon"));
  const std::string needed = run_command("readelf -d " + block.string()).output;
  if (command.find("-static-libstdc++") != std::string::npos) {
    EXPECT_THAT(needed, Not(HasSubstr("libstdc++")));
  } else if (command.find("-stdlib=libc++") != std::string::npos) {
    EXPECT_THAT(needed, HasSubstr("libc++"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Abi, CxxPlugins,
    ::testing::Values(Toolchain{"gcc", "g++", "g++ -std=c++20 -O1 -fno-gnu-unique"},
                      Toolchain{"gcc_static_runtime", "g++", "g++ -std=c++20 -O2 -static-libstdc++ -static-libgcc"},
                      Toolchain{"clang", "clang++", "clang++ -std=c++20 -O2"},
                      Toolchain{"clang_libcxx", "clang++", "clang++ -std=c++20 -O2 -stdlib=libc++"}),
    [](const auto& info) { return info.param.name; });

// Two folders, debug information and all: the same bytes, for those who build with caddie_add_plugin.
TEST(Reproducible, TwoFoldersGiveTheSameFile) {
  if (!is_installed("cmake")) GTEST_SKIP() << "cmake is not installed";
  std::vector<std::string> digests;
  for (int i = 0; i < 2; ++i) {
    const Scratch scratch;
    fs::copy_file(CADDIE_SOURCE_DIR "/plugins/blocks/logit-softcap/logit-softcap.cpp", scratch / "plugin.cpp");
    std::ofstream(scratch / "CMakeLists.txt")
        << "cmake_minimum_required(VERSION 3.25)\nproject(outside LANGUAGES C CXX)\n"
           "add_library(caddie_sdk INTERFACE)\nadd_library(caddie::sdk ALIAS caddie_sdk)\n"
           "target_include_directories(caddie_sdk INTERFACE " CADDIE_SOURCE_DIR
           "/sdk/include)\n"
           "include(" CADDIE_SOURCE_DIR
           "/sdk/cmake/CaddiePlugin.cmake)\n"
           "caddie_add_plugin(plugin plugin.cpp)\n";
    const std::string folder = scratch.path().string();
    const Command built = run_command("cmake -G Ninja -S " + folder + " -B " + folder +
                                      "/build -DCMAKE_BUILD_TYPE=RelWithDebInfo && cmake --build " + folder + "/build");
    ASSERT_EQ(built.exit_code, 0) << built.output;
    digests.push_back(sha256_hex(*read_bytes(scratch / "build/plugin.so")));
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace caddie::abi_test
