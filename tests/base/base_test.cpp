// Files, digests and text helpers.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/base/text.hpp"

namespace caddie {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("caddie-base-" + std::to_string(::getpid()));
};

TEST_F(Files, WritesWholeFilesAndLeavesNothingElse) {
  const auto path = folder_ / "deep" / "file.txt";
  ASSERT_TRUE(write_atomically(path, std::string_view("one")).ok());
  ASSERT_TRUE(write_atomically(path, std::string_view("two")).ok());
  EXPECT_EQ(read_text(path).value(), "two");
  const auto entries = std::distance(std::filesystem::directory_iterator(path.parent_path()), {});
  EXPECT_EQ(entries, 1) << "a temporary file was left behind";
}

TEST_F(Files, AFailedWriteKeepsTheOldFileAndNamesTheReason) {
  const auto full = std::filesystem::path("/dev/full");
  if (!std::filesystem::exists(full)) GTEST_SKIP() << "no /dev/full here";
  const auto path = folder_ / "is-a-folder";
  std::filesystem::create_directories(path / "child");
  const auto done = write_atomically(path, std::string_view("text"));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::io);
  EXPECT_NE(done.error().message().find("is-a-folder"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(path / "child"));
}

TEST_F(Files, AMissingFileIsNamed) {
  const auto text = read_text(folder_ / "absent");
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message().find("absent"), std::string::npos);
  EXPECT_NE(text.error().message().find("No such file"), std::string::npos);
  EXPECT_FALSE(read_bytes(folder_).ok()) << "a folder is no file";
}

TEST_F(Files, MappingSeesTheBytes) {
  ASSERT_TRUE(write_atomically(folder_ / "map", std::string_view("bytes")).ok());
  auto mapped = MappedFile::open(folder_ / "map");
  ASSERT_TRUE(mapped.ok());
  const MappedFile moved = std::move(mapped).value();
  EXPECT_EQ(std::string(moved.bytes().begin(), moved.bytes().end()), "bytes");
  ASSERT_TRUE(write_atomically(folder_ / "empty", std::string_view()).ok());
  EXPECT_TRUE(MappedFile::open(folder_ / "empty")->bytes().empty());
}

TEST(Digests, MatchPublishedVectors) {
  EXPECT_EQ(sha256_hex(std::string_view("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string_view()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(xxh3_hex({}), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(to_hex(Sha256().update(std::string_view("a")).update(std::string_view("bc")).finish()), sha256_hex(std::string_view("abc")));
}

TEST(Words, TheNearestNameIsFound) {
  const std::vector<std::string> names = {"window", "bos_mask", "before_norm"};
  EXPECT_EQ(nearest_name("windw", names), "window");
  EXPECT_EQ(nearest_name("something else", names), "");
  EXPECT_EQ(did_you_mean("windo", names), "; did you mean \"window\"?");
}

TEST(Words, NumbersAreGrouped) {
  EXPECT_EQ(with_separators(0), "0");
  EXPECT_EQ(with_separators(999), "999");
  EXPECT_EQ(with_separators(15897259), "15,897,259");
  EXPECT_EQ(with_separators(-1234), "-1,234");
}

TEST(Words, GlobsMatchWholeNames) {
  EXPECT_TRUE(matches_glob("*.attn.*", "blocks.7.attn.q.weight"));
  EXPECT_TRUE(matches_glob("a?c", "abc"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_FALSE(matches_glob("attn", "blocks.7.attn"));
  EXPECT_FALSE(matches_glob("a?c", "ac"));
  EXPECT_TRUE(matches_glob("*a*b*c*", "xxaxxbxxcxx"));
}

}  // namespace
}  // namespace caddie
