// `caddie plugins list, info, why, check` and `caddie schema`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "test_paths.hpp"
#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::size_t longest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(CADDIE_BUILD_DIR) == std::string::npos)
      longest = std::max(longest, line.size());  // a path is as long as it is
  }
  return longest;
}

TEST(PluginsInfo, ShowsOptionsHooksAndWhereItIsFrom) {
  const Workplace place;
  const Outcome text = place.caddie({"plugins", "info", "partial-rope"});
  EXPECT_EQ(text.exit_code, 0);
  for (const char* part : {"hooks    attn.qk (chain)", "reads    nothing but its inputs", "sha256", "build",
                           "freq_rounding", "none | bf16", "whole number 0 .. 65536"}) {
    EXPECT_THAT(text.out, HasSubstr(part));
  }
  EXPECT_LE(longest_line(text.out), 80u) << text.out;
  const json info = json::parse(place.caddie({"--json", "plugins", "info", "partial-rope"}).out);
  EXPECT_EQ(info.at("hooks"), json::array({"attn.qk (chain)"}));
  EXPECT_EQ(info.at("sha256").get<std::string>().size(), 64u);
}

TEST(PluginsWhy, ExplainsIdsAndFiles) {
  const Workplace place;
  const Outcome id = place.caddie({"plugins", "why", "sequential"});
  EXPECT_EQ(id.exit_code, 0) << id.out;
  EXPECT_THAT(id.out, HasSubstr("sequential-loader (loader): version"));
  EXPECT_THAT(id.out, HasSubstr("folders searched"));
  const Outcome unknown = place.caddie({"plugins", "why", "neftone"});
  EXPECT_EQ(unknown.exit_code, 4);
  EXPECT_THAT(unknown.out, HasSubstr("\"neftune\"?"));
  const Outcome text = place.caddie({"plugins", "why", CADDIE_SOURCE_DIR "/README.md"});
  EXPECT_EQ(text.exit_code, 4);
  const Outcome elsewhere =
      place.caddie({"plugins", "why", CADDIE_BUILD_DIR "/tests/conformance/fixtures/defective.so"});
  EXPECT_EQ(elsewhere.exit_code, 4);
  EXPECT_THAT(elsewhere.out, HasSubstr("in none of the folders"));
  const json answer = json::parse(place.caddie({"--json", "plugins", "why", "neftune"}).out);
  EXPECT_EQ(answer.at("findings").at(0).at("kind"), "used");
}

TEST(PluginsCheck, PrintsALineForEachCheckAndFailsWithFour) {
  const Workplace place;
  const std::string good = CADDIE_BUILD_DIR "/lib/caddie/plugins/neftune.so";
  const Outcome passed = place.caddie({"plugins", "check", good, "--cycles", "300"});
  EXPECT_EQ(passed.exit_code, 0) << passed.out;
  EXPECT_THAT(passed.out, HasSubstr("  pass  gradients"));
  EXPECT_LE(longest_line(passed.out), 80u) << passed.out;
  const Outcome failed = place.caddie({"plugins", "check", CADDIE_SOURCE_DIR "/README.md"});
  EXPECT_EQ(failed.exit_code, 4);
  EXPECT_THAT(failed.out, HasSubstr("FAIL  exports"));
  const json report = json::parse(place.caddie({"--json", "plugins", "check", good, "--cycles", "300"}).out);
  EXPECT_TRUE(report.at("passed").get<bool>());
  EXPECT_EQ(report.at("plugins").at(0).at("id"), "neftune");
}

// What an editor needs: draft-07, and behind "use" the keys of that plugin alone.
TEST(Schema, LetsEditorsCompleteThePluginsOwnKeys) {
  const Workplace place;
  const json schema = json::parse(place.caddie({"schema"}).out);
  EXPECT_EQ(schema.at("$schema"), "http://json-schema.org/draft-07/schema#");
  const json& entry = schema.at("properties").at("blocks").at("additionalProperties");
  EXPECT_THAT(entry.at("properties").at("use").at("enum").get<json::array_t>(), testing::Contains(json("neftune")));
  const json* found = nullptr;
  for (const json& branch : entry.at("allOf")) {
    if (branch.contains("if") && branch["if"]["properties"]["use"]["const"] == "neftune") found = &branch;
  }
  ASSERT_NE(found, nullptr);
  const json& then = found->at("then");
  EXPECT_FALSE(then.at("additionalProperties").get<bool>());
  EXPECT_TRUE(then.at("properties").contains("alpha"));
  EXPECT_FALSE(then.at("properties").at("alpha").at("description").get<std::string>().empty());
}

// With a validator of others, where one is installed: a good manifest passes, a typo and a wrong type do not.
TEST(Schema, IsWhatAValidatorTakes) {
  if (std::system("python3 -c 'import jsonschema' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "python3-jsonschema is not installed";
  const Workplace place;
  const std::string schema = (place.folder() / "schema.json").string();
  const std::string program = "'" CADDIE_BUILD_DIR "/bin/caddie' schema > '" + schema + "'";
  ASSERT_EQ(std::system(program.c_str()), 0);
  const auto valid = [&](const std::string& manifest) {
    const std::string command =
        "python3 -W ignore -c 'import json,sys,jsonschema as j; s=json.load(open(sys.argv[1])); "
        "j.Draft7Validator.check_schema(s); "
        "sys.exit(0 if j.Draft7Validator(s).is_valid(json.loads(sys.argv[2])) else 3)' '" +
        schema + "' '" + manifest + "'";
    const int status = std::system(command.c_str());
    EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3)) << manifest;
    return status == 0;
  };
  EXPECT_TRUE(valid(R"({"blocks": {"noise": {"use": "neftune", "alpha": 3, "layers": "all"}}})"));
  EXPECT_TRUE(valid(R"({"blocks": {"noise": null}, "train": {"steps": 5}})"));
  EXPECT_FALSE(valid(R"({"blocks": {"noise": {"use": "neftune", "alpah": 3}}})"));
  EXPECT_FALSE(valid(R"({"blocks": {"noise": {"use": "neftune", "alpha": "much"}}})"));
  EXPECT_FALSE(valid(R"({"blocks": {"noise": {"use": "no-such-plugin"}}})"));
  EXPECT_FALSE(valid(R"({"tarin": {}})"));
}

}  // namespace
}  // namespace caddie::end_to_end
