#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/comm/launch.hpp"
#include "test_paths.hpp"

namespace caddie::comm {
namespace {

// What a command prints, and its exit code.
std::pair<std::string, int> output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
  const int status = ::pclose(pipe);
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

const std::string kMember = CADDIE_BUILD_DIR "/bin/group_member";

class Groups : public testing::TestWithParam<int> {};

TEST_P(Groups, ExchangeValues) {
  if (!std::filesystem::exists(CADDIE_BUILD_DIR "/lib/caddie/libcaddie_mpi.so") ||
      std::system("command -v mpirun > /dev/null") != 0) {
    GTEST_SKIP() << "needs mpirun and a build with MPI (Debian: openmpi-bin, libopenmpi-dev)";
  }
  const std::string count = std::to_string(GetParam());
  const auto [text, code] = output_of(
      "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n " + count + " " + kMember);
  EXPECT_EQ(code, 0) << text;
  EXPECT_THAT(text, testing::HasSubstr("fine with " + count));
}
INSTANTIATE_TEST_SUITE_P(OfSizes, Groups, testing::Values(2, 3, 5));

TEST(Group, OneProcessNeedsNoLauncher) {
  const auto [text, code] = output_of(kMember);
  EXPECT_EQ(code, 0) << text;
  EXPECT_EQ(text, "fine with 1\n");
}

// The variables of a launcher, but nothing of MPI beside the program.
TEST(Group, WithoutMpiALaunchIsRefusedInASentence) {
  const std::filesystem::path lonely = std::filesystem::temp_directory_path() / "caddie-lonely" / "bin";
  std::filesystem::create_directories(lonely);
  std::filesystem::copy_file(kMember, lonely / "group_member", std::filesystem::copy_options::overwrite_existing);
  const auto [text, code] =
      output_of("OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 " + (lonely / "group_member").string());
  EXPECT_EQ(code, 8);
  EXPECT_THAT(text, testing::HasSubstr("started 2 processes, but this build has no MPI"));
  std::filesystem::remove_all(lonely.parent_path());
}

TEST(Launch, IsReadFromTheEnvironment) {
  const auto with = [](const char* rank, const char* size) {
    ::setenv("PMI_RANK", rank, 1);
    ::setenv("PMI_SIZE", size, 1);
    return find_launch();
  };
  ASSERT_TRUE(with("1", "4"));
  EXPECT_EQ(with("1", "4")->rank, 1);
  EXPECT_EQ(with("1", "4")->size, 4);
  for (const auto& [rank, size] : {std::pair("0", "1"), {"4", "4"}, {"-1", "4"}, {"x", "4"}, {"1", ""}, {"1", "99999999999"}})
    EXPECT_FALSE(with(rank, size)) << rank << " of " << size;
  ::unsetenv("PMI_RANK");
  ::unsetenv("PMI_SIZE");
}

}  // namespace
}  // namespace caddie::comm
