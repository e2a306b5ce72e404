#include "runner/doctor/doctor.hpp"

#include <algorithm>

#include "runner/doctor/graphics.hpp"
#include "runner/doctor/machine.hpp"

namespace caddie::doctor {
namespace {

constexpr const char* kNeeded = "this machine";

}  // namespace

std::vector<Chapter> examine(const std::filesystem::path& program, Libraries& libraries) {
  std::vector<Chapter> chapters;
  Chapter& machine = chapters.emplace_back(Chapter{kNeeded, {find_processor(), find_memory()}});
  for (Finding& finding : find_plugins(program)) machine.findings.push_back(std::move(finding));
  machine.findings.push_back(find_corpus());
  chapters.push_back({"several processes", {find_mpi(program)}});
  Chapter& cuda = chapters.emplace_back(Chapter{"the cuda backend", {find_cuda_backend(program, libraries)}});
  for (Finding& finding : find_graphics(libraries)) cuda.findings.push_back(std::move(finding));
  for (Finding& finding : find_toolkit(libraries)) cuda.findings.push_back(std::move(finding));
  return chapters;
}

bool can_run(const std::vector<Chapter>& chapters) {
  return std::ranges::none_of(chapters, [](const Chapter& chapter) {
    return chapter.title == kNeeded && std::ranges::any_of(chapter.findings, [](const Finding& finding) {
             return finding.state == State::broken;
           });
  });
}

}  // namespace caddie::doctor
