#include "core/data/prepare.hpp"

#include <map>
#include <set>

#include "core/data/dataset.hpp"
#include "core/data/documents.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

using test::join_documents;
using test::make_documents;
using test::small_settings;
using test::TemporaryFolder;

std::map<std::string, std::string> files_in(const test::fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : test::fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text(entry.path()).value();
  }
  return files;
}

TEST(Prepare, WritesTheFolder) {
  TemporaryFolder folder;
  auto documents = make_documents(300, 1);
  documents.push_back(documents[5]);
  documents.push_back("  " + documents[6]);
  const auto source = folder.write("text.txt", join_documents(documents));
  std::vector<std::string> stages;
  auto settings = small_settings(source);
  settings.progress = [&](const Progress& progress) {
    if (stages.empty() || stages.back() != progress.stage) stages.emplace_back(progress.stage);
    EXPECT_LE(progress.done, progress.total);
  };
  std::optional<Result<PrepareResult>> result;
  EXPECT_EQ(test::stderr_of([&] { result.emplace(prepare(settings, folder / "out")); }), "");
  ASSERT_TRUE(result->ok()) << result->error().message();
  EXPECT_FALSE((*result)->reused);
  EXPECT_EQ(stages, (std::vector<std::string>{"read", "select", "tokenizer", "encode", "write"}));

  const Card card = read_card(folder / "out").value();
  EXPECT_EQ(format_card(card), format_card((*result)->card));
  EXPECT_EQ(card.documents_read, 302);
  EXPECT_EQ(card.documents_duplicate, 2);
  EXPECT_EQ(card.train.documents + card.validation.documents, 300);
  EXPECT_TRUE(card.tokenizer_trained);
  EXPECT_EQ(card.vocab_size, 400);
  EXPECT_EQ(card.description, "text.txt");
  EXPECT_GT(card.train.shards.size(), 1U);
  EXPECT_EQ(card.train.shards[0].tokens, 4000);
  std::set<std::string> names;
  for (const auto& [name, content] : files_in(folder / "out")) names.insert(name);
  EXPECT_TRUE(names.contains("tokenizer.model") && names.contains("card.json") && names.contains("train_000001.bin") &&
              names.contains("val_000000.bin"));
  EXPECT_FALSE(names.contains("incomplete"));

  // The text comes back from the shards: every document once, on one side.
  const auto dataset = Dataset::open_folder(folder / "out");
  ASSERT_TRUE(dataset.ok()) << dataset.error().message();
  std::multiset<std::string> decoded;
  std::int64_t bytes = 0;
  for (const TokenStream* stream : {&dataset->train(), &dataset->validation()}) {
    for_each_document(*stream, dataset->tokenizer().bos(), [&](std::span<const TokenId> document, std::int64_t) {
      EXPECT_EQ(document[0], 1);
      const std::string text = dataset->tokenizer().decode(document).value();
      bytes += static_cast<std::int64_t>(text.size());
      decoded.insert(text);
    });
  }
  EXPECT_EQ(bytes, card.train.text_bytes + card.validation.text_bytes);
  EXPECT_EQ(decoded.size(), 300U);
  for (int i = 0; i < 300; ++i) {
    const std::string start = fmt::format("Hole {}: ", i);
    const auto found = decoded.lower_bound(start);
    ASSERT_TRUE(found != decoded.end() && found->starts_with(start)) << start;
  }
}

TEST(Prepare, GivesTheSameBytesWhateverTheThreads) {
  TemporaryFolder folder;
  const auto source = folder.write("text.txt", join_documents(make_documents(300, 1)));
  auto settings = small_settings(source);
  settings.threads = 1;
  ASSERT_TRUE(prepare(settings, folder / "one").ok());
  settings.threads = 5;
  ASSERT_TRUE(prepare(settings, folder / "five").ok());
  EXPECT_EQ(files_in(folder / "one"), files_in(folder / "five"));
  settings.selection.seed = 2;
  ASSERT_TRUE(prepare(settings, folder / "other").ok());
  EXPECT_NE(files_in(folder / "one"), files_in(folder / "other"));
}

TEST(Prepare, ReusesACompleteFolderAndMendsABrokenOne) {
  TemporaryFolder folder;
  const auto source = folder.write("text.txt", join_documents(make_documents(100, 1)));
  const auto settings = small_settings(source);
  const auto run = [&] { return prepare(settings, folder / "out").value().reused; };
  EXPECT_FALSE(run());
  const auto files = files_in(folder / "out");
  EXPECT_TRUE(run());

  std::string damaged = files.at("train_000000.bin");
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  folder.write("out/train_000000.bin", damaged);
  EXPECT_FALSE(run());
  EXPECT_EQ(files_in(folder / "out"), files);
  test::fs::remove(folder / "out/val_000000.bin");
  EXPECT_FALSE(run());
  EXPECT_EQ(files_in(folder / "out"), files);

  // Killed before the card was written, with a shard too many.
  test::fs::remove(folder / "out/card.json");
  folder.write("out/incomplete", "");
  folder.write("out/train_000099.bin", "part");
  EXPECT_FALSE(run());
  EXPECT_EQ(files_in(folder / "out"), files);
}

TEST(Prepare, TouchesNoOtherData) {
  TemporaryFolder folder;
  const auto source = folder.write("text.txt", join_documents(make_documents(100, 1)));
  auto settings = small_settings(source);
  ASSERT_TRUE(prepare(settings, folder / "out").ok());
  const auto files = files_in(folder / "out");
  settings.shard_tokens = 100;
  EXPECT_ERROR(prepare(settings, folder / "out"), "holds data prepared from other text or settings");
  EXPECT_EQ(files_in(folder / "out"), files);
  settings.overwrite = true;
  ASSERT_TRUE(prepare(settings, folder / "out").ok());
  settings.shard_tokens = 4000;
  ASSERT_TRUE(prepare(settings, folder / "out").ok());
  EXPECT_EQ(files_in(folder / "out"), files);

  settings.overwrite = false;
  folder.write("foreign/train_000000.bin", "someone's");
  EXPECT_ERROR(prepare(settings, folder / "foreign"), "holds shards without a data card");
  folder.write("out/card.json", "{}");
  EXPECT_ERROR(prepare(settings, folder / "out"), "holds a damaged data card");
}

TEST(Prepare, NoticesAChangedSource) {
  TemporaryFolder folder;
  const auto source = folder.write("text.txt", join_documents(make_documents(100, 1)));
  const auto settings = small_settings(source);
  ASSERT_TRUE(prepare(settings, folder / "out").ok());
  folder.write("text.txt", join_documents(make_documents(101, 1)));
  EXPECT_ERROR(prepare(settings, folder / "out"), "other text or settings");
}

TEST(Prepare, TakesAGivenTokenizer) {
  TemporaryFolder folder;
  const auto source = folder.write("text.txt", join_documents(make_documents(100, 1)));
  auto settings = small_settings(source);
  ASSERT_TRUE(prepare(settings, folder / "a").ok());
  settings.tokenizer_model = folder / "a/tokenizer.model";
  const auto result = prepare(settings, folder / "b");
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_FALSE(result->card.tokenizer_trained);
  EXPECT_EQ(Dataset::open_folder(folder / "a")->digest(), Dataset::open_folder(folder / "b")->digest());
  settings.tokenizer_model = folder.write("bad.model", "junk");
  EXPECT_ERROR(prepare(settings, folder / "c"), "bad.model: is not a SentencePiece model");
  EXPECT_FALSE(test::fs::exists(folder / "c"));
}

TEST(Prepare, TakesTheFieldsTokenizer) {
  const auto model = test::optional_test_data("fineweb_8192_bpe.model");
  if (!model) GTEST_SKIP() << "fineweb_8192_bpe.model is not here; set CADDIE_TEST_DATA to its folder";
  TemporaryFolder folder;
  auto settings = small_settings(folder.write("text.txt", join_documents(make_documents(100, 1))));
  settings.tokenizer_model = *model;
  const auto result = prepare(settings, folder / "out");
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->card.vocab_size, 8192);
}

TEST(Prepare, DropsDocumentsThatNormalisationMakesEqual) {
  TemporaryFolder folder;
  auto documents = make_documents(100, 1);
  documents.emplace_back("half ½ ligature ﬁ");
  documents.emplace_back("half 1⁄2 ligature fi");  // the same after NFKC
  documents.emplace_back("\u200b");                 // nothing after it
  auto settings = small_settings(folder.write("text.txt", join_documents(documents)));
  const auto result = prepare(settings, folder / "out");
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->card.documents_duplicate, 1);
  EXPECT_EQ(result->card.documents_empty, 1);
  EXPECT_EQ(result->card.train.documents + result->card.validation.documents, 101);
}

TEST(Prepare, CutsOneLongDocument) {
  TemporaryFolder folder;
  std::string text;
  for (const auto& document : make_documents(300, 1)) text += document;
  auto settings = small_settings(folder.write("play.txt", text));
  EXPECT_ERROR(prepare(settings, folder / "out"), "cut long ones (max_document_bytes)");
  settings.max_document_bytes = 2000;
  const auto result = prepare(settings, folder / "out");
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_GT(result->card.train.documents, 20);
}

TEST(Prepare, RefusesBadSettingsAndPlaces) {
  TemporaryFolder folder;
  const auto source = folder.write("in/text.txt", join_documents(make_documents(100, 1)));
  const auto with = [&](auto change) {
    auto settings = small_settings(source);
    change(settings);
    return prepare(settings, folder / "out");
  };
  EXPECT_ERROR(with([](auto& s) { s.shard_tokens = 0; }), "shard_tokens is 0");
  EXPECT_ERROR(with([](auto& s) { s.vocab_size = 50000; }), "cannot train a vocabulary of 50000");
  EXPECT_ERROR(with([](auto& s) { s.vocab_size = 1; }), "between 300");
  EXPECT_ERROR(with([](auto& s) { s.character_coverage = 0; }), "character_coverage is 0");
  EXPECT_ERROR(with([](auto& s) { s.tokenizer_sample_bytes = 0; }), "tokenizer_sample_bytes");
  EXPECT_ERROR(with([](auto& s) { s.max_document_bytes = -1; }), "must not be negative");
  EXPECT_ERROR(with([](auto& s) { s.selection.validation_fraction = 2; }), "between 0 and 1");
  EXPECT_ERROR(with([&](auto& s) { s.source = folder / "none"; }), "no such file or folder");
  auto settings = small_settings(folder / "in");
  EXPECT_ERROR(prepare(settings, folder / "in/out"), "inside the source folder");
  folder.write("file", "x");
  EXPECT_ERROR(prepare(settings = small_settings(source), folder / "file"), "file");
  EXPECT_FALSE(test::fs::exists(folder / "out"));
}

}  // namespace
}  // namespace caddie::data
