#include "core/data/dataset.hpp"

#include "core/data/check.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

using test::join_documents;
using test::make_documents;
using test::small_settings;
using test::TemporaryFolder;

// A prepared folder `out` inside a temporary folder.
class Prepared : public testing::Test {
 protected:
  void SetUp() override {
    const auto source = folder_.write("text.txt", join_documents(make_documents(200, 1)));
    const auto result = prepare(small_settings(source), out());
    ASSERT_TRUE(result.ok()) << result.error().message();
    card_ = result->card;
  }
  [[nodiscard]] test::fs::path out() const { return folder_ / "out"; }
  [[nodiscard]] ShardSources sources() const {
    return {{(out() / "train_*.bin").string()}, {(out() / "val_*.bin").string()}, out() / "tokenizer.model"};
  }
  [[nodiscard]] std::string read(const std::string& name) const { return read_text(out() / name).value(); }
  void write(const std::string& name, std::string_view content) const { folder_.write("out/" + name, content); }

  // One finding at least names the file and has the part.
  static void expect_finding(const CheckReport& report, const std::string& file, const std::string& part) {
    std::string all;
    for (const Finding& finding : report.findings) {
      if (finding.file.find(file) != std::string::npos && finding.text.find(part) != std::string::npos) return;
      all += finding.file + ": " + finding.text + "\n";
    }
    ADD_FAILURE() << "no finding about " << file << " with \"" << part << "\" among:\n" << all;
  }

  TemporaryFolder folder_;
  Card card_;
};

TEST_F(Prepared, OpensAsAFolderAndAsShards) {
  const auto folder = Dataset::open_folder(out());
  ASSERT_TRUE(folder.ok()) << folder.error().message();
  EXPECT_EQ(folder->train().size(), card_.train.tokens);
  EXPECT_EQ(folder->validation().size(), card_.validation.tokens);
  EXPECT_EQ(folder->vocab_size(), 400);
  EXPECT_EQ(folder->byte_table().size(), 400U);
  EXPECT_TRUE(folder->card().has_value());
  const auto validation = folder->validation().copy(0, folder->validation().size()).value();
  EXPECT_EQ(sum_target_bytes(validation, folder->byte_table()), card_.validation.text_bytes);

  const auto shards = Dataset::open_shards(sources());
  ASSERT_TRUE(shards.ok()) << shards.error().message();
  EXPECT_EQ(shards->digest(), folder->digest());
  EXPECT_FALSE(shards->card().has_value());
}

TEST_F(Prepared, TheDigestFollowsTheContent) {
  const std::string before = Dataset::open_shards(sources())->digest();
  ASSERT_TRUE(write_shard(out() / "train_000009.bin", std::vector<TokenId>{1, 300}).ok());
  EXPECT_NE(Dataset::open_shards(sources())->digest(), before);
  EXPECT_EQ(Dataset::open_folder(out())->digest(), before);
}

TEST_F(Prepared, RefusesChangedFiles) {
  const std::string shard = read("train_000001.bin");
  std::string changed = shard;
  changed[1030] = static_cast<char>(changed[1030] ^ 1);
  write("train_000001.bin", changed);
  EXPECT_ERROR(Dataset::open_folder(out()), "train_000001.bin: is not the file that the data card describes");
  write("train_000001.bin", shard.substr(0, shard.size() - 2));
  EXPECT_ERROR(Dataset::open_folder(out()), "truncated");
  EXPECT_ERROR(Dataset::open_shards(sources()), "truncated");
  test::fs::remove(out() / "train_000001.bin");
  EXPECT_ERROR(Dataset::open_folder(out()), "No such file");
  write("train_000001.bin", shard);
  write("tokenizer.model", "junk");
  EXPECT_ERROR(Dataset::open_folder(out()), "tokenizer.model: is not the file");
  EXPECT_ERROR(Dataset::open_shards(sources()), "not a SentencePiece model");
  test::fs::remove(out() / "card.json");
  EXPECT_ERROR(Dataset::open_folder(out()), "card.json");
}

TEST_F(Prepared, RefusesShardsOfAnotherTokenizer) {
  ASSERT_TRUE(write_shard(out() / "train_000000.bin", std::vector<TokenId>{1, 5, 400}).ok());
  EXPECT_ERROR(Dataset::open_shards(sources()), "train_000000.bin: has the id 400 at position 2");
}

TEST_F(Prepared, RefusesOneShardOnBothSides) {
  auto both = sources();
  both.train = both.validation;
  EXPECT_ERROR(Dataset::open_shards(both), "named for training and for validation");
  auto none = sources();
  none.validation.clear();
  EXPECT_ERROR(Dataset::open_shards(none), "validation shards hold 0 tokens");
}

TEST_F(Prepared, ChecksOutSound) {
  const auto report = check_folder(out());
  for (const Finding& finding : report.findings) ADD_FAILURE() << finding.file << ": " << finding.text;
  EXPECT_EQ(report.train.documents, card_.train.documents);
  EXPECT_EQ(report.train.tokens, card_.train.tokens);
  EXPECT_EQ(report.train.text_bytes, card_.train.text_bytes);
  EXPECT_EQ(report.validation.text_bytes, card_.validation.text_bytes);
  EXPECT_EQ(report.vocab_size, 400);
  EXPECT_TRUE(check_shards(sources()).sound());
}

TEST_F(Prepared, CheckReportsEverythingAtOnce) {
  std::string shard = read("train_000000.bin");
  write("train_000000.bin", shard.substr(0, 1500));
  std::string changed = read("val_000000.bin");
  changed[1030] = static_cast<char>(changed[1030] ^ 1);
  write("val_000000.bin", changed);
  ASSERT_TRUE(write_shard(out() / "train_000001.bin", std::vector<TokenId>{1, 999}).ok());
  const auto report = check_folder(out());
  expect_finding(report, "train_000000.bin", "truncated");
  expect_finding(report, "val_000000.bin", "its digests differ");
  expect_finding(report, "train_000001.bin", "its digests differ");
  expect_finding(report, "train_000001.bin", "the id 999 at position 1");
}

TEST_F(Prepared, CheckComparesTheCard) {
  Card wrong = card_;
  wrong.validation.documents += 1;
  wrong.train.text_bytes -= 1;
  wrong.vocab_size = 512;
  write("card.json", format_card(wrong));
  const auto report = check_folder(out());
  EXPECT_EQ(report.findings.size(), 3U);
  expect_finding(report, "card.json", "validation documents, but the shards hold");
  expect_finding(report, "card.json", "training bytes of text, but the shards hold");
  expect_finding(report, "card.json", "says the vocabulary has 512 ids; the tokenizer has 400");
  write("card.json", "[");
  expect_finding(check_folder(out()), "card.json", "not valid JSON");
}

TEST_F(Prepared, CheckFindsDocumentsOnBothSides) {
  const auto train = Shard::open(out() / "train_000000.bin").value();
  const auto second = std::find(train.tokens().begin() + 1, train.tokens().end(), TokenId{1});
  std::vector<TokenId> leaked = {1, 300, 301};
  leaked.insert(leaked.end(), train.tokens().begin(), second);
  ASSERT_TRUE(write_shard(out() / "val_000000.bin", leaked).ok());
  expect_finding(check_shards(sources()), "val_000000.bin",
                 "1 of 2 validation documents are also in the training shards (the first at validation token 3)");
}

TEST_F(Prepared, CheckFindsMiscountedAndHeadlessText) {
  // Three byte pieces that are no character decode to three U+FFFD: nine bytes for three.
  const TokenId byte = 4 + 0xFF;
  ASSERT_TRUE(write_shard(out() / "val_000000.bin", std::vector<TokenId>{1, byte, byte, byte}).ok());
  expect_finding(check_shards(sources()), "val_000000.bin", "the one at token 0 counts 3 bytes and decodes to 9");
  ASSERT_TRUE(write_shard(out() / "val_000000.bin", std::vector<TokenId>{300, 301, 1, 302}).ok());
  expect_finding(check_shards(sources()), "val_000000.bin", "do not begin with the begin-of-document id 1");
}

TEST_F(Prepared, CheckSurvivesMissingParts) {
  test::fs::remove(out() / "tokenizer.model");
  expect_finding(check_folder(out()), "tokenizer.model", "No such file");
  expect_finding(check_shards(sources()), "tokenizer.model", "No such file");
  expect_finding(check_folder(folder_ / "nowhere"), "card.json", "No such file");
  auto missing = sources();
  missing.train = {(folder_ / "x_*.bin").string()};
  expect_finding(check_shards(missing), "x_*.bin", "no file matches");
}

}  // namespace
}  // namespace caddie::data
