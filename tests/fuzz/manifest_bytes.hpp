// What a fuzzer and the seeded random test both do with bytes that claim to be a manifest.
#pragma once

#include <cstdlib>
#include <string>

#include "tests/runner/manifest_support.hpp"

namespace caddie::manifest::testing {

// Resolves the bytes as a child of a small stack. Whether they are a right manifest. Ends the process when an accepted
// manifest does not resolve to itself, or a refused one has no message.
inline bool check_manifest_bytes(const std::string& bytes) {
  static const FakeCatalogue catalogue;
  const Resolution result = resolve_files(with_base(bytes), {}, "run.json", catalogue);
  if (!result.ok()) {
    if (format_issues(result.issues).empty()) std::abort();
    return false;
  }
  if (!diff_against_base(result).is_array()) std::abort();
  const Resolution again = resolve_files({{"run.json", result.canonical}}, {}, "run.json", catalogue);
  if (again.digest != result.digest || !again.ok()) std::abort();
  return true;
}

}  // namespace caddie::manifest::testing
