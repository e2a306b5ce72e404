// Bytes from anywhere never crash the reader, and what it accepts it accepts again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/fuzz/manifest_bytes.hpp"

namespace caddie::manifest {
namespace {

constexpr std::string_view kRich = R"({ // a child
  "extends": ["base.json"], "notes": ["a", "b"],
  "blocks": { "noise": null, "gate": { "window": 3, "layers": ["last:2", 0], "phases": ["train"], "order": 2 },
              "more": { "use": "noise", "alpha": 1e1 } },
  "optimizers": { "matrix": { "use": "plain", "betas": [0.9, 0.99] } },
  "loader": { "use": "prime" }, "ttt": { "use": "chunked", "chunk": 64 },
  "quantize": { "low": { "use": "lowrank", "over": ["rows"] } },
  "compress": { "c": { "use": "squash", "streams": ["a*", "b"], "window": "1MiB" } },
  "budget": { "train_seconds": "1.5h", "artifact_bytes": "15.9MB" }, "seed": 42,
  "allow_inert": [ { "what": "\u00e9\ud83d\ude00", "why": "\\ \" \n" } ], /* end */
})";

std::string mutated(std::string text, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"{",     "}",        "[",       "]",    ",",    ":",    "\"",   "null",
                                                 "1e999", "\\u",      "//",      "/*",   "*/",   "\xC3", "\xFF", "-",
                                                 "0",     "\"use\":", "{\"a\":", "[[[[", "true", "\n"};
  const int edits = random() % 2 == 0 ? 1 : 1 + static_cast<int>(random() % 8);
  for (int i = 0; i < edits && !text.empty(); ++i) {
    const std::size_t at = random() % text.size();
    switch (random() % 6) {
      case 0:
        if (text[at] >= '0' && text[at] <= '9') text[at] = static_cast<char>('0' + random() % 10);
        break;
      case 1:
        text[at] = static_cast<char>(random() % 256);
        break;
      case 2:
        text.erase(at, 1 + random() % 20);
        break;
      case 3:
        text.insert(at, kPieces[random() % std::size(kPieces)]);
        break;
      case 4:
        text.insert(at, text.substr(random() % text.size(), random() % 60));
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

TEST(ManifestRobustness, TheUnchangedManifestIsFine) {
  const Resolution result = testing::resolve_files(testing::with_base(std::string(kRich)));
  EXPECT_TRUE(result.ok()) << format_issues(result.issues);
}

TEST(ManifestRobustness, RandomChangesNeverCrash) {
  std::mt19937 random(20240520);
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string text = mutated(std::string(kRich), random);
    (testing::check_manifest_bytes(text) ? accepted : refused)++;
  }
  EXPECT_GT(accepted, 50);
  EXPECT_GT(refused, 500);
}

TEST(ManifestRobustness, RandomOverridesNeverCrash) {
  std::mt19937 random(7);
  const std::string seed_text = "blocks.gate.window=[1,{\"a\":2}]";
  for (int i = 0; i < 800; ++i) {
    std::vector<Override> overrides;
    for (int k = 0; k < 3; ++k) {
      overrides.push_back({static_cast<Override::Kind>(random() % 5), mutated(seed_text, random)});
    }
    const Resolution result = testing::resolve_files(testing::with_base(std::string(kRich)), overrides);
    EXPECT_EQ(result.digest.size(), 64U);
    EXPECT_TRUE(result.ok() || !format_issues(result.issues).empty());
  }
}

}  // namespace
}  // namespace caddie::manifest
