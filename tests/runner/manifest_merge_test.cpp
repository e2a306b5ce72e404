#include <gtest/gtest.h>

#include "core/base/file.hpp"
#include "tests/runner/manifest_support.hpp"

namespace caddie::manifest {
namespace {

using testing::child_of_base;
using testing::has_issue;
using testing::reader_of;
using testing::resolve_files;
using testing::with_base;

Json patched(const std::string& base, const std::string& patch) {
  Merged merged;
  apply_patch(merged, parse_document(base, "base").document);
  apply_patch(merged, parse_document(patch, "patch").document);
  return merged.document.value;
}

LoadedFiles load(const testing::Files& files, const std::string& main) {
  const std::vector<std::filesystem::path> paths = {main};
  return load_files(paths, reader_of(files));
}

// The cases of RFC 7396, appendix A, that have objects on both sides.
TEST(ManifestMerge, FollowsMergePatch) {
  EXPECT_EQ(patched(R"({"a":"b"})", R"({"a":"c"})"), Json::parse(R"({"a":"c"})"));
  EXPECT_EQ(patched(R"({"a":"b"})", R"({"b":"c"})"), Json::parse(R"({"a":"b","b":"c"})"));
  EXPECT_EQ(patched(R"({"a":"b"})", R"({"a":null})"), Json::parse("{}"));
  EXPECT_EQ(patched(R"({"a":"b","b":"c"})", R"({"a":null})"), Json::parse(R"({"b":"c"})"));
  EXPECT_EQ(patched(R"({"a":["b"]})", R"({"a":"c"})"), Json::parse(R"({"a":"c"})"));
  EXPECT_EQ(patched(R"({"a":"c"})", R"({"a":["b"]})"), Json::parse(R"({"a":["b"]})"));
  EXPECT_EQ(patched(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})"), Json::parse(R"({"a":{"b":"d"}})"));
  EXPECT_EQ(patched(R"({"a":[{"b":"c"}]})", R"({"a":[1]})"), Json::parse(R"({"a":[1]})"));
  EXPECT_EQ(patched(R"({"a":"foo"})", R"({"a":{"b":1}})"), Json::parse(R"({"a":{"b":1}})"));
  EXPECT_EQ(patched("{}", R"({"a":{"bb":{"ccc":null}}})"), Json::parse(R"({"a":{"bb":{}}})"));
  EXPECT_EQ(patched(R"({"e":1})", R"({"a":[null]})"), Json::parse(R"({"e":1,"a":[null]})"));
}

TEST(ManifestMerge, ANullThatDeletesNothingIsAnIssue) {
  const Resolution result = resolve_files(child_of_base("\"blocks\": {\n  \"nois\": null }"));
  ASSERT_EQ(result.issues.size(), 1U) << format_issues(result.issues);
  EXPECT_EQ(format_issues(result.issues),
            "run.json:4:3: /blocks/nois: null deletes nothing: no parent has \"nois\" here; did you mean \"noise\"?; "
            "remove this line\n");
}

TEST(ManifestMerge, NullRemovesAnEntry) {
  const Resolution result = resolve_files(child_of_base(R"("blocks": {"noise": null})"));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  ASSERT_EQ(result.manifest.blocks.size(), 1U);
  EXPECT_EQ(result.manifest.blocks[0].name, "gate");
}

TEST(ManifestMerge, ParentsApplyLeftToRightAndTheFileLast) {
  const testing::Files files = {{"d/a.json", R"({"x": 1, "y": 1, "z": 1})"},
                                {"d/b.json", R"({"y": 2, "z": 2})"},
                                {"d/run.json", R"({"extends": ["a.json", "./b.json"], "z": 3, "$schema": "s"})"}};
  const LoadedFiles loaded = load(files, "d/run.json");
  EXPECT_TRUE(loaded.merged.issues.empty()) << format_issues(loaded.merged.issues);
  EXPECT_EQ(loaded.merged.document.value, Json::parse(R"({"x":1,"y":2,"z":3})"));
  EXPECT_EQ(loaded.parents.document.value, Json::parse(R"({"x":1,"y":2,"z":2})"));
  EXPECT_EQ(loaded.merged.files, (std::vector<std::string>{"d/a.json", "d/b.json", "d/run.json"}));
  EXPECT_EQ(find_trace(loaded.merged.document.trace, "/y")->place.text(), "d/b.json:1:7");
}

TEST(ManifestMerge, ASharedBaseIsAppliedOnce) {
  const testing::Files files = {{"base.json", R"({"x": 0, "y": 0})"},
                                {"a.json", R"({"extends": "base.json", "x": 1})"},
                                {"b.json", R"({"extends": "base.json", "y": 2})"},
                                {"run.json", R"({"extends": ["a.json", "b.json"]})"}};
  EXPECT_EQ(load(files, "run.json").merged.document.value, Json::parse(R"({"x":1,"y":2})"));
}

TEST(ManifestMerge, CyclesAndDepthAreErrors) {
  const testing::Files cycle = {{"run.json", R"({"extends": ["a.json"]})"},
                                {"a.json", "{\n\"extends\": [\"run.json\"]}"}};
  const auto issues = load(cycle, "run.json").merged.issues;
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(format_issue(issues[0]),
            "a.json:2:13: /extends/0: the file extends itself: run.json -> a.json -> run.json; break the cycle");
  testing::Files chain;
  for (int i = 0; i < 12; ++i) {
    const std::string parent = "f" + std::to_string(i + 1) + ".json";
    chain["f" + std::to_string(i) + ".json"] = i == 11 ? "{}" : "{\"extends\": [\"" + parent + "\"]}";
  }
  EXPECT_TRUE(load(chain, "f3.json").merged.issues.empty());
  const auto deep = load(chain, "f2.json").merged.issues;
  ASSERT_EQ(deep.size(), 1U);
  EXPECT_EQ(format_issue(deep[0]),
            "f10.json:1:14: /extends/0: \"extends\" is more than 8 files deep; merge some of them");
}

TEST(ManifestMerge, FilesThatCannotBeReadAreNamedWhereTheyAreAsked) {
  const auto issues = resolve_files({{"run.json", "{\n \"extends\": [\"no.json\", 3]}"}}).issues;
  ASSERT_EQ(issues.size(), 2U) << format_issues(issues);
  EXPECT_EQ(format_issue(issues[0]), "run.json:2:14: /extends/0: no.json: cannot open the file: not there");
  EXPECT_EQ(format_issue(issues[1]), "run.json:2:25: /extends/1: must be the path of a file, relative to this one");
  EXPECT_EQ(resolve_files({{"run.json", "{\"extends\": 3}"}}).issues[0].kind, Issue::Kind::inheritance);
  EXPECT_EQ(format_issues(resolve_files({{"run.json", " [1]"}}).issues),
            "run.json:1:2: a manifest is a JSON object {...}, this is [1]\n");
  EXPECT_EQ(format_issues(resolve_files({}).issues), "run.json: run.json: cannot open the file: not there\n");
}

TEST(ManifestMerge, NameAndNotesAreNotInherited) {
  const Resolution result = resolve_files(child_of_base(R"("seed": 3)"));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.name, "run");
  EXPECT_TRUE(result.manifest.notes.empty());
  EXPECT_EQ(resolve_files(with_base(""), {}, "base.json").manifest.name, "base");
}

TEST(ManifestMerge, RealFilesAreReadFromDisk) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "caddie-manifest-files";
  ASSERT_TRUE(write_atomically(folder / "stacks/base.json", testing::kBase).ok());
  ASSERT_TRUE(write_atomically(folder / "runs/run.json", R"({"extends": ["../stacks/base.json"], "seed": 7})").ok());
  const std::vector<std::filesystem::path> files = {folder / "runs/run.json"};
  const Resolution result = resolve(files, {}, testing::FakeCatalogue());
  EXPECT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.seed, 7);
  EXPECT_EQ(result.files.front(), (folder / "stacks/base.json").string());
  const std::vector<std::filesystem::path> none = {folder / "runs/none.json"};
  EXPECT_EQ(resolve(none, {}, testing::FakeCatalogue()).issues.at(0).kind, Issue::Kind::io);
  std::filesystem::remove_all(folder);
}

// Exchanging a plugin: what is inherited and unknown to the new one goes, with a note; the rest stays.
TEST(ManifestMerge, ANewUseDropsOnlyInheritedKeysItDoesNotKnow) {
  const Resolution result = resolve_files(child_of_base(R"("loader": {"use": "prime"})"));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.loader->config, Json::parse(R"({"shuffle": true, "blocks": 4})"));
  ASSERT_EQ(result.notes.size(), 1U);
  EXPECT_EQ(format_issue(result.notes[0]),
            "base.json:15:30: /loader/window: dropped \"window\", which was set for another plugin");
}

TEST(ManifestMerge, ANewUseKeepsHostKeysAndSharedKeys) {
  const Resolution result = resolve_files(child_of_base(R"("optimizers": {"matrix": {"use": "plain"}})"));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  const PluginEntry& matrix = result.manifest.optimizers[0];
  EXPECT_EQ(matrix.name, "matrix");
  EXPECT_EQ(matrix.config.at("lr"), 0.026);
  EXPECT_EQ(matrix.host.claims.roles, std::vector<std::string>{"matrix"});
  EXPECT_FALSE(matrix.config.contains("table"));
}

TEST(ManifestMerge, KeysSetWithTheNewUseOrLaterMustBeKnown) {
  const Resolution same = resolve_files(child_of_base("\"loader\": {\"use\": \"prime\", \"window\": 3}"));
  ASSERT_EQ(same.issues.size(), 1U) << format_issues(same.issues);
  EXPECT_EQ(format_issue(same.issues[0]),
            "run.json:3:28: /loader/window: unknown key \"window\"; known are blocks, shuffle, use");
  testing::Files files = child_of_base(R"("loader": {"use": "prime"})");
  files["late.json"] = R"({"extends": "run.json", "loader": {"window": 3}})";
  EXPECT_TRUE(has_issue(resolve_files(files, {}, "late.json").issues, Issue::Kind::unknown_key, "/loader/window"));
  files["back.json"] = R"({"extends": "run.json", "loader": {"use": "line"}})";
  const Resolution back = resolve_files(files, {}, "back.json");
  ASSERT_TRUE(back.ok()) << format_issues(back.issues);
  EXPECT_EQ(back.manifest.loader->config.at("window"), 16);
}

TEST(ManifestMerge, AStaleValueThatDoesNotFitIsAnErrorThatSaysSo) {
  testing::FakeCatalogue catalogue;
  catalogue.add("loader", "text", R"({"type":"object","properties":{"window":{"type":"string"}}})");
  const auto issues = resolve_files(child_of_base(R"("loader": {"use": "text"})"), {}, "run.json", catalogue).issues;
  ASSERT_EQ(issues.size(), 1U) << format_issues(issues);
  EXPECT_EQ(format_issue(issues[0]),
            "base.json:15:40: /loader/window: must be a string, is 16; it was set for another "
            "plugin: set it anew, or delete it with null");
}

}  // namespace
}  // namespace caddie::manifest
