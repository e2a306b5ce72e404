#include "core/artifact/header.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caddie::artifact {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json sample() {
  return json::parse(R"({
    "manifest": {"model": {"dim": 4}}, "run": {"seed": 42},
    "quantizers": [{"instance": "m", "use": "int-row", "version": "1.0.0", "config": {"bits": 6}},
                   {"instance": "fix", "use": "lqer", "version": "1.0.0"}],
    "tensors": [{"name": "a", "role": "matrix", "layer": 0, "shape": [2, 3],
                 "coded": [{"by": 0, "parts": {"codes": 6, "scales": 4}}, {"by": 1, "parts": {"a": 2}}]},
                {"name": "b", "role": "scalar", "shape": [], "coded": [{"by": 0, "parts": {"codes": 1, "scales": 2}}]}],
    "groups": [{"instance": "z", "use": "zstd", "version": "1.0.0", "streams": ["m.codes"]},
               {"streams": ["m.scales", "fix.a"]}]})");
}

Result<Header> parse(const json& header, const Limits& limits = {}) { return parse_header(header.dump(), limits, "x"); }
std::string refusal(const json& header, const Limits& limits = {}) {
  const auto parsed = parse(header, limits);
  return parsed ? "" : parsed.error().message();
}

// The sample with one value replaced; null removes it.
std::string changed(const char* pointer, const json& value) {
  return refusal(sample().patch({{{"op", "add"}, {"path", pointer}, {"value", value}}}));
}
std::string without(const char* pointer) { return refusal(sample().patch({{{"op", "remove"}, {"path", pointer}}})); }

TEST(Header, TextAndBack) {
  const auto header = parse(sample());
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(header_text(*header), sample().dump());
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].id, (TensorId{"a", "matrix", 0, {2, 3}}));
  EXPECT_EQ(header->tensors[1].id, (TensorId{"b", "scalar", -1, {}}));
  EXPECT_EQ(header->quantizers[0].config, json({{"bits", 6}}));
  EXPECT_EQ(header->groups[0].compressor->id, "zstd");
  EXPECT_FALSE(header->groups[1].compressor);
}

TEST(Header, StreamsAddUpOverTensors) {
  const auto streams = streams_of(*parse(sample()));
  ASSERT_EQ(streams.size(), 3u);
  EXPECT_EQ(streams[0].name, "m.codes");
  EXPECT_EQ(streams[0].bytes, 7);
  EXPECT_EQ(streams[1].name, "m.scales");
  EXPECT_EQ(streams[1].bytes, 6);
  EXPECT_EQ(streams[2].name, "fix.a");
  EXPECT_EQ(streams[2].bytes, 2);
}

TEST(Header, EveryKeyIsNeededAndNoOtherIsAllowed) {
  for (const char* key :
       {"/manifest", "/run", "/quantizers", "/tensors", "/groups", "/quantizers/0/use", "/quantizers/0/version",
        "/quantizers/0/instance", "/tensors/0/name", "/tensors/0/role", "/tensors/0/shape", "/tensors/0/coded",
        "/tensors/0/coded/0/by", "/tensors/0/coded/0/parts", "/groups/0/streams", "/groups/0/instance"}) {
    EXPECT_NE(without(key), "") << key;
  }
  for (const char* key :
       {"/x", "/quantizers/0/x", "/tensors/0/x", "/tensors/0/coded/0/x", "/groups/0/x", "/groups/1/x"}) {
    EXPECT_THAT(changed(key, 1), HasSubstr("unknown")) << key;
  }
}

TEST(Header, RefusesWrongValuesWithTheirPlace) {
  EXPECT_THAT(changed("/tensors/0/shape", json::array({2, -3})), HasSubstr("/tensors/0/shape/1"));
  EXPECT_NE(changed("/tensors/0/shape", json::array({0})), "");
  EXPECT_NE(changed("/tensors/0/shape", json::array({2.0})), "");
  EXPECT_NE(changed("/tensors/0/shape", json::array({1, 1, 1, 1, 1, 1, 1, 1, 1})), "");
  EXPECT_NE(changed("/tensors/0/shape", json::array({18446744073709551615u})), "");
  EXPECT_NE(changed("/tensors/0/shape", json::array({4294967296, 4294967296})), "");
  EXPECT_NE(changed("/tensors/0/layer", -1), "");
  EXPECT_NE(changed("/tensors/0/layer", 1e10), "");
  EXPECT_NE(changed("/tensors/0/coded/0/by", 2), "");
  EXPECT_NE(changed("/tensors/0/coded/0/by", -1), "");
  EXPECT_NE(changed("/tensors/0/coded/1/by", 0), "");
  EXPECT_NE(changed("/tensors/0/coded/0/parts/codes", -1), "");
  EXPECT_NE(changed("/tensors/0/coded/0/parts/codes", 100000), "");
  EXPECT_NE(changed("/tensors/0/coded/0/parts/Big Name", 1), "");
  EXPECT_NE(changed("/tensors/0/coded", json::array()), "");
  EXPECT_NE(changed("/tensors/1/name", "a"), "");
  EXPECT_NE(changed("/tensors/0/name", ""), "");
  EXPECT_NE(changed("/tensors/0/name", std::string("a\0b", 3)), "");
  EXPECT_NE(changed("/quantizers/1/instance", "m"), "");
  EXPECT_NE(changed("/quantizers/0/config", 5), "");
  EXPECT_NE(changed("/quantizers", json::object()), "");
}

TEST(Header, GroupsHoldEveryStreamOnce) {
  EXPECT_THAT(changed("/groups/0/streams", json::array()), HasSubstr("m.codes is in no group"));
  EXPECT_THAT(changed("/groups/1/streams/-", "m.codes"), HasSubstr("there twice"));
  EXPECT_THAT(changed("/groups/1/streams/-", "m.other"), HasSubstr("no tensor has"));
  // "m.codes" of one quantizer and of another whose name makes the same text.
  json twice = sample();
  twice["quantizers"][1]["instance"] = "m.fix";
  twice["groups"][1]["streams"][1] = "m.fix.a";
  EXPECT_EQ(refusal(twice), "");
}

TEST(Header, KeepsToItsLimits) {
  EXPECT_EQ(refusal(sample(), {.tensors = 2, .elements = 7, .coded_bytes = 15}), "");
  EXPECT_NE(refusal(sample(), {.tensors = 1}), "");
  EXPECT_NE(refusal(sample(), {.elements = 6}), "");
  EXPECT_NE(refusal(sample(), {.coded_bytes = 14}), "");
}

TEST(Header, IsCanonicalJson) {
  for (const char* text : {"", "null", "[]", "{", "{}}", "{\"a\":1,\"a\":1}", "\xff"}) {
    EXPECT_FALSE(parse_header(text, {}, "x")) << text;
  }
  EXPECT_THAT(refusal(sample()), "");
  EXPECT_FALSE(parse_header(sample().dump(1), {}, "x"));
  EXPECT_FALSE(parse_header(sample().dump() + " ", {}, "x"));
}

TEST(Header, DeepNestingIsRefusedBeforeItIsRead) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const auto parsed = parse_header(deep, {}, "x");
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message(), HasSubstr("nested"));
  json brackets = sample();
  brackets["run"]["text"] = std::string(1000, '[') + "\\\"";
  EXPECT_EQ(refusal(brackets), "");
}

}  // namespace
}  // namespace caddie::artifact
