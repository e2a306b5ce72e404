#include "runner/check/report.hpp"

#include <algorithm>
#include <cmath>

namespace caddie::check {

const char* to_string(Outcome outcome) {
  static constexpr const char* names[] = {"pass", "fail", "skip"};
  return names[static_cast<int>(outcome)];
}

std::size_t PluginReport::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count(checks, outcome, &CheckResult::outcome));
}

std::size_t FileReport::count(Outcome outcome) const {
  std::size_t sum = 0;
  for (const PluginReport& plugin : plugins) sum += plugin.count(outcome);
  return sum;
}

nlohmann::json to_json(const FileReport& report) {
  nlohmann::json plugins = nlohmann::json::array();
  for (const PluginReport& plugin : report.plugins) {
    nlohmann::json checks = nlohmann::json::array();
    for (const CheckResult& check : plugin.checks) {
      checks.push_back({{"check", check.name},
                        {"outcome", to_string(check.outcome)},
                        {"text", check.text},
                        {"seconds", std::round(check.seconds * 1e4) / 1e4}});
    }
    plugins.push_back({{"id", plugin.id},
                       {"interface", plugin.interface},
                       {"version", plugin.version},
                       {"checks", std::move(checks)}});
  }
  return {{"file", report.path},
          {"sha256", report.digest},
          {"passed", report.passed()},
          {"failed", report.count(Outcome::fail)},
          {"skipped", report.count(Outcome::skip)},
          {"plugins", std::move(plugins)}};
}

}  // namespace caddie::check
