#include "runner/manifest/issue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace caddie::manifest {

std::string format_issue(const Issue& issue) {
  const std::string where = issue.place.kind == Place::Kind::unknown ? "manifest" : issue.place.text();
  if (issue.pointer.empty()) return fmt::format("{}: {}", where, issue.message);
  return fmt::format("{}: {}: {}", where, issue.pointer, issue.message);
}

std::string format_issues(std::span<const Issue> issues) {
  std::string lines;
  for (const Issue& issue : issues) lines += format_issue(issue) + "\n";
  return lines;
}

void sort_issues(std::vector<Issue>& issues) {
  std::map<std::string, std::size_t> rank_of_file;
  for (const Issue& issue : issues) {
    if (issue.place.kind == Place::Kind::file) rank_of_file.emplace(*issue.place.source, rank_of_file.size());
  }
  const auto key = [&](const Issue& issue) {
    const bool in_file = issue.place.kind == Place::Kind::file;
    const std::size_t rank = in_file ? rank_of_file[*issue.place.source] : std::numeric_limits<std::size_t>::max();
    return std::tuple(rank, issue.place.line, issue.place.column);
  };
  std::stable_sort(issues.begin(), issues.end(), [&](const Issue& a, const Issue& b) { return key(a) < key(b); });
}

}  // namespace caddie::manifest
