// `caddie plan` of the record manifests: the counts that the published runs logged, without any data.
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "runner/pipeline/model_plan.hpp"
#include "tests/records/twins.hpp"

namespace caddie::records {
namespace {

using Json = nlohmann::json;
using Groups = std::map<std::string, std::int64_t>;

Json plan_of(const std::string& run) {
  const manifest::Resolution resolution = resolve_manifest("records/" + run + ".json");
  const auto plan = pipeline::plan_model(resolution.manifest, registry());
  if (!plan) throw std::runtime_error(plan.error().message());
  return pipeline::to_json(*plan);
}

Groups groups(const Json& plan) {
  Groups sizes;
  for (const Json& optimizer : plan.at("optimizers")) sizes[optimizer.at("name")] = optimizer.at("parameters");
  return sizes;
}

std::vector<int> numbers(int from, int to) {
  std::vector<int> list(static_cast<std::size_t>(to - from + 1));
  std::iota(list.begin(), list.end(), from);
  return list;
}

struct Expected {
  std::string run;
  std::int64_t parameters;
  Groups groups;
  double rope_base;
};

class Plans : public testing::TestWithParam<Expected> {};

INSTANTIATE_TEST_SUITE_P(
    Records, Plans,
    testing::Values(
        Expected{"baseline", 17059912, {{"matrices", 16515072}, {"tables", 524288}, {"scalars", 20552}}, 10000},
        Expected{"pr-388", 26993756, {{"matrices", 26050560}, {"tables", 917504}, {"scalars", 25692}}, 22081.7902735},
        Expected{"pr-1033", 26993766, {{"matrices", 26050560}, {"tables", 917504}, {"scalars", 25702}}, 22081.7902735},
        Expected{"pr-1130", 27605108,
                 {{"early", 11796480}, {"late", 14155776}, {"tables", 1511424}, {"scalars", 129070}, {"late_scalars", 12336},
                  {"lambdas", 22}},
                 22081.7902735},
        Expected{"pr-1716", 36486278, {{"matrices", 31735820}, {"tables", 4718592}, {"scalars", 31866}}, 10000},
        Expected{"pr-2163", 35945671, {{"matrices", 31719424}, {"tables", 4194304}, {"scalars", 31943}}, 10000}),
    [](const auto& info) {
      std::string name = info.param.run;
      std::erase(name, '-');
      return name;
    });

TEST_P(Plans, HaveTheLoggedCounts) {
  const Json plan = plan_of(GetParam().run);
  EXPECT_EQ(plan.at("parameters"), GetParam().parameters);
  EXPECT_EQ(plan.at("unowned"), 0);
  EXPECT_EQ(groups(plan), GetParam().groups);
}

TEST_P(Plans, HaveTheEffectiveRopeBase) {
  for (const Json& phase : plan_of(GetParam().run).at("phases")) {
    EXPECT_NEAR(phase.at("notes").at("rope").at("base").get<double>(), GetParam().rope_base, 1e-6);
  }
}

// [decoder position, encoder position] of every visit that takes a skip back.
std::vector<std::vector<int>> pairs(const Json& phase) {
  std::vector<std::vector<int>> list;
  const Json& skips = phase.at("notes").at("skips").at("skip");
  std::map<int, std::vector<int>> by_visit;
  for (const auto& [visit, pair] : skips.items()) by_visit[std::stoi(visit)] = pair.get<std::vector<int>>();
  for (const auto& [visit, pair] : by_visit) list.push_back(pair);
  return list;
}

TEST_P(Plans, VisitTheLayersAsPublished) {
  const Json phases = plan_of(GetParam().run).at("phases");
  const bool loops = GetParam().run == "pr-1716" || GetParam().run == "pr-2163";
  const int layers = GetParam().run == "baseline" ? 9 : 11;
  const int half = layers / 2;
  EXPECT_EQ(phases.front().at("encoder"), numbers(0, half - 1));
  EXPECT_EQ(phases.front().at("decoder"), numbers(half, layers - 1));
  std::vector<std::vector<int>> expected;
  for (int i = 0; i < half; ++i) expected.push_back({i, half - 1 - i});
  EXPECT_EQ(pairs(phases.front()), expected);
  if (!loops) return;
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[1].at("from_progress"), 0.35);
  EXPECT_EQ(phases[1].at("encoder"), (std::vector<int>{0, 1, 2, 3, 4, 5, 3, 4}));
  EXPECT_EQ(phases[1].at("decoder"), (std::vector<int>{5, 3, 4, 5, 6, 7, 8, 9, 10}));
  expected.clear();
  for (int i = 0; i < 8; ++i) expected.push_back({i, 7 - i});
  EXPECT_EQ(pairs(phases[1]), expected);
}

TEST(PlansAsPublished, LeaveOutWhatTheScriptsLeftOut) {
  EXPECT_EQ(plan_of("pr-1716-as-published").at("unowned"), 524288);
  EXPECT_EQ(plan_of("pr-1130-as-published").at("unowned"), 22);
  for (const char* run : {"baseline", "pr-388", "pr-1033", "pr-2163"}) {
    EXPECT_EQ(plan_of(std::string(run) + "-as-published").at("unowned"), 0) << run;
  }
}

// Of the full manifests only plugins of later stages may be missing.
TEST(Records, NothingButLaterPluginsIsMissing) {
  for (const std::string& run : all_runs()) {
    for (const std::string ending : {"", "-as-published"}) {
      const manifest::Resolution resolution = resolve_manifest("records/" + run + ending + ".json");
      for (const manifest::Issue& issue : resolution.issues) {
        const std::string text = manifest::format_issue(issue);
        const bool later = text.find("/quantize/") != std::string::npos || text.find("/compress/") != std::string::npos ||
                           text.find("/ttt/") != std::string::npos || text.find("/evaluators/") != std::string::npos;
        EXPECT_TRUE(later) << text;
      }
    }
  }
}

}  // namespace
}  // namespace caddie::records
