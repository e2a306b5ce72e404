// Models and numbers that tests/golden/blocks_b.py computed without Caddie.
#pragma once

#include <fstream>

#include "test_paths.hpp"
#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {

inline const nlohmann::ordered_json& oracle() {
  static const nlohmann::ordered_json golden = [] {
    std::ifstream file(std::string(CADDIE_SOURCE_DIR) + "/tests/golden/blocks_b.json");
    return nlohmann::ordered_json::parse(file);
  }();
  return golden;
}

}  // namespace caddie::plugins::test
