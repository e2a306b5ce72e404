#include "core/data/shard.hpp"

#include <cstring>

#include "core/base/hash.hpp"
#include "core/data/shard_files.hpp"
#include "core/data/token_stream.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

using test::TemporaryFolder;

std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string with_word(std::string shard, std::size_t word, std::int32_t value) {
  std::memcpy(shard.data() + 4 * word, &value, 4);
  return shard;
}

// The published layout: header words and payload of a shard with the ids 1, 258, 8191.
TEST(Shard, HasTheFieldsBytes) {
  const std::vector<TokenId> tokens = {1, 258, 8191};
  const std::string bytes = format_shard(tokens).value();
  ASSERT_EQ(bytes.size(), 1030U);
  EXPECT_EQ(to_hex(as_bytes(bytes).first(12)), "88d834010100000003000000");
  EXPECT_EQ(to_hex(as_bytes(bytes).last(6)), "01000201ff1f");
  EXPECT_EQ(bytes.find_first_not_of('\0', 12), 1024U);
}

TEST(Shard, ReadsWhatItWrote) {
  TemporaryFolder folder;
  std::vector<TokenId> tokens(70000);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i * 7);
  ASSERT_TRUE(write_shard(folder / "a.bin", tokens).ok());
  auto shard = Shard::open(folder / "a.bin");
  ASSERT_TRUE(shard.ok());
  const Shard moved = std::move(shard).value();
  EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), moved.tokens().begin(), moved.tokens().end()));
}

TEST(Shard, AnEmptyShardIsValid) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_shard(folder / "a.bin", {}).ok());
  const auto shard = Shard::open(folder / "a.bin");
  ASSERT_TRUE(shard.ok());
  EXPECT_TRUE(shard->tokens().empty());
}

TEST(Shard, RefusesBadFiles) {
  TemporaryFolder folder;
  const std::string good = format_shard(std::vector<TokenId>{1, 2, 3}).value();
  const auto open = [&](std::string_view content) { return Shard::open(folder.write("bad.bin", content)); };
  EXPECT_ERROR(open(""), "0 bytes long");
  EXPECT_ERROR(open(good.substr(0, 1000)), "shorter than the 1024 bytes");
  EXPECT_ERROR(open(with_word(good, 0, 42)), "begins with the number 42, expected 20240520");
  EXPECT_ERROR(open(with_word(good, 1, 2)), "version 2");
  EXPECT_ERROR(open(with_word(good, 2, -1)), "-1 as its number of tokens");
  EXPECT_ERROR(open(with_word(good, 2, 0x7fffffff)), "4,294,968,318 bytes; the file is truncated");
  EXPECT_ERROR(open(good.substr(0, 1028)), "1,028 bytes long, but its header promises 3 tokens, which is 1,030 bytes");
  EXPECT_ERROR(open(good.substr(0, 1029)), "truncated");
  EXPECT_ERROR(open(good + "x"), "followed by other bytes");
  EXPECT_ERROR(open(good + "x"), "bad.bin");
  EXPECT_ERROR(Shard::open(folder / "none.bin"), "No such file");
  EXPECT_ERROR(Shard::open(folder.path()), "not a regular file");
  if (::geteuid() != 0) {
    const auto path = folder.write("secret.bin", good);
    test::fs::permissions(path, test::fs::perms::none);
    EXPECT_ERROR(Shard::open(path), "Permission denied");
  }
}

TEST(Shard, FindsIdsOutsideTheVocabulary) {
  std::vector<TokenId> tokens(50000, 7);
  EXPECT_TRUE(check_ids(tokens, 8, "x.bin").ok());
  tokens[49999] = 8;
  tokens[40001] = 1000;
  EXPECT_ERROR(check_ids(tokens, 8, "x.bin"), "x.bin: has the id 1000 at position 40001, outside the tokenizer's "
                                              "vocabulary of 8;");
  EXPECT_TRUE(check_ids(std::vector<TokenId>{65535}, 65536, "x.bin").ok());
}

TEST(ShardFiles, AreFoundInOrderWithoutSidecars) {
  TemporaryFolder folder;
  for (const char* name : {"fineweb_val_000001.bin", "fineweb_val_000000.bin", "fineweb_val_bytes_000000.bin",
                           "fineweb_train_000000.bin", "notes.txt"}) {
    folder.write(name, "x");
  }
  const auto found = find_shards(std::vector<std::string>{(folder / "fineweb_val_*.bin").string(),
                                                          (folder / "fineweb_val_000001.bin").string()});
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ(found->at(0).filename(), "fineweb_val_000000.bin");
  EXPECT_EQ(found->at(1).filename(), "fineweb_val_000001.bin");

  const auto find = [&](const std::string& name) { return find_shards(std::vector<std::string>{(folder / name).string()}); };
  EXPECT_ERROR(find("fineweb_test_*.bin"), "no file matches");
  EXPECT_ERROR(find("fineweb_val_000009.bin"), "cannot read the shard: No such file");
  EXPECT_ERROR(find("fineweb_val_bytes_000000.bin"), "byte sidecar");
  EXPECT_ERROR(find("missing/*.bin"), "cannot list");
}

TEST(TokenStream, ReadsAcrossShards) {
  TemporaryFolder folder;
  std::vector<Shard> shards;
  TokenId next = 0;
  for (const std::size_t count : {3U, 0U, 5U, 1U}) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = next++;
    const auto path = folder / fmt::format("{}.bin", shards.size());
    ASSERT_TRUE(write_shard(path, tokens).ok());
    shards.push_back(Shard::open(path).value());
  }
  const TokenStream stream(std::move(shards));
  ASSERT_EQ(stream.size(), 9);
  EXPECT_EQ(stream.shard_start(2), 3);
  for (std::int64_t offset = 0; offset <= 9; ++offset) {
    for (std::int64_t count = 0; offset + count <= 9; ++count) {
      const auto tokens = stream.copy(offset, count);
      ASSERT_TRUE(tokens.ok());
      for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(tokens->at(static_cast<std::size_t>(i)), offset + i);
    }
  }
  EXPECT_ERROR(stream.copy(5, 5), "leaves the stream of 9");
  EXPECT_ERROR(stream.copy(-1, 2), "leaves the stream");
  EXPECT_ERROR(stream.copy(0, -1), "cannot copy -1");
  EXPECT_ERROR(stream.copy(0, INT64_MAX), "cannot copy");
  EXPECT_ERROR(stream.copy(INT64_MAX, 1), "leaves the stream");
  EXPECT_EQ(TokenStream().size(), 0);
}

}  // namespace
}  // namespace caddie::data
