#include <gtest/gtest.h>

#include "tests/runner/manifest_support.hpp"

namespace caddie::manifest {
namespace {

using Kind = Override::Kind;
using testing::child_of_base;
using testing::resolve_files;
using testing::sets;
using testing::with_base;

Resolution base_with(const std::vector<Override>& overrides) {
  return resolve_files(with_base(""), overrides, "base.json");
}

std::string issues_with(const std::vector<Override>& overrides) { return format_issues(base_with(overrides).issues); }

TEST(ManifestOverride, SetReadsJsonElseText) {
  const Resolution result = base_with(sets({"blocks.noise.alpha=7.5", "name=my run", "rules=[\"a\",\"b\"]",
                                            "train.clip={\"norm\": 0.3}", "budget.train_seconds=10min"}));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.blocks[0].config.at("alpha"), 7.5);
  EXPECT_EQ(result.manifest.name, "my run");
  EXPECT_EQ(result.manifest.rules, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(result.manifest.train.clip_norm, 0.3);
  EXPECT_EQ(result.manifest.train.clip_scope, "global");
  EXPECT_EQ(result.manifest.budget.train_seconds, 600);
  EXPECT_EQ(result.origins.at("/blocks/noise/alpha"), "--set blocks.noise.alpha=7.5");
}

TEST(ManifestOverride, LaterOnesWin) {
  const Resolution result = base_with({{Kind::set, "seed=1"}, {Kind::seed, "2"}, {Kind::set, "seed=3"}});
  EXPECT_EQ(result.manifest.seed, 3);
  EXPECT_EQ(base_with({{Kind::set, "seed=1"}, {Kind::seed, "2"}}).manifest.seed, 2);
}

TEST(ManifestOverride, SetAddsAndDeletesEntries) {
  const Resolution added = base_with(sets({"blocks.second.use=noise", "blocks.second.alpha=1"}));
  ASSERT_TRUE(added.ok()) << format_issues(added.issues);
  ASSERT_EQ(added.manifest.blocks.size(), 3U);
  EXPECT_EQ(added.manifest.blocks[2].name, "second");
  EXPECT_EQ(base_with(sets({"blocks.noise=null"})).manifest.blocks.size(), 1U);
}

TEST(ManifestOverride, SetReplacesAnItemOfAList) {
  const Resolution result = base_with(sets({"optimizers.rest.claims.role.1=head"}));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.optimizers[1].host.claims.roles, (std::vector<std::string>{"embedding", "head"}));
  EXPECT_NE(issues_with(sets({"optimizers.rest.claims.role.2=head"})).find("\"2\" is no item of a list of 2"),
            std::string::npos);
}

// The command line is one level: a key set beside the new "use", before or after it, must be known.
TEST(ManifestOverride, ChangingAPluginDropsWhatTheFilesSaidForTheOldOne) {
  const Resolution result = base_with(sets({"loader.use=prime"}));
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  EXPECT_EQ(result.manifest.loader->config, Json::parse(R"({"shuffle": true, "blocks": 4})"));
  EXPECT_EQ(result.notes.size(), 1U);
  EXPECT_TRUE(base_with(sets({"loader.use=prime", "loader.blocks=9"})).ok());
  for (const auto& order :
       {sets({"loader.use=prime", "loader.window=3"}), sets({"loader.window=3", "loader.use=prime"})}) {
    EXPECT_EQ(issues_with(order),
              "--set loader.window=3: /loader/window: unknown key \"window\"; known are blocks, "
              "shuffle, use\n");
  }
}

TEST(ManifestOverride, UnsetRemovesAndKnowsTheNearestName) {
  EXPECT_EQ(base_with({{Kind::unset, "blocks.noise.alpha"}}).manifest.blocks[0].config.at("alpha"), 5.0);
  EXPECT_EQ(issues_with({{Kind::unset, "blocks.noise.alpa"}}),
            "--unset blocks.noise.alpa: /blocks/noise/alpa: there is nothing to unset: no \"alpa\" here; did you mean "
            "\"alpha\"?\n");
  EXPECT_NE(issues_with({{Kind::unset, "name.x"}}).find("the path leads into a value"), std::string::npos);
}

TEST(ManifestOverride, DisableFindsByNameThenByPlugin) {
  EXPECT_EQ(base_with({{Kind::disable, "gate"}}).manifest.blocks.size(), 1U);
  EXPECT_EQ(base_with({{Kind::disable, "blocks.gate"}}).manifest.blocks.size(), 1U);
  EXPECT_EQ(base_with({{Kind::disable, "plain"}}).manifest.optimizers.size(), 1U);
  const Resolution ttt = base_with({{Kind::set, "ttt.use=chunked"}, {Kind::disable, "chunked"}});
  EXPECT_FALSE(ttt.manifest.ttt.has_value());
  EXPECT_EQ(issues_with({{Kind::disable, "gat"}}),
            "--disable gat: no plugin entry is named \"gat\"; did you mean \"gate\"?\n");
}

TEST(ManifestOverride, DisableAsksWhenSeveralFit) {
  EXPECT_EQ(issues_with({{Kind::set, "averagers.gate.use=mean"}, {Kind::disable, "gate"}}),
            "--disable gate: \"gate\" is several entries; say which: blocks.gate, averagers.gate\n");
  EXPECT_EQ(issues_with({{Kind::set, "blocks.more.use=gate"},
                         {Kind::set, "blocks.more.window=2"},
                         {Kind::set, "blocks.third.use=noise"},
                         {Kind::unset, "blocks.noise"},
                         {Kind::set, "blocks.fourth.use=noise"},
                         {Kind::disable, "noise"}}),
            "--disable noise: \"noise\" is several entries; say which: blocks.fourth, blocks.third\n");
}

TEST(ManifestOverride, ABlockTakesTheOptimizerOfItsNameWithIt) {
  const Resolution result = base_with({{Kind::set, "optimizers.gate.use=sgd"}, {Kind::disable, "gate"}});
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  for (const PluginEntry* entry : all_entries(result.manifest)) EXPECT_NE(entry->name, "gate") << entry->section;
}

TEST(ManifestOverride, EnableBringsBackWhatAChildSwitchedOff) {
  const testing::Files files = child_of_base(R"("blocks": {"noise": null})");
  EXPECT_EQ(resolve_files(files).manifest.blocks.size(), 1U);
  const Resolution result = resolve_files(files, {{Kind::enable, "noise"}, {Kind::set, "blocks.noise.alpha=4"}});
  ASSERT_TRUE(result.ok()) << format_issues(result.issues);
  ASSERT_EQ(result.manifest.blocks.size(), 2U);
  EXPECT_EQ(result.manifest.blocks[0].name, "noise");  // where it stood
  EXPECT_EQ(result.manifest.blocks[0].config.at("alpha"), 4.0);
  EXPECT_EQ(result.digest, [&] {
    auto plain = child_of_base(R"("blocks": {"noise": {"alpha": 4}})");
    return resolve_files(plain).digest;
  }());
}

TEST(ManifestOverride, EnableSaysWhyItCannot) {
  EXPECT_EQ(issues_with({{Kind::enable, "noise"}}), "--enable noise: \"noise\" is on already; leave the option out\n");
  EXPECT_NE(issues_with({{Kind::enable, "zloss"}}).find("no entry \"zloss\" was switched off"), std::string::npos);
  EXPECT_NE(issues_with({{Kind::disable, "noise"}, {Kind::enable, "nois"}}).find("did you mean \"noise\"?"),
            std::string::npos);
  EXPECT_TRUE(base_with({{Kind::disable, "noise"}, {Kind::enable, "noise"}}).ok());
  const Resolution again =
      base_with({{Kind::disable, "noise"}, {Kind::set, "blocks.noise.use=noise"}, {Kind::enable, "noise"}});
  EXPECT_EQ(again.issues.size(), 1U);
}

TEST(ManifestOverride, BadOptionsAreIssuesAtTheOption) {
  EXPECT_EQ(issues_with({{Kind::set, "seed"}}), "--set seed: needs path=value, for example train.steps=100\n");
  EXPECT_NE(issues_with({{Kind::set, "a..b=1"}}).find("the path has an empty name"), std::string::npos);
  EXPECT_NE(issues_with({{Kind::set, "rules=[1,"}}).find("the value is not JSON"), std::string::npos);
  EXPECT_NE(issues_with({{Kind::set, "extends=x.json"}}).find("cannot be set here"), std::string::npos);
  EXPECT_NE(issues_with({{Kind::set, "name=\xFF"}}).find("not UTF-8"), std::string::npos);
  EXPECT_EQ(issues_with({{Kind::seed, "x"}}),
            "--seed x: /seed: must be a whole number, is \"x\"; write it without quotes\n");
  EXPECT_EQ(issues_with(sets({"blocks.nois.alpha=3"})),
            "--set blocks.nois.alpha=3: /blocks/nois: no parent has \"nois\", and it names no plugin; did you mean "
            "\"noise\"?\n");
}

}  // namespace
}  // namespace caddie::manifest
