#include "runner/check/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/base/text.hpp"
#include "core/plugins/description.hpp"
#include "core/plugins/library.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/golden.hpp"

namespace caddie::check {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

json answer(Outcome outcome, const std::string& text) {
  return {{"outcome", static_cast<int>(outcome)}, {"text", text}};
}

// In the child: the body with its ends as an answer.
template <class Body>
json guarded(Calls& calls, Body&& body) {
  json made;
  try {
    made = body();
  } catch (const Failure& failure) {
    made = answer(Outcome::fail, failure.what());
  } catch (const Skip& skip) {
    made = answer(Outcome::skip, skip.what());
  } catch (const std::exception& exception) {
    made = answer(Outcome::fail, std::string("the check broke off: ") + exception.what());
  }
  if (!calls.broken().empty()) made = answer(Outcome::fail, fmt::format("{}", fmt::join(calls.broken(), "; ")));
  return made;
}

// In the parent: what came of a child.
json ask(const std::function<json(const Workspace&)>& body, double timeout_seconds) {
  const Ended ended = run_isolated(
      [&](const Workspace& workspace) { return body(workspace).dump(-1, ' ', false, json::error_handler_t::replace); },
      timeout_seconds);
  if (!ended.answered) return answer(Outcome::fail, ended.death);
  const json made = json::parse(ended.answer, nullptr, false);
  return made.is_discarded() ? answer(Outcome::fail, "the check's answer is not readable") : made;
}

bool same_name(const Check& a, const Check& b) { return std::string_view(a.name) == b.name; }

class FileCheck {
 public:
  FileCheck(const std::filesystem::path& file, const CheckOptions& options,
            const std::function<void(const PluginReport&, const CheckResult&)>& done)
      : file_(file), options_(options), done_(done) {
    report_.path = file.string();
  }

  FileReport run() {
    report_.plugins.emplace_back();
    if (!exports() || !loads()) return std::move(report_);
    std::vector<CheckResult> of_file = std::move(report_.plugins.front().checks);
    report_.plugins.clear();
    for (const plugins::Description& plugin : described_) {
      PluginReport& own = report_.plugins.emplace_back();
      own.id = plugin.id;
      own.interface = plugins::short_interface(plugin.interface_id);
      own.version = plugin.version;
      own.checks = of_file;
      check_plugin(plugin, own);
    }
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool wanted(const std::string& name) const {
    return options_.only.empty() ||
           std::ranges::any_of(options_.only, [&](const std::string& glob) { return matches_glob(glob, name); });
  }

  void add(PluginReport& plugin, const std::string& name, const json& made, Clock::time_point begin) {
    plugin.checks.push_back({name, static_cast<Outcome>(made["outcome"].get<int>()), made["text"].get<std::string>(),
                             seconds_since(begin)});
    if (done_) done_(plugin, plugin.checks.back());
  }

  // The file alone; none of its code runs.
  bool exports() {
    const auto begin = Clock::now();
    const auto bytes = read_bytes(file_);
    const auto inspected = bytes ? plugins::inspect_library(file_) : Result<void>(bytes.error());
    if (bytes) report_.digest = sha256_hex(*bytes);
    add(report_.plugins.front(), "exports",
        inspected ? answer(Outcome::pass, "caddie_entry_v1 alone") : answer(Outcome::fail, inspected.error().text),
        begin);
    return inspected.ok();
  }

  // The first time its code runs. What it describes there is what the other checks go by.
  bool loads() {
    const auto begin = Clock::now();
    const json made = ask(
        [&](const Workspace& workspace) {
          Calls calls(workspace.current_call, workspace.size);
          return guarded(calls, [&] {
            describe(file_, calls);
            json passed = answer(Outcome::pass, "entry, factory and descriptors are as they should be");
            passed["described"] = value_or_fail(plugins::describe_file(file_));
            return passed;
          });
        },
        options_.effort.timeout_seconds);
    if (made.contains("described")) {
      text_ = made["described"].dump();
      described_ = value_or_fail(plugins::descriptions_from_json(made["described"]));
    }
    add(report_.plugins.front(), "loads", made, begin);
    return !described_.empty();
  }

  void check_plugin(const plugins::Description& plugin, PluginReport& report) {
    const std::span<const Check> own = checks_of(report.interface);
    for (const Check& check : common_checks()) {
      const bool has_its_own = std::ranges::any_of(own, [&](const Check& other) { return same_name(other, check); });
      if (wanted(check.name) && !has_its_own) run_one(plugin, report, check.name, check.run);
    }
    for (const Check& check : own) {
      if (wanted(check.name)) run_one(plugin, report, check.name, check.run);
    }
    for (const std::filesystem::path& golden : options_.golden)
      run_one(plugin, report, "golden", [&](Subject& subject) { return run_golden(subject, golden); });
  }

  void run_one(const plugins::Description& plugin, PluginReport& report, const std::string& name,
               const std::function<std::string(Subject&)>& run) {
    const auto begin = Clock::now();
    const json made = ask(
        [&](const Workspace& workspace) {
          Calls before(workspace.current_call, workspace.size);
          std::unique_ptr<Subject> subject;
          const json loaded = guarded(before, [&] {
            subject = std::make_unique<Subject>(file_, plugin.id, options_.effort, workspace);
            subject->set_described_elsewhere(text_);
            return answer(Outcome::pass, "");
          });
          if (!subject) return loaded;
          return guarded(subject->calls(), [&] { return answer(Outcome::pass, run(*subject)); });
        },
        options_.effort.timeout_seconds);
    add(report, name, made, begin);
  }

  std::filesystem::path file_;
  const CheckOptions& options_;
  const std::function<void(const PluginReport&, const CheckResult&)>& done_;
  FileReport report_;
  std::vector<plugins::Description> described_;
  std::string text_;  // the description as JSON
};

}  // namespace

std::span<const Check> checks_of(std::string_view interface) {
  using Table = std::span<const Check> (*)();
  static constexpr std::pair<std::string_view, Table> tables[] = {
      {"block", block_checks},           {"optimizer", optimizer_checks}, {"schedule", schedule_checks},
      {"averager", averager_checks},     {"loader", loader_checks},       {"quantizer", quantizer_checks},
      {"compressor", compressor_checks}, {"evaluator", evaluator_checks}, {"ttt", ttt_checks}};
  for (const auto& [name, checks] : tables) {
    if (name == interface) return checks();
  }
  return {};
}

FileReport check_file(const std::filesystem::path& file, const CheckOptions& options,
                      const std::function<void(const PluginReport&, const CheckResult&)>& done) {
  return FileCheck(std::filesystem::absolute(file), options, done).run();
}

}  // namespace caddie::check
