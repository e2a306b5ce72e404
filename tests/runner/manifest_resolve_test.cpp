#include <gtest/gtest.h>

#include <set>

#include "core/base/hash.hpp"
#include "runner/manifest/host_schema.hpp"
#include "runner/manifest/sections.hpp"
#include "tests/runner/manifest_support.hpp"

namespace caddie::manifest {
namespace {

using Kind = Issue::Kind;
using testing::child_of_base;
using testing::has_issue;
using testing::kBase;
using testing::resolve_files;
using testing::sets;
using testing::with_base;

std::string issues_of(const std::string& members) {
  return format_issues(resolve_files(child_of_base(members)).issues);
}

TEST(ManifestResolve, TheBaseBecomesTypes) {
  const Resolution result = resolve_files(with_base(""), {}, "base.json");
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  const Manifest& manifest = result.manifest;
  EXPECT_EQ(manifest.name, "base");
  EXPECT_EQ(manifest.notes, std::vector<std::string>{"the base"});
  EXPECT_TRUE(manifest.data.text.empty());
  EXPECT_TRUE(manifest.data.train_files.empty());
  EXPECT_EQ(manifest.data.validation_fraction, 0.01);
  EXPECT_EQ(manifest.data.tokenizer.vocab, 1024);
  EXPECT_EQ(manifest.model.head_dim, 64);
  EXPECT_EQ(manifest.model.vocab, 1024);
  EXPECT_EQ(manifest.train.context, 1024);
  EXPECT_EQ(manifest.train.batch, 64);
  EXPECT_EQ(manifest.budget.artifact_bytes, 16000000);
  EXPECT_EQ(manifest.compute.backend, "cpu");
  ASSERT_EQ(manifest.blocks.size(), 2U);
  EXPECT_EQ(manifest.blocks[1].use, "gate");
  EXPECT_EQ(manifest.blocks[1].host.layers, (std::vector<int>{4, 5, 6, 7}));
  EXPECT_FALSE(manifest.blocks[0].host.layers.has_value());
  EXPECT_EQ(manifest.blocks[1].config, Json::parse(R"({"window":12,"bos_mask":false,"mode":"single"})"));
  EXPECT_EQ(manifest.blocks[1].position.text(), "base.json:9:5");
  EXPECT_EQ(manifest.quantize[0].config.at("bits"), 8);
  EXPECT_FALSE(manifest.schedule.has_value());
  EXPECT_EQ(all_entries(manifest).size(), 7U);
}

TEST(ManifestResolve, HostKeysOfEverySection) {
  const Resolution result = resolve_files(child_of_base(R"(
    "blocks": {"noise": {"at": "stream.in", "order": 5, "phases": ["train", "adapt"], "layers": ["last:2", 0]}},
    "optimizers": {"matrix": {"claims": {"layers": ":4", "name": ["*.q.*", "*.k.*"]}}},
    "quantize": {"low": {"use": "lowrank", "over": ["rows"], "claims": {"role": "head"}}},
    "compress": {"all": {"use": "squash"}, "codes": {"use": "squash", "streams": "codes.*", "order": -1}},
    "schedule": {"use": "ramp"}, "ttt": {"use": "chunked"}, "averagers": {"mean": {"use": "mean"}})"));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  const Manifest& manifest = result.manifest;
  ASSERT_EQ(manifest.blocks[1].name, "noise");  // order 5 comes after 0
  EXPECT_EQ(manifest.blocks[1].host.at, "stream.in");
  EXPECT_EQ(manifest.blocks[1].host.phases, (std::vector<std::string>{"train", "adapt"}));
  EXPECT_EQ(manifest.blocks[1].host.layers, (std::vector<int>{0, 6, 7}));
  EXPECT_EQ(manifest.blocks[1].host.order, 1);
  EXPECT_EQ(manifest.optimizers[0].host.claims.layers, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(manifest.optimizers[0].host.claims.names, (std::vector<std::string>{"*.q.*", "*.k.*"}));
  EXPECT_EQ(manifest.optimizers[0].host.claims.roles, std::vector<std::string>{"matrix"});
  EXPECT_EQ(manifest.quantize[1].host.over, std::vector<std::string>{"rows"});
  EXPECT_EQ(manifest.compress[0].name, "codes");
  EXPECT_EQ(manifest.compress[0].host.streams, std::vector<std::string>{"codes.*"});
  EXPECT_EQ(manifest.compress[1].host.streams, std::vector<std::string>{"*"});
  EXPECT_EQ(manifest.compress[1].config.at("window"), 524288);
  EXPECT_EQ(manifest.schedule->config.at("after"), 600.0);
  EXPECT_EQ(manifest.ttt->config.at("chunk"), 48);
  EXPECT_EQ(result.resolved.at("blocks").at("gate").at("order"), 0);
}

TEST(ManifestResolve, ManyErrorsAtOnceEachAtItsPlace) {
  EXPECT_EQ(
      issues_of(R"("blocks": {
  "gate": { "windw": 3, "mode": "singel", "layers": "9:" },
  "noise": { "alpha": 101 },
  "gone": { "use": "gat" },
  "wrong": { "use": "rows" },
  "text": "noise"
},
"trainn": {},
"train": { "batch": "64", "clip": { "norm": -1 } },
"optimizers": { "matrix": { "momentum": { "from": 0.9, "to": 2 } } },
"budget": { "train_seconds": "1 fortnight", "artifact_bytes": "16MX" },
"compute": { "backend": "gpu" })"),
      "run.json:4:13: /blocks/gate/windw: unknown key \"windw\"; did you mean \"window\"?\n"
      "run.json:4:33: /blocks/gate/mode: must be one of \"single\", \"double\"; is \"singel\"; did you mean "
      "\"single\"?\n"
      "run.json:5:23: /blocks/noise/alpha: must be at most 100, is 101.0\n"
      "run.json:6:20: /blocks/gone/use: no block plugin \"gat\" is installed; did you mean \"gate\"?\n"
      "run.json:7:21: /blocks/wrong/use: the plugin \"rows\" is a quantizer, not a block; it belongs under "
      "\"quantize\"\n"
      "run.json:8:11: /blocks/text: must be an object, is \"noise\"; write {\"use\": \"noise\"}\n"
      "run.json:10:1: /trainn: unknown key \"trainn\"; did you mean \"train\"?\n"
      "run.json:11:21: /train/batch: must be a whole number, is \"64\"; write it without quotes\n"
      "run.json:11:45: /train/clip/norm: must be at least 0, is -1.0\n"
      "run.json:12:41: /optimizers/matrix/momentum: the key \"steps\" is missing; add it\n"
      "run.json:13:30: /budget/train_seconds: \"1 fortnight\" is not a time; write \"600s\", \"10min\", \"1.5h\" or "
      "\"250ms\"\n"
      "run.json:13:63: /budget/artifact_bytes: \"16MX\" is not a size; write \"16000000B\", \"15.9MB\" (10^6) or "
      "\"512KiB\" (2^10)\n"
      "run.json:14:25: /compute/backend: must be one of \"cpu\", \"cuda\", \"reference\"; is \"gpu\"; did you mean "
      "\"cpu\"?\n");
}

TEST(ManifestResolve, WhatIsMissingIsNamed) {
  EXPECT_EQ(format_issues(resolve_files({{"run.json", "{}"}}).issues),
            "run.json:1:1: the key \"data\" is missing; add it\n"
            "run.json:1:1: the key \"model\" is missing; add it\n"
            "run.json:1:1: the key \"train\" is missing; add it\n"
            "run.json:1:1: the key \"blocks\" is missing; add it\n"
            "run.json:1:1: the key \"optimizers\" is missing; add it\n"
            "run.json:1:1: the key \"loader\" is missing; add it\n");
  EXPECT_EQ(issues_of(R"("blocks": {"x": {"use": "gate"}})"),
            "run.json:3:17: /blocks/x: the key \"window\" is missing; add it\n");
  EXPECT_EQ(issues_of(R"("blocks": {"noise": null, "gate": null})"),
            "run.json:3:11: /blocks: is empty; a run needs at least one entry\n");
}

// No section lets a key through that nobody reads.
TEST(ManifestResolve, UnknownKeysAreErrorsEverywhere) {
  const Resolution full =
      resolve_files(child_of_base(R"("compress": {"c": {"use": "squash"}}, "averagers": {"m": {"use":
    "mean"}}, "schedule": {"use": "ramp"}, "ttt": {"use": "chunked"}, "allow_inert": [{"what": "a", "why": "b"}])"));
  ASSERT_TRUE(full.ok()) << format_issues(full.issues);
  std::set<std::string> objects;
  const std::function<void(const Json&, const std::string&)> collect = [&](const Json& value, const std::string& path) {
    if (!value.is_object()) return;
    objects.insert(path);
    for (const auto& [key, member] : value.items()) collect(member, path.empty() ? key : path + "." + key);
  };
  collect(full.resolved, "");
  EXPECT_GT(objects.size(), 20U);
  for (const std::string& path : objects) {
    testing::Files files = {{"run.json", full.canonical}};
    const std::string key = path.empty() ? "bogus" : path + ".bogus";
    const Resolution result = resolve_files(files, sets({key + "=1"}));
    EXPECT_FALSE(result.ok()) << key;
    for (const Issue& issue : result.issues)
      EXPECT_EQ(issue.place.text(), "--set " + key + "=1") << format_issue(issue);
  }
  EXPECT_FALSE(
      resolve_files({{"run.json", full.canonical}}, sets({R"(allow_inert=[{"what":"a","why":"b","x":1}])"})).ok());
}

TEST(ManifestResolve, HostRulesAcrossKeys) {
  EXPECT_NE(issues_of(R"("model": {"heads": 7})").find("/model/heads: dim 512 is not a multiple of 7 heads"),
            std::string::npos);
  EXPECT_NE(issues_of(R"("model": {"kv_heads": 3})").find("/model/kv_heads: 8 heads cannot share 3"),
            std::string::npos);
  EXPECT_NE(issues_of(R"("model": {"vocab": 1000})").find("/model/vocab: 1000 rows are fewer"), std::string::npos);
  EXPECT_EQ(resolve_files(child_of_base(R"("model": {"vocab": 1088})")).manifest.model.vocab, 1088);
  EXPECT_NE(issues_of(R"("data": {"tokenizer": {"vocab": null}})").find("/model: the vocabulary is not known"),
            std::string::npos);
  EXPECT_NE(issues_of(R"("train": {"accumulate": 3})").find("/train/accumulate: a batch of 64"), std::string::npos);
  EXPECT_NE(issues_of(R"("budget": {"reserve_seconds": "10min"})").find("/budget/reserve_seconds: is not read"),
            std::string::npos);
  EXPECT_NE(issues_of(R"("budget": {"train_seconds": 60, "reserve_seconds": "10min"})").find("leave nothing of 60"),
            std::string::npos);
}

TEST(ManifestResolve, DataIsTextOrAFolderOrShards) {
  const auto data = [](const std::string& keys) { return issues_of("\"data\": {" + keys + "}"); };
  EXPECT_EQ(data(R"("text": "a.txt", "max_bytes": "1MB", "validation": {"documents": 3}, "seed": 1)"), "");
  EXPECT_EQ(data(R"("train": ["t*.bin"], "validation": {"files": "v*.bin"})"), "");
  EXPECT_NE(data(R"("text": "a.txt", "train": "t*.bin")").find("/data/train: is not read"), std::string::npos);
  EXPECT_NE(data(R"("text": "a", "validation": {"files": "b"})").find("/data/validation/files: is not"),
            std::string::npos);
  EXPECT_NE(data(R"("train": "t*.bin")").find("\"train\" needs \"validation\""), std::string::npos);
  EXPECT_NE(data(R"("validation": {"files": "v"})").find("needs \"train\" beside it"), std::string::npos);
  EXPECT_NE(data(R"("train": "t", "validation": {"files": "v"}, "tokenizer": {"model": null})").find("made elsewhere"),
            std::string::npos);
  EXPECT_EQ(data(R"("max_bytes": 7)"),
            "run.json:3:23: /data/max_bytes: is not read, for there is no \"text\" to prepare; "
            "add it, or remove this key\n");
  EXPECT_NE(data(R"("validation": {"documents": 7})").find("/data/validation/documents: is not read"),
            std::string::npos);
}

TEST(ManifestResolve, DecoratorsPointAtEntries) {
  EXPECT_EQ(issues_of(R"("quantize": {"low": {"use": "lowrank", "over": ["rowss"]}})"),
            "run.json:3:49: /quantize/low/over/0: \"quantize\" has no entry \"rowss\"; did you mean \"rows\"?\n");
  EXPECT_NE(issues_of(R"("quantize": {"low": {"use": "lowrank", "over": ["low"]}})").find("would decorate itself"),
            std::string::npos);
  EXPECT_NE(issues_of(R"("quantize": {"a": {"use": "lowrank", "over": ["b"]}, "b": {"use": "lowrank", "over": ["a"]}})")
                .find("would decorate itself"),
            std::string::npos);
}

TEST(ManifestResolve, MissingPluginsCanBeTolerated) {
  const Resolution result =
      resolve_files(child_of_base(R"("blocks": {"far": {"use": "elsewhere", "depth": 3, "layers": 1}})"));
  ASSERT_EQ(result.issues.size(), 1U) << format_issues(result.issues);
  EXPECT_EQ(result.issues[0].kind, Kind::missing_plugin);
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(result.usable_without_plugins());
  ASSERT_EQ(result.manifest.blocks.size(), 3U);
  EXPECT_EQ(result.manifest.blocks[2].config, Json::parse(R"({"depth": 3})"));
  EXPECT_EQ(result.manifest.blocks[2].host.layers, std::vector<int>{1});
  const Resolution other = resolve_files(child_of_base(R"("blocks": {"r": {"use": "rows"}})"));
  EXPECT_EQ(other.issues[0].kind, Kind::unknown_plugin);
  EXPECT_FALSE(other.usable_without_plugins());
}

TEST(ManifestResolve, APluginWithABadSchemaIsNamed) {
  testing::FakeCatalogue catalogue;
  catalogue.add("block", "broken", R"({"type":"object","properties":{"a":{"type":"number","default":"x"}}})");
  catalogue.add("block", "greedy", R"({"type":"object","properties":{"layers":{"type":"integer"}}})");
  const auto issues =
      resolve_files(child_of_base("\"blocks\": {\"b\": {\"use\": \"broken\"},\n \"g\": {\"use\": \"greedy\"}}"), {},
                    "run.json", catalogue)
          .issues;
  ASSERT_EQ(issues.size(), 2U) << format_issues(issues);
  EXPECT_EQ(issues[0].kind, Kind::bad_schema);
  EXPECT_EQ(issues[0].place.text(), "run.json:3:25");
  EXPECT_NE(issues[1].message.find("the key \"layers\" belongs to Caddie"), std::string::npos);
}

TEST(ManifestResolve, InstanceNamesCanBeAddressed) {
  EXPECT_TRUE(has_issue(resolve_files(child_of_base(R"("blocks": {"a.b": {"use": "noise"}})")).issues, Kind::form,
                        "/blocks/a.b"));
}

TEST(ManifestResolve, TheDigestIgnoresCommentsBlanksUnitsAndKeyOrder) {
  const std::string a =
      R"({"extends": "base.json", "name": "x", "budget": {"train_seconds": 600, "artifact_bytes": 15900000},
    "blocks": {"noise": {"alpha": 4, "layers": [0]}}, "train": {"clip": {"norm": 1}}})";
  const std::string b = R"({ // the same
    "train": {"clip": {"norm": 1.0,}}, "blocks": {"noise": {"layers": [0], "alpha": 4.0}},
    /* with units */ "budget": {"artifact_bytes": "15.9MB", "train_seconds": "10min"},
    "name": "x", "extends": ["base.json"]})";
  const Resolution first = resolve_files(with_base(a));
  const Resolution second = resolve_files(with_base(b));
  ASSERT_TRUE(first.ok()) << format_issues(first.issues);
  ASSERT_TRUE(second.ok()) << format_issues(second.issues);
  EXPECT_EQ(first.canonical, second.canonical);
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(first.digest, sha256_hex(first.canonical));
  EXPECT_NE(first.digest, resolve_files(with_base(a), sets({"blocks.noise.alpha=4.5"})).digest);
}

TEST(ManifestResolve, TheOrderOfActingEntriesIsPartOfTheDigest) {
  const auto with = [](const char* order_a, const char* order_b) {
    const std::string a = std::string(R"("a": {"use": "noise")") + order_a + "}";
    const std::string b = std::string(R"("b": {"use": "noise")") + order_b + "}";
    return std::pair(resolve_files(child_of_base("\"blocks\": {" + a + "," + b + "}")).digest,
                     resolve_files(child_of_base("\"blocks\": {" + b + "," + a + "}")).digest);
  };
  const auto [ab, ba] = with("", "");
  EXPECT_NE(ab, ba);
  const auto [fixed_ab, fixed_ba] = with(", \"order\": 1", ", \"order\": 2");
  EXPECT_EQ(fixed_ab, fixed_ba);
  EXPECT_EQ(fixed_ab, ab);
}

TEST(ManifestResolve, AResolvedManifestResolvesToItself) {
  const Resolution first = resolve_files(child_of_base(R"("blocks": {"a": {"use": "noise", "order": -3}},
    "compress": {"z": {"use": "squash"}, "a": {"use": "squash"}}, "schedule": {"use": "ramp"})"));
  ASSERT_TRUE(first.ok()) << format_issues(first.issues);
  const Resolution second = resolve_files({{"resolved.json", first.canonical}}, {}, "resolved.json");
  ASSERT_TRUE(second.ok()) << format_issues(second.issues);
  EXPECT_EQ(second.canonical, first.canonical);
  EXPECT_EQ(second.manifest.compress[0].name, "z");
}

TEST(ManifestResolve, ReplicatesShareADigestWithoutTheSeed) {
  const Resolution a = resolve_files(with_base(""), {{Override::Kind::seed, "1"}}, "base.json");
  const Resolution b = resolve_files(with_base(""), {{Override::Kind::seed, "2"}}, "base.json");
  const std::vector<std::string> keys = {"seed", "name", "notes"};
  EXPECT_NE(a.digest, b.digest);
  EXPECT_EQ(digest_without(a.resolved, keys), digest_without(b.resolved, keys));
}

TEST(ManifestResolve, EveryLeafHasItsOrigin) {
  const Resolution result = resolve_files(child_of_base("\"train\": {\"steps\": 7}"), sets({"seed=3"}));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  const Json& origins = result.origins;
  EXPECT_EQ(origins.at("/train/steps"), "run.json:3:20");
  EXPECT_EQ(origins.at("/train/batch"), "base.json:6:23");
  EXPECT_EQ(origins.at("/seed"), "--set seed=3");
  EXPECT_EQ(origins.at("/blocks/gate/mode"), "plugin default (gate)");
  EXPECT_EQ(origins.at("/blocks/gate/order"), "derived from the order of entries");
  EXPECT_EQ(origins.at("/budget/artifact_bytes"), "default");
  EXPECT_EQ(origins.at("/model/head_dim"), "derived from model.dim and model.heads");
  EXPECT_EQ(origins.at("/optimizers/rest/claims/role"), "base.json:13:51");
  for (const auto& [pointer, origin] : origins.items()) EXPECT_NE(origin, "?") << pointer;
}

TEST(ManifestResolve, TheDifferenceToTheParents) {
  const Resolution result = resolve_files(
      child_of_base(
          R"("blocks": {"noise": null, "more": {"use": "noise", "alpha": 2}}, "train": {"steps": 7, "batch": 64})"),
      sets({"seed=3"}));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  std::map<std::string, std::string> lines;
  for (const Json& entry : diff_against_base(result)) {
    lines[entry.at("pointer")] = entry.value("from", Json("-")).dump() + " -> " + entry.value("to", Json("-")).dump();
  }
  const std::map<std::string, std::string> expected = {{"/blocks/more/alpha", R"("-" -> 2.0)"},
                                                       {"/blocks/more/use", R"("-" -> "noise")"},
                                                       {"/blocks/noise/alpha", R"(3.0 -> "-")"},
                                                       {"/blocks/noise/use", R"("noise" -> "-")"},
                                                       {"/seed", "0 -> 3"},
                                                       {"/train/steps", "100 -> 7"}};
  EXPECT_EQ(lines, expected);
}

TEST(ManifestResolve, WithoutParentsTheDifferenceIsWhatWasWritten) {
  const Json differences = diff_against_base(resolve_files(with_base(""), {}, "base.json"));
  std::set<std::string> pointers;
  for (const Json& entry : differences) pointers.insert(entry.at("pointer"));
  EXPECT_TRUE(pointers.contains("/train/batch"));
  EXPECT_FALSE(pointers.contains("/train/log_every"));
  EXPECT_FALSE(pointers.contains("/blocks/gate/mode"));
}

TEST(ManifestResolve, SeveralFilesMergeLeftToRight) {
  const testing::Files files = {{"base.json", std::string(kBase)}, {"more.json", R"({"seed": 9, "name": "more"})"}};
  const std::vector<std::filesystem::path> paths = {"base.json", "more.json"};
  const Resolution result = resolve(paths, {}, testing::FakeCatalogue(), testing::reader_of(files));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.seed, 9);
  EXPECT_EQ(result.manifest.name, "more");
}

TEST(ManifestResolve, EditorsGetADraft7SchemaWithEveryPlugin) {
  const Json schema = manifest_schema(testing::FakeCatalogue());
  EXPECT_EQ(schema.at("$schema"), "http://json-schema.org/draft-07/schema#");
  EXPECT_EQ(schema.at("additionalProperties"), false);
  EXPECT_TRUE(schema.at("properties").contains("extends"));
  const Json& entry = schema.at("properties").at("blocks").at("additionalProperties");
  EXPECT_EQ(entry.at("properties").at("use").at("enum"), Json({"gate", "noise", nullptr}));
  const Json& gate = entry.at("allOf").at(0);
  EXPECT_EQ(gate.at("if"), Json::parse(R"({"required":["use"],"properties":{"use":{"const":"gate"}}})"));
  EXPECT_EQ(gate.at("then").at("additionalProperties"), false);
  EXPECT_EQ(gate.at("then").at("properties").at("window").at("type"), Json({"integer", "null"}));
  EXPECT_TRUE(gate.at("then").at("properties").contains("layers"));
  const Json& seconds = schema.at("properties").at("budget").at("properties").at("train_seconds");
  EXPECT_EQ(seconds.at("type"), Json({"number", "string", "null"}));
  EXPECT_FALSE(seconds.contains("unit"));
  EXPECT_EQ(schema.at("properties").at("allow_inert").at("items").at("required"), Json({"what", "why"}));
}

TEST(ManifestReference, ListsEveryHostKey) {
  const std::string text = manifest_reference_markdown();
  const std::function<void(const Json&, const std::string&)> look = [&](const Json& schema, const std::string& prefix) {
    for (const auto& [key, property] : schema.at("properties").items()) {
      EXPECT_NE(text.find("| `" + prefix + key + "` |"), std::string::npos) << prefix + key;
      if (property.contains("properties")) look(property, prefix + key + ".");
    }
  };
  for (const auto& [name, property] : host_schema().at("properties").items()) {
    if (property.contains("properties")) look(property, "");
  }
  for (const Section& section : plugin_sections()) look(entry_schema(section.name), "");
  EXPECT_NE(text.find("\n## `blocks`\n"), std::string::npos);
  EXPECT_NE(text.find("| `artifact_bytes` | integer (bytes), ≥ 1 | `16000000` |"), std::string::npos);
  EXPECT_NE(text.find("| `seed` | integer, ≥ 0 | `0` | Seed of every"), std::string::npos);
}

}  // namespace
}  // namespace caddie::manifest
