// Every technique of every record can be taken out by --disable: the manifest still resolves, builds and takes a step.
#include <gtest/gtest.h>

#include <set>

#include "tests/records/twins.hpp"

namespace caddie::records {
namespace {

// Without these there is no model: each alone provides a hook.
const std::set<std::string> kEssential = {"embed", "norm", "layer", "attn", "mlp", "act", "residual", "head", "loss"};

struct Toggle {
  std::string run;
  std::string section;
  std::string name;
};

std::vector<Toggle> all_toggles() {
  std::vector<Toggle> toggles;
  for (const std::string& run : all_runs()) {
    toggles.push_back({run, "", ""});
    const manifest::Manifest manifest = resolve_manifest("records/small/" + run + ".json").manifest;
    for (const manifest::PluginEntry& block : manifest.blocks) {
      if (!kEssential.contains(block.name)) toggles.push_back({run, "", block.name});
    }
    for (const manifest::PluginEntry& averager : manifest.averagers) toggles.push_back({run, "averagers", averager.name});
    if (manifest.schedule) toggles.push_back({run, "", "schedule"});
  }
  return toggles;
}

class Toggles : public testing::TestWithParam<Toggle> {};

INSTANTIATE_TEST_SUITE_P(Records, Toggles, testing::ValuesIn(all_toggles()), [](const auto& info) {
  std::string name = info.param.run + "_" + (info.param.name.empty() ? "all_on" : info.param.name);
  std::erase_if(name, [](char c) { return c != '_' && std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name;
});

TEST_P(Toggles, ResolvesBuildsAndTakesAStep) {
  std::vector<manifest::Override> overrides;
  if (GetParam().name == "schedule") {
    overrides.push_back(unset("schedule"));
  } else if (!GetParam().name.empty()) {
    overrides.push_back(disable((GetParam().section.empty() ? "" : GetParam().section + ".") + GetParam().name));
  }
  Twin twin(toy(GetParam().run, overrides));
  ASSERT_NO_THROW(twin.start());
  const train::StepReport report = twin.step();
  EXPECT_TRUE(std::isfinite(report.loss.loss));
  EXPECT_GT(report.gradient_norm, 0);
}

class WholeRuns : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Records, WholeRuns, testing::ValuesIn(all_runs()), [](const auto& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
});

// Through every phase: loops that begin at 35 %, quantization-aware training at the end.
TEST_P(WholeRuns, LearnThroughAllPhasesAndReportWhatBlocksDo) {
  Twin twin(toy(GetParam()));
  twin.start();
  double first = 0;
  double last = 0;
  while (!twin.trainer().done()) {
    const double nll = twin.step().loss.nll;
    if (twin.trainer().steps_done() == 1) first = nll;
    last = nll;
  }
  EXPECT_LT(last, first);
  for (const train::BlockActivity& block : twin.trainer().activity()) {
    double change = 0;
    for (const auto& [hook, value] : block.change) change = std::max(change, value);
    if (!block.change.empty()) {
      EXPECT_GT(change, 0) << block.block;
    }
    if (block.parameters > 0) {
      EXPECT_GT(block.gradient_norm, 0) << block.block;
    }
  }
}

}  // namespace
}  // namespace caddie::records
