// A whole run of the program: results, reuse, determinism, one-word ablations.
#include <gtest/gtest.h>

#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

using Json = nlohmann::json;

const Json* stage(const Json& result, const std::string& name) {
  for (const Json& entry : result.at("stages")) {
    if (entry.at("name") == name) return &entry;
  }
  return nullptr;
}

TEST(Run, GoesFromTextToBitsPerByte) {
  const Workplace place;
  const Json result = place.run({});
  EXPECT_TRUE(result.at("valid").get<bool>());
  EXPECT_EQ(result.at("steps"), 30);
  EXPECT_GT(result.at("target_bytes").get<int>(), 1000);
  // Better than guessing among the bytes of this text, worse than nothing at all.
  EXPECT_LT(result.at("bits_per_byte").get<double>(), 5.0);
  EXPECT_GT(result.at("bits_per_byte").get<double>(), 0.1);
  for (const char* name : {"prepare", "train", "average", "quantize", "compress", "evaluate sliding"}) {
    EXPECT_NE(stage(result, name), nullptr) << name;
  }
  const std::filesystem::path folder = result.at("folder").get<std::string>();
  for (const char* file : {"resolved.json", "origins.json", "metrics.jsonl", "artifact.caddie", "ledger.sliding", "result.json"}) {
    EXPECT_TRUE(std::filesystem::exists(place.folder() / folder / file)) << file;
  }
  EXPECT_EQ(std::filesystem::file_size(place.folder() / folder / "artifact.caddie"), result.at("artifact").at("bytes").get<std::uintmax_t>());
}

TEST(Run, ASecondRunReusesEveryStageAndSaysTheSame) {
  const Workplace place;
  const Json first = place.run({});
  const Json second = place.run({});
  EXPECT_EQ(first.at("bits_per_byte"), second.at("bits_per_byte"));
  EXPECT_TRUE(stage(second, "train")->at("reused").get<bool>());
  EXPECT_TRUE(stage(second, "evaluate sliding")->at("reused").get<bool>());
  // Only the quantizer differs: the trained weights serve again.
  const Json other = place.run({"--set", "quantize.matrices.bits=4"});
  EXPECT_TRUE(stage(other, "train")->at("reused").get<bool>());
  EXPECT_FALSE(stage(other, "quantize")->at("reused").get<bool>());
  EXPECT_NE(first.at("artifact").at("bytes"), other.at("artifact").at("bytes"));
}

TEST(Run, ThreadsDoNotChangeABit) {
  const Workplace place;
  const Json one = place.run({"--set", "compute.threads=1", "--runs", "one"});
  const Json two = place.run({"--set", "compute.threads=2", "--runs", "two"});
  EXPECT_EQ(one.at("artifact").at("digest"), two.at("artifact").at("digest"));
  EXPECT_EQ(one.at("ledger_digest"), two.at("ledger_digest"));
}

// bfloat16 factors change the last digits (on processors that multiply those faster) and nothing else.
TEST(Run, RoundedFactorsCostLittle) {
  const Workplace place;
  const Json exact = place.run({});
  const Json one = place.run({"--set", "compute.precision=bf16", "--set", "compute.threads=1", "--runs", "one"});
  const Json two = place.run({"--set", "compute.precision=bf16", "--set", "compute.threads=2", "--runs", "two"});
  EXPECT_EQ(one.at("artifact").at("digest"), two.at("artifact").at("digest"));
  const double wanted = exact.at("bits_per_byte").get<double>();
  EXPECT_NEAR(one.at("bits_per_byte").get<double>(), wanted, 0.01 * wanted);
}

// Each ablation is one word, and changes the result.
class Ablation : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(Ablation, ChangesTheResult) {
  static const Workplace place;
  static const Json base = place.run({});
  const Json result = place.run(GetParam());
  EXPECT_TRUE(result.at("valid").get<bool>());
  EXPECT_NE(result.at("bits_per_byte"), base.at("bits_per_byte"));
}

INSTANTIATE_TEST_SUITE_P(OneWord, Ablation,
                         testing::Values(std::vector<std::string>{"--disable", "neftune"}, std::vector<std::string>{"--disable", "z-loss"},
                                         std::vector<std::string>{"--disable", "complementary"},
                                         std::vector<std::string>{"--disable", "lqer"}, std::vector<std::string>{"--disable", "ema"},
                                         std::vector<std::string>{"--disable", "skips"}, std::vector<std::string>{"--unset", "ttt"},
                                         std::vector<std::string>{"--set", "loader.use=coprime"}, std::vector<std::string>{"--seed", "1"}));

}  // namespace
}  // namespace caddie::end_to_end
