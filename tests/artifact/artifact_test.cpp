#include "core/artifact/artifact.hpp"

#include <cstring>

#include "core/artifact/container.hpp"
#include "tests/artifact/support.hpp"

namespace caddie::artifact::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

struct Sample {
  Sample() {
    standard_stack(bench);
    coded = quantized(bench, small_model());
    bytes = written(bench, coded).bytes;
  }
  Bench bench;
  Quantized coded;
  Bytes bytes;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void expect_decodes_to(const Bytes& bytes, const std::vector<NamedTensor>& expected) {
  const auto artifact = Artifact::open(bytes, "x.caddie");
  ASSERT_TRUE(artifact) << artifact.error().message();
  const auto weights = artifact->decode(decoders());
  ASSERT_TRUE(weights) << weights.error().message();
  ASSERT_EQ(weights->size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ((*weights)[i].id, expected[i].id);
    EXPECT_TRUE(same_bits((*weights)[i].data, expected[i].data)) << expected[i].id.name;
  }
}

// The artifact with another header and a digest that fits.
Bytes with_header(const Bytes& bytes, auto&& change) {
  const auto container = parse_container(bytes, "x").value();
  json header = json::parse(container.header);
  change(header);
  std::vector<Bytes> groups;
  for (const auto group : container.groups) groups.emplace_back(group.begin(), group.end());
  return format_container(header.dump(), groups).value();
}

std::string decode_refusal(const Bytes& bytes) {
  const auto artifact = Artifact::open(bytes, "x.caddie");
  if (!artifact) return artifact.error().message();
  return refusal(artifact->decode(decoders()));
}

TEST(Artifact, DecodesToTheSameBits) {
  const Sample sample;
  expect_decodes_to(sample.bytes, sample.coded.decoded);
}

TEST(Artifact, CarriesManifestAndRun) {
  const auto artifact = Artifact::open(Sample().bytes, "x").value();
  EXPECT_EQ(artifact.header().manifest, manifest());
  EXPECT_EQ(artifact.header().run, json({{"seed", 42}}));
  EXPECT_EQ(artifact.header().quantizers.at(3).id, "lqer");
  EXPECT_EQ(artifact.header().quantizers.at(0).config.at("bits"), 6);
  EXPECT_EQ(artifact.digest().size(), 64u);
}

TEST(Artifact, SameInputSameBytes) { EXPECT_EQ(Sample().bytes, Sample().bytes); }

TEST(Artifact, WithoutCompressorsStreamsAreStored) {
  Sample sample;
  Bench plain;
  standard_stack(plain);
  plain.compressors.clear();
  const Written stored = written(plain, sample.coded);
  expect_decodes_to(stored.bytes, sample.coded.decoded);
  EXPECT_GT(stored.bytes.size(), sample.bytes.size());
  EXPECT_EQ(stored.sizes.groups.at(1).name, "stored");

  // What was stored between two stages packs to the same artifact as what was kept in memory.
  const auto parts = Artifact::open(stored.bytes, "x")->parts({});
  ASSERT_TRUE(parts) << parts.error().message();
  EXPECT_EQ(written(sample.bench, *parts).bytes, sample.bytes);
}

TEST(Artifact, EveryChangedByteIsAnError) {
  const Sample sample;
  for (std::size_t at = 0; at < sample.bytes.size(); ++at) {
    Bytes changed = sample.bytes;
    changed[at] ^= static_cast<std::uint8_t>(1 + at % 255);
    const auto opened = Artifact::open(changed, "x.caddie");
    ASSERT_FALSE(opened) << at;
    EXPECT_THAT(opened.error().message(), HasSubstr("x.caddie: "));
  }
}

// A digest that fits does not make packed bytes sound: each compressor meets damage of its own.
TEST(Artifact, DamageInsideAGroupIsAnErrorOrOtherWeights) {
  const Sample sample;
  const auto container = parse_container(sample.bytes, "x").value();
  for (std::size_t g = 0; g < container.groups.size(); ++g) {
    for (std::size_t at = 0; at < container.groups[g].size(); at += 1 + at / 30) {
      std::vector<Bytes> groups;
      for (const auto group : container.groups) groups.emplace_back(group.begin(), group.end());
      groups[g][at] ^= 0x55;
      const auto artifact = Artifact::open(format_container(container.header, groups).value(), "x");
      ASSERT_TRUE(artifact);
      const auto weights = artifact->decode(decoders());
      EXPECT_THAT(refusal(weights), testing::AnyOf("", HasSubstr("x: ")));
    }
    std::vector<Bytes> groups;
    for (const auto group : container.groups) groups.emplace_back(group.begin(), group.end());
    groups[g].resize(groups[g].size() / 2);
    EXPECT_THAT(decode_refusal(format_container(container.header, groups).value()),
                AllOf(HasSubstr("group " + std::to_string(g) + " at byte"), HasSubstr("x.caddie")));
  }
}

TEST(Artifact, PartsOfAnotherSizeAreRefusedByTheirQuantizer) {
  Bench bench;
  bench.quantizer("passthrough", "all", {});
  const Bytes bytes = written(bench, quantized(bench, small_model())).bytes;
  const Bytes moved = with_header(bytes, [](json& header) {
    header["tensors"][0]["coded"][0]["parts"]["values"] = 1282;  // two bytes from the next tensor
    header["tensors"][1]["coded"][0]["parts"]["values"] = 510;
  });
  EXPECT_THAT(decode_refusal(moved), AllOf(HasSubstr("all on embed.weight"), HasSubstr("1280 were expected")));
}

TEST(Artifact, HeaderAndGroupsMustAgree) {
  const Sample sample;
  const Bytes fewer = with_header(sample.bytes, [](json& header) {
    for (const auto& name : header["groups"][1]["streams"]) header["groups"][0]["streams"].push_back(name);
    header["groups"].erase(1);
  });
  EXPECT_THAT(decode_refusal(fewer), HasSubstr("has 2 groups, its header describes 1"));
}

TEST(Artifact, MissingAndNewerPluginsAreNamed) {
  const Sample sample;
  const auto replaced = [&](const char* pointer, const char* value) {
    return decode_refusal(
        with_header(sample.bytes, [&](json& header) { header[json::json_pointer(pointer)] = value; }));
  };
  EXPECT_THAT(replaced("/quantizers/3/use", "lqr"),
              AllOf(HasSubstr("needs the quantizer \"lqr\""), HasSubstr("did you mean \"lqer\"")));
  EXPECT_THAT(replaced("/groups/0/use", "nothing-like-it"), HasSubstr("needs the compressor"));
  EXPECT_THAT(replaced("/quantizers/0/version", "2.0.0"), AllOf(HasSubstr("int-row 2.0.0"), HasSubstr("2.x")));
  EXPECT_EQ(replaced("/quantizers/0/version", "1.9.3"), "");
}

// Configurations come from the file: the caller's check sees them before a plugin does, and plugins defend themselves.
TEST(Artifact, ConfigurationsAreChecked) {
  const Sample sample;
  const auto artifact = Artifact::open(sample.bytes, "x").value();
  Decoders strict = decoders();
  std::vector<std::string> seen;
  strict.check = [&](const plugins::Description& description, const json& config) -> Result<json> {
    seen.push_back(description.id);
    return config;
  };
  EXPECT_TRUE(artifact.decode(strict));
  EXPECT_THAT(seen, testing::UnorderedElementsAre("int-row", "int-row", "passthrough", "lqer", "zstd", "lzma"));
  strict.check = [](const plugins::Description&, const json&) -> Result<json> {
    return Error{Code::argument, "bits", "is 9"};
  };
  EXPECT_THAT(refusal(artifact.decode(strict)), AllOf(HasSubstr("matrices"), HasSubstr("bits: is 9")));

  for (const int bits : {-1, 0, 1, 9, 64, 1000}) {
    const Bytes changed =
        with_header(sample.bytes, [&](json& header) { header["quantizers"][0]["config"]["bits"] = bits; });
    EXPECT_THAT(decode_refusal(changed), HasSubstr("bits")) << bits;
  }
  for (const char* key : {"rank", "group"}) {
    for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-5}, std::int64_t{1} << 40}) {
      const Bytes changed =
          with_header(sample.bytes, [&](json& header) { header["quantizers"][3]["config"][key] = value; });
      EXPECT_NE(decode_refusal(changed), "") << key << value;
    }
  }
}

TEST(Artifact, ReadersMayLowerTheLimits) {
  const Sample sample;
  EXPECT_THAT(refusal(Artifact::open(sample.bytes, "x", {.tensors = 12})), HasSubstr("more tensors"));
  EXPECT_THAT(refusal(Artifact::open(sample.bytes, "x", {.elements = 1000})), HasSubstr("x: "));
}

TEST(Write, EveryStreamHasOneCompressor) {
  const Sample sample;
  const auto refused = [&](const std::vector<std::vector<std::string>>& globs) {
    Bench bench;
    standard_stack(bench);
    bench.compressors.clear();
    for (std::size_t i = 0; i < globs.size(); ++i) bench.compressor("store", "c" + std::to_string(i), {}, globs[i]);
    return refusal(write_artifact({&sample.coded, bench.quantizers, bench.compressors, manifest(), {}}));
  };
  EXPECT_EQ(refused({{"*"}}), "");
  EXPECT_EQ(refused({{}}), "");
  EXPECT_THAT(refused({{"*.codes"}}),
              AllOf(HasSubstr("no compressor claims"), HasSubstr("matrices.scales"), HasSubstr("fix.a_scales")));
  EXPECT_THAT(refused({{"*.codes"}, {"*"}}), HasSubstr("matrices.codes is claimed by c0 and c1"));
  EXPECT_THAT(refused({{"*.kodes"}, {}}), HasSubstr("c0 takes nothing"));
  EXPECT_THAT(refused({{}, {}}), HasSubstr("ask for the rest"));
}

TEST(Write, CompressorsThatLoseSomethingAreFound) {
  const Sample sample;
  const auto refused = [&](const json& config) {
    Bench bench;
    standard_stack(bench);
    bench.compressors.clear();
    bench.compressor("lossy-compressor", "lossy", config);
    return refusal(write_artifact({&sample.coded, bench.quantizers, bench.compressors, manifest(), {}}));
  };
  EXPECT_THAT(refused({}),
              AllOf(HasSubstr("lossy: does not give the stream"), HasSubstr("lossy-compressor 1.0.0 is defective")));
  EXPECT_THAT(refused({{"swells", true}}), HasSubstr("more than twice"));
}

TEST(Write, TextsMustBeUtf8) {
  const Sample sample;
  EXPECT_THAT(refusal(write_artifact(
                  {&sample.coded, sample.bench.quantizers, sample.bench.compressors, {{"name", "na\xefve"}}, {}})),
              HasSubstr("UTF-8"));
}

// A model of the field's size: header and prefix stay small beside 16,000,000 bytes.
TEST(Write, TheHeaderStaysSmall) {
  Bench bench;
  bench.quantizer("int-row", "matrices", {{"bits", 6}}, R"({"role": "matrix"})");
  bench.quantizer("passthrough", "rest", {});
  bench.compressor("store", "all", {});
  std::vector<NamedTensor> weights;
  for (int layer = 0; layer < 11; ++layer) {
    const std::string at = "blocks." + std::to_string(layer) + ".";
    for (const char* name :
         {"attn.q.weight", "attn.k.weight", "attn.v.weight", "attn.proj.weight", "mlp.up.weight", "mlp.down.weight"}) {
      weights.push_back(tensor(at + name, "matrix", layer, {8, 8}, layer));
    }
    for (const char* name : {"attn.gain", "attn_scale", "mlp_scale", "resid_mix"})
      weights.push_back(tensor(at + name, "scalar", layer, {8}, layer));
  }
  const Written made = written(bench, quantized(bench, weights));
  EXPECT_EQ(made.sizes.groups.front().name, "container");
  EXPECT_LT(made.sizes.groups.front().bytes, 1200);
}

}  // namespace
}  // namespace caddie::artifact::test
