#include "core/data/tokenizer.hpp"

#include <thread>

#include "core/base/hash.hpp"
#include "core/data/byte_table.hpp"
#include "core/data/utf8.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

using test::make_documents;
using test::TemporaryFolder;

std::vector<std::string_view> views(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

std::string train(int vocab_size = 400) {
  return train_tokenizer(views(make_documents(300, 1)), {vocab_size, 0.999}).value();
}

// For every text: counted bytes = length of the decoded text; and decoding twice changes nothing.
void expect_exact_bytes(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  const auto table = ByteTable::build(tokenizer.pieces(), "model");
  ASSERT_TRUE(table.ok());
  std::vector<TokenId> stream;
  std::int64_t total = 0;
  for (const std::string& text : texts) {
    std::vector<TokenId> ids = {tokenizer.bos()};
    ASSERT_TRUE(tokenizer.encode(text, ids).ok());
    const std::string decoded = tokenizer.decode(ids).value();
    EXPECT_EQ(sum_target_bytes(ids, *table), static_cast<std::int64_t>(decoded.size())) << text;
    std::vector<TokenId> again = {tokenizer.bos()};
    ASSERT_TRUE(tokenizer.encode(decoded, again).ok());
    EXPECT_EQ(ids, again) << text;
    total += static_cast<std::int64_t>(decoded.size());
    stream.insert(stream.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(sum_target_bytes(stream, *table), total);
}

std::vector<std::string> hard_texts() {
  auto texts = make_documents(200, 99);
  for (const char* text : {"", " ", "  leading", "trailing  ", "\n\n", "a\tb\r\nc", "été", "e\u0301te\u0301", "<s>", "<0x41>",
                           "\u2581x", "x\u2581\u2581y", "\u00a0nbsp", "ﬁ ligature ½", "ＦＵＬＬ", "\u200bzero", "𝔘nicode 😀🏌️‍♀️",
                           "123456 7.5%", "\uFEFFmark", "日本語 テキスト", "\x01\x02 control"}) {
    texts.emplace_back(text);
  }
  texts.push_back(std::string("nul \0 inside", 12));
  texts.push_back(std::string(20000, 'z'));
  return texts;
}

TEST(Tokenizer, TrainingIsDeterministicAndQuiet) {
  std::string first;
  std::string second;
  const std::string said = test::stderr_of([&] {
    first = train();
    second = train();
  });
  EXPECT_EQ(said, "");
  EXPECT_EQ(first, second);
  EXPECT_NE(first, train(420));
}

TEST(Tokenizer, HasTheFieldsReservedIds) {
  const auto tokenizer = Tokenizer::from_bytes(train(), "m");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->vocab_size(), 400);
  EXPECT_EQ(tokenizer->bos(), 1);
  const auto& pieces = tokenizer->pieces();
  EXPECT_EQ(pieces[0].kind, PieceKind::control);
  EXPECT_EQ(pieces[1].text, "<s>");
  EXPECT_EQ(pieces[2].kind, PieceKind::control);
  EXPECT_EQ(pieces[3].kind, PieceKind::unknown);
  EXPECT_EQ(pieces[4].kind, PieceKind::byte);
  EXPECT_EQ(pieces[259].text, "<0xFF>");
  for (const Piece& piece : pieces) {
    if (piece.kind != PieceKind::normal) continue;
    // Digits stand alone.
    const bool has_digit = piece.text.find_first_of("0123456789") != std::string::npos;
    EXPECT_TRUE(!has_digit || piece.text.size() == 1) << piece.text;
  }
}

TEST(Tokenizer, CountsExactlyTheDecodedBytes) {
  expect_exact_bytes(Tokenizer::from_bytes(train(), "m").value(), hard_texts());
}

TEST(Tokenizer, CountsExactlyTheDecodedBytesOfTheFieldsModels) {
  for (const char* name : {"fineweb_8192_bpe.model", "fineweb_8192_caseops.model"}) {
    const auto path = test::optional_test_data(name);
    if (!path) GTEST_SKIP() << name << " is not here; set CADDIE_TEST_DATA to its folder";
    const auto tokenizer = Tokenizer::load(*path);
    ASSERT_TRUE(tokenizer.ok());
    EXPECT_EQ(tokenizer->vocab_size(), 8192);
    EXPECT_EQ(tokenizer->bos(), 1);
    expect_exact_bytes(*tokenizer, hard_texts());
  }
}

TEST(Tokenizer, EncodesFromSeveralThreads) {
  const auto tokenizer = Tokenizer::from_bytes(train(), "m").value();
  const auto texts = make_documents(50, 5);
  std::vector<std::vector<TokenId>> results(4);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results) {
      threads.emplace_back([&] {
        for (const auto& text : texts) EXPECT_TRUE(tokenizer.encode(text, result).ok());
      });
    }
  }
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

TEST(Tokenizer, RefusesBadModels) {
  TemporaryFolder folder;
  const std::string good = train();
  const std::string said = test::stderr_of([&] {
    EXPECT_ERROR(Tokenizer::from_bytes("", "m"), "not a SentencePiece model");
    EXPECT_ERROR(Tokenizer::from_bytes("nonsense", "m"), "m: is not a SentencePiece model");
    EXPECT_ERROR(Tokenizer::from_bytes(good.substr(0, good.size() / 2), "m"), "damaged");
    EXPECT_ERROR(Tokenizer::load(folder.write("x.model", std::string(1000, '\xff'))), "x.model");
    EXPECT_ERROR(Tokenizer::load(folder / "none.model"), "No such file");
  });
  EXPECT_EQ(said, "");
}

TEST(Tokenizer, RefusesIdsItDoesNotHave) {
  const auto tokenizer = Tokenizer::from_bytes(train(), "m").value();
  EXPECT_ERROR(tokenizer.decode(std::vector<TokenId>{1, 400}), "the id 400 at position 1");
}

TEST(Tokenizer, SaysWhyItCannotBeTrained) {
  const auto texts = make_documents(5, 1);
  const std::string said = test::stderr_of([&] {
    EXPECT_ERROR(train_tokenizer(views(texts), {100, 0.999}), "between 300");
    EXPECT_ERROR(train_tokenizer(views(texts), {70000, 0.999}), "65536");
    EXPECT_ERROR(train_tokenizer(views(texts), {30000, 0.999}), "another vocabulary size or more text");
    EXPECT_ERROR(train_tokenizer({}, {400, 0.999}), "no text");
    EXPECT_ERROR(train_tokenizer(std::vector<std::string_view>{""}, {400, 0.999}), "no text");
  });
  EXPECT_EQ(said, "");
}

TEST(Utf8, FindsAndReplacesInvalidBytes) {
  const std::vector<std::pair<std::string, std::size_t>> bad = {
      {"ab\xff", 2},         {"\x80", 0},         {"a\xc3", 1},          {"\xc0\xaf", 0},      {"\xe0\x80\xaf", 0},
      {"\xed\xa0\x80", 0},   {"\xf0\x80\x80\x80", 0}, {"\xf4\x90\x80\x80", 0}, {"é\xe2\x82", 2}, {"\xf8\x88\x80\x80\x80", 0}};
  for (const auto& [text, at] : bad) {
    EXPECT_EQ(find_invalid_utf8(text), at);
    std::string fixed = text;
    EXPECT_GT(replace_invalid_utf8(fixed), 0);
    EXPECT_FALSE(find_invalid_utf8(fixed).has_value());
  }
  EXPECT_FALSE(find_invalid_utf8("plain é 世 😀 \xf4\x8f\xbf\xbf \xed\x9f\xbf").has_value());
  std::string text = "stock market\x92s drop, fa\xe7"
                     "ade";
  EXPECT_EQ(replace_invalid_utf8(text), 2);
  EXPECT_EQ(text, "stock market\xEF\xBF\xBDs drop, fa\xEF\xBF\xBD"
                  "ade");
}

}  // namespace
}  // namespace caddie::data
