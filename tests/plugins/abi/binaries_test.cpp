// Plugin files of earlier releases, kept as they were built (tests/plugins/binaries/make.sh), in the host of today.
#include <gmock/gmock.h>

#include "core/plugins/build.hpp"
#include "test_paths.hpp"
#include "tests/plugins/abi/toolchain.hpp"
#include "tests/plugins/abi/trace.hpp"

namespace caddie::abi_test {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::Not;

// On the reference executor, with the plugins of release 1.0.
constexpr double kFirstLoss = 5.9235014915;
constexpr double kLastLoss = 3.4231407642;
constexpr double kNll = 3.4430516341;

const fs::path kBinaries = CADDIE_SOURCE_DIR "/tests/plugins/binaries";
const fs::path kFixtures = CADDIE_BUILD_DIR "/tests/plugins/fixtures";
const fs::path kPlugins = CADDIE_BUILD_DIR "/lib/caddie/plugins";

std::vector<fs::path> kept(const std::string& name) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kBinaries)) {
    const std::string file = entry.path().filename();
    if (file.starts_with(name + "-") && file.ends_with(".so")) files.push_back(entry.path());
  }
  return files;
}

class Binaries : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(__x86_64__) || !defined(__GLIBC__)
    GTEST_SKIP() << "the kept files are for x86-64 and glibc";
#endif
  }
};

// The numbers are those of the release that the file is of, on the reference executor.
TEST_F(Binaries, NineInterfacesOfEveryReleaseDoWhatTheyDid) {
  const Trace today = trace_of(kFixtures / "nine.so");
  ASSERT_THAT(kept("nine"), Not(IsEmpty()));
  for (const fs::path& file : kept("nine")) {
    const Trace then = trace_of(file);
    EXPECT_TRUE(then == today) << file << ": other bits than the same source built today";
    EXPECT_NE(then.build_info, today.build_info);
    ASSERT_EQ(then.losses.size(), 20u);
    EXPECT_NEAR(then.losses.front(), kFirstLoss, 1e-6) << file;
    EXPECT_NEAR(then.losses.back(), kLastLoss, 1e-5) << file;
    EXPECT_NEAR(then.nll, kNll, 1e-5) << file;
    EXPECT_EQ(then.adaptations, 12u);
  }
}

TEST_F(Binaries, PluginsOfTheWrapperOfEveryReleaseDoWhatTheyDid) {
  const auto today = losses_of(kPlugins / "logit-softcap.so", "logit-softcap", kPlugins / "muon.so", "muon");
  const auto blocks = kept("logit-softcap");
  const auto optimizers = kept("muon");
  ASSERT_THAT(blocks, Not(IsEmpty()));
  ASSERT_EQ(blocks.size(), optimizers.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto then = losses_of(blocks[i], "logit-softcap", optimizers[i], "muon");
    EXPECT_NEAR(then.front(), today.front(), 1e-6) << blocks[i];  // their sources may change, their ABI may not
    EXPECT_LT(then.back(), then.front()) << optimizers[i];
  }
}

}  // namespace
}  // namespace caddie::abi_test
