// `caddie plugins check` over every plugin of the tree, and over plugins that break one promise each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runner/check/check.hpp"
#include "test_paths.hpp"

namespace caddie::check {
namespace {

namespace fs = std::filesystem;

CheckOptions quick() {
  CheckOptions options;
  options.effort.cycles = 600;  // an author runs 10,000
  return options;
}

std::vector<std::string> plugin_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(CADDIE_BUILD_DIR "/lib/caddie/plugins"))
    if (entry.path().extension() == ".so") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

std::string test_name(const std::string& file) {
  std::string name = fs::path(file).stem();
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

std::string failures(const FileReport& report) {
  std::string text;
  for (const PluginReport& plugin : report.plugins)
    for (const CheckResult& check : plugin.checks)
      if (check.outcome == Outcome::fail) text += plugin.id + " " + check.name + ": " + check.text + "\n";
  return text;
}

class EveryPlugin : public testing::TestWithParam<std::string> {};

TEST_P(EveryPlugin, KeepsItsPromises) {
  const FileReport report = check_file(GetParam(), quick());
  EXPECT_TRUE(report.passed()) << failures(report);
  EXPECT_GE(report.count(Outcome::pass), 9u);
}

INSTANTIATE_TEST_SUITE_P(OfTheTree, EveryPlugin, testing::ValuesIn(plugin_files()),
                         [](const auto& info) { return test_name(info.param); });

// ---- each defect is found, by the check that is for it, with the call named -----------------------------------------

struct Defect {
  const char* id;
  const char* check;
  const char* text;  // a part of what is said
};

const Defect kDefects[] = {
    {"leaks", "lifetime", "leaks"},
    {"prints", "builds", "its function at the hook \"mlp.out\" (train, layer 0): prints to standard output"},
    {"rounds", "builds", "changes the floating-point environment"},
    {"locale", "builds", "changes the locale"},
    {"threads", "builds", "starts 1 thread"},
    {"aborts", "builds", "in its function at the hook \"mlp.out\" (train, layer 0): signal 6"},
    {"exits", "builds", "in its function at the hook \"mlp.out\" (train, layer 0) with exit code 0"},
    {"folder", "builds", "changes the working folder"},
    {"throws", "builds", "lets a C++ exception escape (out of the plugin)"},
    {"refuses-defaults", "options", "refuses its own defaults: nothing is good enough"},
    {"no-meaning", "schema", "/properties/size: has no description"},
    {"inert", "inert", "blocks that change nothing: inert"},
    {"unfelt", "inert", "parameters that the loss does not feel: blocks.0.unfelt.w"},
    {"changes", "builds", "two objects with the same options build different graphs"},
    {"foresees", "causality", "the logits at position 0 change with tokens after it"},
    {"mixes-rows", "causality", "change with"},
    {"wrong-shape", "builds", "a chain keeps shapes"},
    {"not-finite", "gradients", "has the element"},
    {"mixes-members", "members", "depends on the others in it"},
    {"divides-by-zero", "moves", "with a gradient of zeros"},
    {"wrong-kernel", "kernels", "twice"},
    {"shrinks", "constant", "weights that never change"},
    {"impure", "pure", "for the same step"},
    {"negative", "range", "the scale is -"},
    {"wrong-targets", "batches", "does not follow its token"},
    {"forgets", "resumes", "batch 1 is another"},
    {"ignores-ranks", "ranks", "two ranks together take other rows"},
    {"accepts-half", "state", "of a state; refuse one that ends too early"},
    {"overflows", "round-trip", "writes beyond the end of the tensor"},
    {"loses", "round-trip", "comes back changed"},
    {"crashes", "corruption", "in unpack() of the first"},
    {"hangs", "corruption", "does not come back within 2 s in unpack()"},
    {"leaves-out", "coverage", "targets are not scored"},
    {"repeats", "coverage", "scored again"},
    {"peeks", "chunks", "are scored"},
};

class EveryDefect : public testing::TestWithParam<Defect> {
 protected:
  static const FileReport& report() {
    static const FileReport made = [] {
      CheckOptions options = quick();
      options.effort.timeout_seconds = 2;
      for (const Defect& defect : kDefects) options.only.emplace_back(defect.check);
      return check_file(CADDIE_BUILD_DIR "/tests/conformance/fixtures/defective.so", options);
    }();
    return made;
  }
};

TEST_P(EveryDefect, IsNamed) {
  const Defect& defect = GetParam();
  const auto plugin = std::ranges::find(report().plugins, defect.id, &PluginReport::id);
  ASSERT_NE(plugin, report().plugins.end());
  const auto check = std::ranges::find(plugin->checks, defect.check, &CheckResult::name);
  ASSERT_NE(check, plugin->checks.end());
  EXPECT_EQ(check->outcome, Outcome::fail) << check->text;
  EXPECT_THAT(check->text, testing::HasSubstr(defect.text));
}

INSTANTIATE_TEST_SUITE_P(IsFound, EveryDefect, testing::ValuesIn(kDefects),
                         [](const auto& info) { return test_name(info.param.id); });

TEST(Conformance, ADescriptorThatDependsOnTheProcessIsFound) {
  CheckOptions options = quick();
  options.only = {"descriptor"};
  const FileReport report = check_file(CADDIE_BUILD_DIR "/tests/conformance/fixtures/shifting.so", options);
  EXPECT_THAT(failures(report), testing::HasSubstr("describes itself differently in another process"));
}

// ---- files that are no plugins, and golden numbers
// -------------------------------------------------------------------

TEST(Conformance, FilesThatAreNoPluginsAreOneFailedCheck) {
  for (const char* file : {"/no/such/file.so", CADDIE_SOURCE_DIR "/README.md"}) {
    const FileReport report = check_file(file, quick());
    EXPECT_FALSE(report.passed());
    ASSERT_EQ(report.plugins.size(), 1u);
    ASSERT_EQ(report.plugins[0].checks.size(), 1u);
    EXPECT_EQ(report.plugins[0].checks[0].name, "exports");
  }
}

// What the check of a golden file says about a plugin of the tree.
CheckResult golden(const std::string& id, const std::string& json) {
  const fs::path file = fs::temp_directory_path() / ("caddie-golden-" + std::to_string(::getpid()) + ".json");
  std::ofstream(file) << json;
  CheckOptions options = quick();
  options.only = {"none"};
  options.golden = {file};
  const FileReport report = check_file(CADDIE_BUILD_DIR "/lib/caddie/plugins/" + id + ".so", options);
  fs::remove(file);
  return report.plugins.at(0).checks.back();
}

TEST(Golden, RightNumbersPassAndWrongOnesAreNamed) {
  const std::string cases =
      R"({"plugin": "logit-softcap", "cases": [{"config": {"cap": 2}, "hook": "logits", "visit": -1,
      "inputs": [[[[0, 2, -4]]]], "outputs": [[[[0, %, -1.9280551601516338]]]]}]})";
  const auto with = [&](const std::string& number) {
    std::string text = cases;
    return golden("logit-softcap", text.replace(text.find('%'), 1, number));
  };
  const CheckResult right = with("1.5231883119115297");  // 2 tanh(1)
  EXPECT_EQ(right.outcome, Outcome::pass) << right.text;
  const CheckResult wrong = with("1.5231884");
  EXPECT_EQ(wrong.outcome, Outcome::fail);
  EXPECT_THAT(wrong.text, testing::HasSubstr("element 1 of output 0 is 1.52318831191"));
}

TEST(Golden, MistakesInTheFileAreSentences) {
  const std::pair<const char*, const char*> files[] = {
      {"{", "is not JSON"},
      {"[]", "must be an object with \"plugin\""},
      {R"({"plugin": "logit-softcap", "cases": []})", "has no cases"},
      {R"({"plugin": "logit-softcap", "cases": [{"hook": "logits"}]})", "has no \"inputs\""},
      {R"({"plugin": "logit-softcap", "cases": [{"hook": "logits", "visit": -1, "inputs": [[[1, 2], [3]]], "outputs": [[1]]}]})",
       "of one length"},
      {R"({"plugin": "logit-softcap", "cases": [{"hook": "logits", "visit": 7, "inputs": [[1]], "outputs": [[1]]}]})",
       "none of the \"visits\""},
      {R"({"plugin": "logit-softcap", "cases": [{"hook": 3, "inputs": [[1]], "outputs": [[1]]}]})",
       "of the wrong type"},
      {R"({"plugin": "logit-softcap", "cases": [{"hook": "logits", "visit": -1, "inputs": [[[[0]]]], "output": 1,
          "outputs": [[[[0]]]]}]})",
       "the key \"output\" means nothing here; did you mean \"outputs\"?"},
      {R"({"plugin": "logit-softcap", "cases": [{"hook": "logits", "visit": -1, "inputs": [[[[0]]]], "parameters": {"w": 1},
          "outputs": [[[[0]]]]}]})",
       "\"w\" names none of the tensors"}};
  for (const auto& [file, sentence] : files) {
    const CheckResult result = golden("logit-softcap", file);
    EXPECT_EQ(result.outcome, Outcome::fail) << file;
    EXPECT_THAT(result.text, testing::HasSubstr(sentence)) << file;
  }
  EXPECT_EQ(golden("logit-softcap", R"({"plugin": "other", "cases": []})").outcome, Outcome::skip);
}

}  // namespace
}  // namespace caddie::check
