#include "core/plugins/claims.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caddie::plugins {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Claims claims(const char* text) {
  auto read = Claims::from_json(json::parse(text), "/claims");
  EXPECT_TRUE(read) << (read ? "" : read.error().message());
  return read ? *read : Claims{};
}

std::string refusal(const char* text) {
  const auto read = Claims::from_json(json::parse(text), "/quantize/q/claims");
  return read ? "" : read.error().message();
}

const TensorKey kQuery{"blocks.7.attn.q.weight", "matrix", 7, 512 * 512};
const TensorKey kTable{"embed.weight", "embedding", -1, 1024 * 512};
const TensorKey kGain{"blocks.7.attn.gain", "scalar", 7, 8};

TEST(Claims, EveryKeyNarrows) {
  EXPECT_TRUE(claims(R"({"role": "matrix"})").matches(kQuery));
  EXPECT_FALSE(claims(R"({"role": "matrix"})").matches(kTable));
  EXPECT_TRUE(claims(R"({"role": ["matrix", "embedding"]})").matches(kTable));
  EXPECT_TRUE(claims(R"({"name": "*.attn.*"})").matches(kGain));
  EXPECT_FALSE(claims(R"({"name": "*.attn.*", "role": "matrix"})").matches(kGain));
  EXPECT_TRUE(claims(R"({"name": ["embed*", "*.q.weight"]})").matches(kQuery));
  EXPECT_TRUE(claims(R"({"layers": 7})").matches(kQuery));
  EXPECT_FALSE(claims(R"({"layers": [6, 8]})").matches(kQuery));
  EXPECT_FALSE(claims(R"({"layers": [7]})").matches(kTable));
  EXPECT_TRUE(claims(R"({"max_elements": 8})").matches(kGain));
  EXPECT_FALSE(claims(R"({"max_elements": 7})").matches(kGain));
  EXPECT_FALSE(claims(R"({"min_elements": 9})").matches(kGain));
}

TEST(Claims, NothingAskedForIsTheRest) {
  EXPECT_TRUE(claims("{}").rest());
  EXPECT_TRUE(claims("null").rest());
  EXPECT_FALSE(claims(R"({"min_elements": 1})").rest());
}

TEST(Claims, RefusesWhatItCannotRead) {
  EXPECT_THAT(refusal(R"({"rol": "matrix"})"),
              AllOf(HasSubstr("/quantize/q/claims/rol"), HasSubstr("did you mean \"role\"")));
  EXPECT_THAT(refusal(R"({"role": 3})"), HasSubstr("not a name"));
  EXPECT_THAT(refusal(R"({"role": [""]})"), HasSubstr("not a name"));
  EXPECT_THAT(refusal(R"({"name": []})"), HasSubstr("empty"));
  EXPECT_THAT(refusal(R"({"layers": -1})"), HasSubstr("count from 0"));
  EXPECT_THAT(refusal(R"({"layers": [1.5]})"), HasSubstr("count from 0"));
  EXPECT_THAT(refusal(R"({"layers": []})"), HasSubstr("empty"));
  EXPECT_THAT(refusal(R"({"layers": 99999999999999999999})"), HasSubstr("count from 0"));
  EXPECT_THAT(refusal(R"({"min_elements": -1})"), HasSubstr("not a number of elements"));
  EXPECT_THAT(refusal(R"({"min_elements": 18446744073709551615})"), HasSubstr("not a number of elements"));
  EXPECT_THAT(refusal(R"({"min_elements": 5, "max_elements": 4})"), HasSubstr("nothing fits"));
  EXPECT_THAT(refusal(R"(["matrix"])"), HasSubstr("object"));
}

const std::vector<TensorKey> kTensors = {kQuery, kTable, kGain};

TEST(Owners, OneForEachTensor) {
  const std::vector<Claimant> claimants = {{"rest", {}}, {"tables", claims(R"({"role": "embedding"})")}};
  const auto owners = assign_owners(kTensors, claimants, "quantizer");
  ASSERT_TRUE(owners) << owners.error().message();
  EXPECT_THAT(*owners, ElementsAre(0, 1, 0));
}

TEST(Owners, EverythingWrongIsReportedAtOnce) {
  const std::vector<Claimant> claimants = {{"matrices", claims(R"({"role": "matrix"})")},
                                           {"queries", claims(R"({"name": "*.q.weight"})")},
                                           {"typo", claims(R"({"role": "matrx"})")}};
  const auto owners = assign_owners(kTensors, claimants, "quantizer");
  ASSERT_FALSE(owners);
  EXPECT_THAT(owners.error().message(),
              AllOf(HasSubstr("blocks.7.attn.q.weight is claimed by matrices and queries"),
                    HasSubstr("no quantizer claims embed.weight, blocks.7.attn.gain"),
                    HasSubstr("typo takes nothing (it claims role \"matrx\"; roles here: embedding, matrix, scalar)"),
                    Not(HasSubstr("queries takes nothing"))));
}

TEST(Owners, OneMayAskForTheRest) {
  const std::vector<Claimant> claimants = {{"a", {}}, {"b", {}}, {"tables", claims(R"({"role": "embedding"})")}};
  const auto owners = assign_owners(kTensors, claimants, "optimizer");
  ASSERT_FALSE(owners);
  EXPECT_THAT(owners.error().message(),
              AllOf(HasSubstr("the optimizers a, b all ask for the rest"), Not(HasSubstr("claimed by"))));
}

TEST(Owners, TheRestMayBeEmptyOnlyWhenAllowed) {
  const Claims all = claims(R"({"name": "*"})");
  EXPECT_FALSE(assign_owners(kTensors, std::vector<Claimant>{{"all", all}, {"rest", {}}}, "quantizer"));
  EXPECT_TRUE(assign_owners(kTensors, std::vector<Claimant>{{"all", all}, {"rest", {}, true}}, "quantizer"));
}

TEST(Claims, ExceptionsAreLeftToOthers) {
  const Claims claim = claims(R"({"role": "matrix", "except": "*.attn.*"})");
  EXPECT_TRUE(claim.matches({"blocks.0.mlp.up.weight", "matrix", 0, 8}));
  EXPECT_FALSE(claim.matches({"blocks.0.attn.q.weight", "matrix", 0, 8}));
  EXPECT_EQ(claim.text(), "role \"matrix\", but not name \"*.attn.*\"");

  const Claims rest = claims(R"({"except": ["a", "b"]})");
  EXPECT_TRUE(rest.rest());
  EXPECT_EQ(rest.text(), "the rest, but not name \"a\" or \"b\"");
  const std::vector<TensorKey> tensors = {{"a", "scalar", -1, 1}, {"c", "scalar", -1, 1}};
  const auto owners = assign_owners(tensors, std::vector<Claimant>{{"rest", rest}}, "optimizer");
  ASSERT_FALSE(owners.ok());
  EXPECT_THAT(owners.error().text, AllOf(HasSubstr("no optimizer claims a;"), Not(HasSubstr("c;"))));
}

// The mixed routing of PR #388 and #1033: small tensors first, then attention and MLP, then the rest. (G64)
TEST(Owners, MixedRouting) {
  const std::vector<TensorKey> tensors = {{"tok_emb.weight", "", -1, 1024 * 512},
                                          {"bigram.embed.weight", "", -1, 2048 * 128},
                                          {"bigram.proj.weight", "", -1, 512 * 128},
                                          {"ve_shared.proj.weight", "", -1, 256 * 128},
                                          {"blocks.3.attn.c_k.weight", "", 3, 256 * 512},
                                          {"blocks.3.mlp.proj.weight", "", 3, 512 * 1536},
                                          {"blocks.3.attn_scale", "", 3, 512},
                                          {"skip_weights", "", -1, 5 * 512},
                                          {"ve_shared.embed.weight", "", -1, 1024 * 128}};
  const std::vector<Claimant> claimants = {
      {"fp16", claims(R"({"max_elements": 65536})")},
      {"int6", claims(R"({"name": ["*.attn.*", "*.mlp.*"], "min_elements": 65537})")},
      {"int8", {}}};
  const auto owners = assign_owners(tensors, claimants, "quantizer");
  ASSERT_TRUE(owners) << owners.error().message();
  EXPECT_THAT(*owners, ElementsAre(2, 2, 0, 0, 1, 1, 0, 0, 2));
}

}  // namespace
}  // namespace caddie::plugins
