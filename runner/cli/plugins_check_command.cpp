// caddie plugins check: the conformance checks of a plugin file, a line for each.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "runner/check/check.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/terminal.hpp"

namespace caddie::cli {
namespace {

using check::CheckResult;
using check::Outcome;
using check::PluginReport;

// Prints checks as they come, a headline before the first of each plugin.
class Printer {
 public:
  explicit Printer(std::string file) : file_(std::move(file)) {}

  void operator()(const PluginReport& plugin, const CheckResult& result) {
    if (plugin.id.empty()) {  // of the file, before its plugins are known
      of_file_.push_back(result);
      if (result.outcome != Outcome::fail) return;
      fmt::print("{}\n", styled(file_, Style::bold, colours_));
      for (const CheckResult& check : of_file_) line(check);
      return;
    }
    if (plugin.id != shown_) {
      fmt::print("{}{} {} ({})\n{}\n", shown_.empty() ? "" : "\n", styled(plugin.id, Style::bold, colours_), plugin.version,
                 plugin.interface, styled(file_, Style::dim, colours_));
      for (const CheckResult& check : of_file_) line(check);
      shown_ = plugin.id;
    }
    line(result);
    std::fflush(stdout);
  }

 private:
  void line(const CheckResult& result) {
    static constexpr const char* words[] = {"pass", "FAIL", "skip"};
    static constexpr Style styles[] = {Style::good, Style::bad, Style::dim};
    const auto which = static_cast<std::size_t>(result.outcome);
    fmt::print("  {}  {} {}\n", styled(words[which], styles[which], colours_), pad_right(result.name, 11),
               hanging(result.text, 20));
  }

  std::string file_;
  std::string shown_;
  std::vector<CheckResult> of_file_;
  bool colours_ = colours_on(1);
};

void print_sum(const check::FileReport& report) {
  double seconds = 0;
  for (const PluginReport& plugin : report.plugins) {
    for (const CheckResult& result : plugin.checks) seconds += result.seconds;
  }
  fmt::print("{} passed, {} failed, {} skipped in {}\n", report.count(Outcome::pass), report.count(Outcome::fail),
             report.count(Outcome::skip), duration(seconds));
}

}  // namespace

void add_plugins_check_command(CLI::App* plugins, Context& context) {
  CLI::App* command = plugins->add_subcommand("check", "whether a plugin file keeps every promise of its interface");
  auto files = std::make_shared<std::vector<std::string>>();
  auto golden = std::make_shared<std::vector<std::string>>();
  auto options = std::make_shared<check::CheckOptions>();
  command->add_option("files", *files, "plugin files, NAME.so")->required();
  command->add_option("--golden", *golden, "file of numbers that the plugin must give (docs/golden.md)");
  command->add_option("--only", options->only, "names of checks, * for anything");
  command->add_option("--cycles", options->effort.cycles, "times that objects are made and destroyed")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  command->add_option("--timeout", options->effort.timeout_seconds, "seconds for one check")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  command->callback([files, golden, options, &context] {
    options->golden.assign(golden->begin(), golden->end());
    nlohmann::json reports = nlohmann::json::array();
    for (const std::string& file : *files) {
      Printer printer(file);
      const auto print = [&](const PluginReport& plugin, const CheckResult& result) { printer(plugin, result); };
      const check::FileReport report =
          context.json ? check::check_file(file, *options) : check::check_file(file, *options, print);
      if (context.json) {
        reports.push_back(check::to_json(report));
      } else {
        print_sum(report);
      }
      if (!report.passed()) context.exit_code = kPlugin;
    }
    if (context.json) fmt::print("{}\n", (reports.size() == 1 ? reports[0] : reports).dump(2));
  });
}

}  // namespace caddie::cli
