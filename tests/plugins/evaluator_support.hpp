// For tests of evaluators: the windows one plans, as given, before the host looks at them.
#pragma once

#include <stdexcept>
#include <vector>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {

struct PlannedWindow {
  std::int64_t first = 0, length = 0, score_first = 0, score_count = 0;
  bool operator==(const PlannedWindow&) const = default;
  [[nodiscard]] std::int64_t end() const { return first + length; }
};

inline std::vector<PlannedWindow> plan_of(std::string_view id, const nlohmann::json& config, std::int64_t targets,
                                          std::int64_t context) {
  const Object evaluator = make_plugin("evaluator", id, config);
  std::vector<PlannedWindow> planned;
  const caddie_host_windows table = {
      sizeof table, 0,
      [](caddie_windows* windows, int64_t first, int64_t length, int64_t score_first, int64_t score_count) {
        reinterpret_cast<std::vector<PlannedWindow>*>(windows)->push_back({first, length, score_first, score_count});
        return caddie_code{CADDIE_OK};
      }};
  const caddie_eval_info info = {sizeof info, 0, targets, context};
  caddie_error error = fresh_error();
  const auto& evaluate = evaluator.table<caddie_evaluator>();
  if (evaluate.plan(evaluator.abi(), &info, &table, reinterpret_cast<caddie_windows*>(&planned), &error) != CADDIE_OK) {
    throw std::runtime_error(error.text);
  }
  return planned;
}

}  // namespace caddie::plugins::test
