// Random damage to everything that is read from outside: an answer or an error, never a crash. Seeded and bounded; the
// fuzzers under tests/fuzz go further.
#include <random>

#include "core/data/card.hpp"
#include "core/data/dictd.hpp"
#include "core/data/shard.hpp"
#include "core/data/text_source.hpp"
#include "core/data/utf8.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

// Flips, overwrites, drops or repeats some bytes.
std::string mutate(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random()) % n; };
  for (std::size_t changes = 1 + below(4); changes > 0 && !text.empty(); --changes) {
    const std::size_t at = below(text.size());
    switch (below(5)) {
      case 0: text[at] = static_cast<char>(text[at] ^ (1 << below(8))); break;
      case 1: text[at] = static_cast<char>(below(256)); break;
      case 2: text.erase(at, 1 + below(8)); break;
      case 3: text.insert(at, text.substr(below(text.size()), 1 + below(16))); break;
      default: text.resize(at); break;
    }
  }
  return text;
}

TEST(Mutation, OfAShardsHeader) {
  std::mt19937 random(1);
  std::vector<TokenId> tokens(200);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i);
  const std::string good = format_shard(tokens).value();
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 2; ++k) bytes[random() % 12] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    // An allocation of exactly this size, so that a sanitizer sees any over-read.
    const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
    const auto parsed = parse_shard(exact, "x");
    if (!parsed) {
      ++refused;
      EXPECT_FALSE(parsed.error().text.empty());
      continue;
    }
    EXPECT_EQ(kShardHeaderBytes + 2 * parsed->size(), exact.size());
    EXPECT_TRUE(check_ids(*parsed, 65536, "x").ok());
  }
  EXPECT_GT(refused, 19000);
}

TEST(Mutation, OfADictionaryIndex) {
  std::mt19937 random(2);
  std::string good;
  for (int i = 0; i < 20; ++i) good += fmt::format("word{}\tB{}\tC\n", i, static_cast<char>('A' + i));
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string index = mutate(good, random);
    const std::uint64_t size = random() % 3 == 0 ? random() % 100 : 5000;
    const auto entries = parse_dictd_index(index, size, "x");
    refused += entries.ok() ? 0 : 1;
    if (!entries) continue;
    for (const DictdEntry& entry : *entries) {
      EXPECT_LE(entry.offset, size);
      EXPECT_LE(entry.length, size - entry.offset);
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Mutation, OfADataCard) {
  std::mt19937 random(3);
  Card card;
  card.settings_digest = std::string(64, 'a');
  card.tokenizer_sha256 = std::string(64, 'b');
  card.source = {{"text.txt", 10, std::string(64, 'c')}};
  card.train = {3, 100, 90, 95, {{"train_000000.bin", 100, 1224, std::string(32, 'd'), std::string(64, 'e')}}};
  card.validation = {1, 50, 40, 45, {{"val_000000.bin", 50, 1124, std::string(32, 'f'), std::string(64, '0')}}};
  const std::string good = format_card(card);
  ASSERT_EQ(format_card(parse_card(good, "x").value()), good);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto parsed = parse_card(mutate(good, random), "x");
    refused += parsed.ok() ? 0 : 1;
    if (!parsed) continue;
    for (const SplitRecord* split : {&parsed->train, &parsed->validation}) {
      std::int64_t tokens = 0;
      for (const ShardRecord& shard : split->shards) {
        EXPECT_EQ(shard.file.find('/'), std::string::npos);
        tokens += shard.tokens;
      }
      EXPECT_EQ(tokens, split->tokens);
    }
  }
  EXPECT_GT(refused, 10000);
}

TEST(Mutation, OfJsonLinesAndText) {
  std::mt19937 random(4);
  test::TemporaryFolder folder;
  const std::string good = "{\"text\":\"caf\\u00e9 one\"}\n{\"text\":\"two 世界\",\"n\":[1,{\"a\":null}]}\n";
  for (int i = 0; i < 200; ++i) {
    const auto path = folder.write(i % 2 == 0 ? "a.jsonl" : "a.txt", mutate(good, random));
    const auto files = list_source(path);
    ASSERT_TRUE(files.ok());
    for (const auto policy : {InvalidUtf8::error, InvalidUtf8::replace}) {
      const auto corpus = read_corpus(path, *files, {policy});
      if (!corpus) continue;
      for (const Document& document : corpus->documents) {
        EXPECT_FALSE(find_invalid_utf8(document.text).has_value());
      }
    }
  }
}

TEST(Mutation, OfAGzipFile) {
  std::mt19937 random(5);
  test::TemporaryFolder folder;
  std::string text;
  for (const auto& document : test::make_documents(50, 1)) text += document;
  const std::string good = test::gzip(text);
  for (int i = 0; i < 300; ++i) {
    const auto path = folder.write("d.dict.dz", mutate(good, random));
    const auto content = read_gzip(path, 1 << 20);
    EXPECT_TRUE(!content || content->size() <= std::size_t{1} << 20);
  }
}

}  // namespace
}  // namespace caddie::data
