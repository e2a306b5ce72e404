#include "core/data/card.hpp"

#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

Card example() {
  Card card;
  card.description = "a \"quoted\" text\xff";  // not UTF-8: replaced when written
  card.settings = {{"seed", 7}, {"fraction", 0.01}};
  card.settings_digest = std::string(64, 'a');
  card.tokenizer_sha256 = std::string(64, 'b');
  card.vocab_size = 1024;
  card.tokenizer_trained = true;
  card.documents_read = 9;
  card.documents_duplicate = 2;
  card.source = {{"text.txt", 10, std::string(64, 'c')}};
  card.train = {3, 100, 90, 95, {{"train_000000.bin", 100, 1224, std::string(32, 'd'), std::string(64, 'e')}}};
  card.validation = {1, 50, 40, 45, {{"val_000000.bin", 50, 1124, std::string(32, 'f'), std::string(64, '0')}}};
  return card;
}

// The card with the JSON value at the pointer replaced.
Result<Card> with(const char* pointer, const nlohmann::json& value) {
  auto json = nlohmann::json::parse(format_card(example()));
  json[nlohmann::json::json_pointer(pointer)] = value;
  return parse_card(json.dump(), "card.json");
}

TEST(Card, ComesBack) {
  const std::string text = format_card(example());
  const auto card = parse_card(text, "card.json");
  ASSERT_TRUE(card.ok()) << card.error().message();
  EXPECT_EQ(format_card(*card), text);
  EXPECT_EQ(card->description, "a \"quoted\" text\xEF\xBF\xBD");
  EXPECT_EQ(card->train.shards[0].tokens, 100);
  EXPECT_EQ(card->settings["fraction"], 0.01);
}

TEST(Card, NamesWhatIsWrong) {
  EXPECT_ERROR(parse_card("", "card.json"), "card.json: the data card is not valid JSON");
  EXPECT_ERROR(parse_card("[]", "card.json"), "/format: the data card is damaged: expected a text");
  EXPECT_ERROR(with("/format", "other"), "expected \"caddie-data-card\"");
  EXPECT_ERROR(with("/format_version", 2), "/format_version: the data card is damaged: is 2; this program reads version 1");
  EXPECT_ERROR(with("/train/shards/0/file", "../x.bin"), "/train/shards/0/file: the data card is damaged: expected the plain");
  EXPECT_ERROR(with("/train/shards/0/file", "/etc/passwd"), "plain name");
  EXPECT_ERROR(with("/train/shards/0/file", std::string("a\0b", 3)), "plain name");
  EXPECT_ERROR(with("/train/shards/0/file", 5), "expected a text");
  EXPECT_ERROR(with("/train/shards/0/sha256", "XYZ"), "64 hexadecimal digits");
  EXPECT_ERROR(with("/train/shards/0/tokens", 99), "the size does not fit");
  EXPECT_ERROR(with("/train/shards/0/tokens", -100), "not negative");
  EXPECT_ERROR(with("/train/shards/0/tokens", 1e300), "not negative");
  EXPECT_ERROR(with("/train/tokens", 99), "99 is not the sum over the shards, 100");
  EXPECT_ERROR(with("/train/tokens", 18446744073709551615ULL), "too large");
  EXPECT_ERROR(with("/train/shards", nlohmann::json::array()), "at least one shard");
  EXPECT_ERROR(with("/validation", 3), "/validation: the data card is damaged: expected an object");
  EXPECT_ERROR(with("/tokenizer/trained_here", 1), "true or false");
  EXPECT_ERROR(with("/source/0", 1), "/source/0/name");
}

}  // namespace
}  // namespace caddie::data
