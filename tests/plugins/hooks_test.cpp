#include "core/plugins/hooks.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "core/base/file.hpp"
#include "test_paths.hpp"

namespace caddie::plugins {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Hooks, TheTableIsRead) {
  const HookInfo* chain = find_hook("attn.qk");
  ASSERT_NE(chain, nullptr);
  EXPECT_EQ(chain->kind, HookKind::chain);
  EXPECT_EQ(chain->place, HookPlace::layer);
  EXPECT_THAT(chain->inputs, ElementsAre("q", "k"));
  EXPECT_THAT(chain->outputs, ElementsAre("q", "k"));
  EXPECT_THAT(chain->context, ElementsAre("n"));

  const HookInfo* provide = find_hook("loss.token");
  ASSERT_NE(provide, nullptr);
  EXPECT_EQ(provide->kind, HookKind::provide);
  EXPECT_EQ(provide->place, HookPlace::model);
  EXPECT_THAT(provide->inputs, ElementsAre("logits", "targets"));
  EXPECT_THAT(provide->outputs, ElementsAre("nll", "lse", "entropy"));
  EXPECT_THAT(provide->context, IsEmpty());

  const HookInfo* plan = find_hook("plan.visits");
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->kind, HookKind::plan);
  EXPECT_THAT(plan->inputs, IsEmpty());

  EXPECT_EQ(find_hook("attn.q"), nullptr);
  EXPECT_EQ(find_hook(""), nullptr);
}

TEST(Hooks, EveryHookIsWellFormed) {
  std::set<std::string_view> names;
  for (const HookInfo& hook : all_hooks()) {
    EXPECT_TRUE(names.insert(hook.name).second) << hook.name;
    EXPECT_FALSE(hook.text.empty()) << hook.name;
    EXPECT_EQ(find_hook(hook.name), &hook);
    const bool has_values = hook.kind == HookKind::provide || hook.kind == HookKind::chain;
    EXPECT_EQ(has_values, !hook.inputs.empty()) << hook.name;
    EXPECT_EQ(has_values, !hook.outputs.empty()) << hook.name;
    if (hook.kind == HookKind::chain) {
      EXPECT_EQ(hook.inputs, hook.outputs) << hook.name;
    }
  }
  EXPECT_GE(names.size(), 28u);
}

TEST(Hooks, ThePageIsUpToDate) {
  const std::filesystem::path page = std::filesystem::path(CADDIE_SOURCE_DIR) / "docs" / "hooks.md";
  if (std::getenv("CADDIE_UPDATE_DOCS") != nullptr) {
    ASSERT_TRUE(write_atomically(page, hooks_markdown()).ok());
  }
  const auto text = read_text(page);
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_TRUE(*text == hooks_markdown()) << "docs/hooks.md is not what core/plugins/hooks.def says; make it anew: "
                                            "CADDIE_UPDATE_DOCS=1 test_plugins --gtest_filter=Hooks.*";
}

TEST(Hooks, ThePageHasALineForEveryHook) {
  const std::string page = hooks_markdown();
  for (const HookInfo& hook : all_hooks()) {
    EXPECT_NE(page.find("| `" + std::string(hook.name) + "` | "), std::string::npos) << hook.name;
  }
  EXPECT_NE(page.find("| `residual` | provide | x, delta → x |  | layer | how a sub-layer's output joins the stream; "
                      "part is attn or mlp |\n"),
            std::string::npos);
}

}  // namespace
}  // namespace caddie::plugins
