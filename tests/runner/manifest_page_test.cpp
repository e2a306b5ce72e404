// docs/manifest.md is made from the schema: `caddie schema --markdown > docs/manifest.md`.
#include <gtest/gtest.h>

#include "core/base/file.hpp"
#include "runner/manifest/host_schema.hpp"
#include "test_paths.hpp"

namespace caddie::manifest {
namespace {

TEST(ManifestPage, IsUpToDate) {
  const auto page = read_text(std::filesystem::path(CADDIE_SOURCE_DIR) / "docs" / "manifest.md");
  ASSERT_TRUE(page.ok()) << page.error().message();
  EXPECT_EQ(*page, manifest_reference_markdown());
}

}  // namespace
}  // namespace caddie::manifest
