#include <fmt/format.h>

#include <algorithm>

#include "core/base/installation.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/terminal.hpp"
#include "runner/doctor/doctor.hpp"

namespace caddie::cli {
namespace {

using Json = nlohmann::json;
using doctor::Chapter;
using doctor::Finding;
using doctor::State;

constexpr std::size_t kIndent = 17;

const char* word(State state) {
  static constexpr const char* words[] = {"found", "missing", "broken"};
  return words[static_cast<int>(state)];
}

Json to_json(const std::vector<Chapter>& chapters) {
  Json list = Json::array();
  for (const Chapter& chapter : chapters) {
    for (const Finding& finding : chapter.findings) {
      list.push_back({{"chapter", chapter.title},
                      {"part", finding.part},
                      {"state", word(finding.state)},
                      {"text", finding.text},
                      {"advice", finding.advice}});
    }
  }
  return {{"version", CADDIE_VERSION}, {"can_run", doctor::can_run(chapters)}, {"findings", std::move(list)}};
}

void print(const Finding& finding, bool colours) {
  static constexpr const char* marks[] = {"ok", "-", "!!"};
  static constexpr Style styles[] = {Style::good, Style::dim, Style::bad};
  const auto state = static_cast<std::size_t>(finding.state);
  const std::string mark = styled(pad_left(marks[state], 2), styles[state], colours);
  fmt::print("{} {}{}\n", mark, pad_right(finding.part, kIndent - 3), hanging(finding.text, kIndent));
  if (!finding.advice.empty()) fmt::print("{}{}\n", std::string(kIndent, ' '), hanging(finding.advice, kIndent));
}

}  // namespace

void add_doctor_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("doctor", "what this machine and this installation can run, and why not more");
  command->callback([&context] {
    const std::filesystem::path program = program_path();
    const auto libraries = doctor::installed_libraries(doctor::toolkit_folders());
    const std::vector<Chapter> chapters = doctor::examine(program, *libraries);
    if (!doctor::can_run(chapters)) context.exit_code = kPlugin;
    if (context.json) {
      fmt::print("{}\n", to_json(chapters).dump(2));
      return;
    }
    const bool colours = colours_on(1);
    for (const Chapter& chapter : chapters) {
      fmt::print("{}\n", styled(chapter.title, Style::bold, colours));
      for (const Finding& finding : chapter.findings) print(finding, colours);
    }
  });
}

}  // namespace caddie::cli
