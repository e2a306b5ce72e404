#include "runner/pipeline/profile_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/file.hpp"

namespace caddie::pipeline {
namespace {

constexpr std::size_t kMostRows = 40;

using Rows = std::vector<std::pair<std::string, graph::ProfileEntry>>;

// "blocks.7.attn/rope" and its like in the other layers are one hook.
std::string without_layer(const std::string& scope) {
  std::string out;
  for (std::size_t i = 0; i < scope.size(); ++i) {
    const bool digit = scope[i] >= '0' && scope[i] <= '9';
    const bool number = digit && (i == 0 || scope[i - 1] == '.' || (!out.empty() && out.back() == '*'));
    if (!number) {
      out += scope[i];
    } else if (out.empty() || out.back() != '*') {
      out += '*';
    }
  }
  return out.empty() ? "(host)" : out;
}

template <class Key>
Rows summed(const graph::ProfileSink& sink, Key key) {
  std::map<std::string, graph::ProfileEntry> sums;
  for (const graph::ProfileEntry& entry : sink.entries) {
    graph::ProfileEntry& sum = sums[key(entry)];
    sum.seconds += entry.seconds;
    sum.flops += entry.flops;
    sum.bytes += entry.bytes;
  }
  Rows rows(sums.begin(), sums.end());
  std::ranges::stable_sort(rows, [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  return rows;
}

std::string table_of(const std::string& title, const Rows& rows, double total, double ceiling) {
  std::string out = fmt::format("{:44} {:>9} {:>7} {:>9} {:>8} {:>9}\n", title, "seconds", "share", "GFLOP/s", "GB/s",
                                ceiling > 0 ? "ceiling" : "");
  for (std::size_t i = 0; i < std::min(rows.size(), kMostRows); ++i) {
    const auto& [name, row] = rows[i];
    const double seconds = std::max(row.seconds, 1e-9);
    const double rate = row.flops / seconds * 1e-9;
    out += fmt::format("{:44} {:9.3f} {:6.1f}% {:9.1f} {:8.2f}", name, row.seconds, 100 * row.seconds / total, rate,
                       row.bytes / seconds * 1e-9);
    out += ceiling > 0 ? fmt::format(" {:8.1f}%\n", 100 * rate / ceiling) : "\n";
  }
  if (rows.size() > kMostRows) out += fmt::format("... and {} more\n", rows.size() - kMostRows);
  return out;
}

}  // namespace

std::string profile_table(const graph::ProfileSink& sink, double ceiling) {
  double total = 0;
  for (const graph::ProfileEntry& entry : sink.entries) total += entry.seconds;
  if (total <= 0) return "no step was timed\n";
  std::string out = fmt::format("{:.3f} s in programs", total);
  if (ceiling > 0) out += fmt::format("; ceiling: {:.0f} GFLOP/s of float32 multiply-adds on all threads, just now", ceiling);
  out += "\n\n";
  out += table_of("group", summed(sink, [](const auto& entry) { return entry.group; }), total, ceiling) + "\n";
  out += table_of("hook", summed(sink, [](const auto& entry) { return without_layer(entry.scope); }), total, ceiling);
  return out;
}

std::string profile_trace(const graph::ProfileSink& sink) {
  nlohmann::json events = nlohmann::json::array();
  double first = 0;
  for (const graph::TraceEvent& event : sink.events) {
    if (first == 0 || event.start_seconds < first) first = event.start_seconds;
  }
  for (const graph::TraceEvent& event : sink.events) {
    events.push_back({{"name", event.name},
                      {"cat", event.group},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", event.lane + 1},
                      {"ts", (event.start_seconds - first) * 1e6},
                      {"dur", event.seconds * 1e6},
                      {"args", {{"hook", event.scope}}}});
  }
  return nlohmann::json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump();
}

Result<void> write_profile(const graph::ProfileSink& sink, double ceiling, const std::filesystem::path& folder) {
  if (auto done = write_atomically(folder / kProfileTable, std::string_view(profile_table(sink, ceiling))); !done) return done;
  return write_atomically(folder / kProfileTrace, std::string_view(profile_trace(sink)));
}

}  // namespace caddie::pipeline
