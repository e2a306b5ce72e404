// What checks found. Plain values; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace caddie::check {

enum class Outcome { pass, fail, skip };
const char* to_string(Outcome outcome);

struct CheckResult {
  std::string name;  // "gradients"
  Outcome outcome = Outcome::pass;
  std::string text;  // pass: what was measured; fail: what is wrong, where, what to do; skip: why
  double seconds = 0;
};

// One plugin of a file. A file that cannot be loaded has one report without an id.
struct PluginReport {
  std::string id, interface, version;
  std::vector<CheckResult> checks;

  [[nodiscard]] std::size_t count(Outcome outcome) const;
};

struct FileReport {
  std::string path;
  std::string digest;  // SHA-256; empty when the file cannot be read
  std::vector<PluginReport> plugins;

  [[nodiscard]] std::size_t count(Outcome outcome) const;
  [[nodiscard]] bool passed() const { return count(Outcome::fail) == 0; }
};

nlohmann::json to_json(const FileReport& report);

}  // namespace caddie::check
