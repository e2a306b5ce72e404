#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "core/base/file.hpp"
#include "core/base/installation.hpp"
#include "core/comm/launch.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/mute.hpp"
#include "runner/cli/progress.hpp"
#include "runner/cli/summary.hpp"
#include "runner/cli/terminal.hpp"
#include "runner/pipeline/interrupt.hpp"
#include "runner/pipeline/profile_report.hpp"
#include "runner/pipeline/run.hpp"

namespace caddie::cli {
namespace {

int exit_code_of_result(const pipeline::RunResult& result) {
  for (const pipeline::Check& check : result.checks) {
    if (check.passed) continue;
    if (check.name == "artifact: size") return kOverCap;
    return check.name.ends_with("time") ? kOverTime : kAuditFailed;
  }
  return kOk;
}

void run_alone(const Resolved& resolved, const pipeline::RunOptions& options, Context& context) {
  const std::filesystem::path folder = pipeline::run_folder(resolved.resolution, options);
  Result<pipeline::RunResult> result = [&] {
    Progress progress(context.quiet);
    return pipeline::run(resolved.resolution, resolved.registry, options, progress);
  }();
  if (!result) {
    report(result.error(), context);
    if (result.error().code == Code::cancelled) std::fprintf(stderr, "caddie: go on with: caddie resume %s\n", folder.c_str());
    return;
  }
  if (context.json) {
    nlohmann::json json = pipeline::to_json(*result);
    json["folder"] = folder.string();
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}", summary(*result, folder.string(), colours_on(1)));
    if (options.profile) {
      if (const auto table = read_text(folder / pipeline::kProfileTable)) fmt::print("\n{}", *table);
    }
  }
  context.exit_code = exit_code_of_result(*result);
}

void mute_followers() {
  if (const auto launch = comm::find_launch(); launch && launch->rank > 0) mute();
}

// A process that is not the first.
void follow(const Resolved& resolved, const pipeline::RunOptions& options, Context& context) {
  pipeline::Reporter silent;
  const auto result = pipeline::run(resolved.resolution, resolved.registry, options, silent);
  if (!result) report(result.error(), context);
}

void run_resolved(const Resolved& resolved, pipeline::RunOptions options, Context& context) {
  const auto group = comm::open_process_group(program_path());
  if (!group) {
    report(group.error(), context);
    return;
  }
  pipeline::install_interrupt_handlers();
  if ((*group)->size() == 1) {
    run_alone(resolved, options, context);
    return;
  }
  options.group = group->get();
  if (options.group->rank() == 0) {
    run_alone(resolved, options, context);
  } else {
    follow(resolved, options, context);
  }
  // A result that fails a check is a result; an error leaves others waiting for this process.
  const bool failed = context.exit_code != kOk && context.exit_code != kOverCap && context.exit_code != kOverTime &&
                      context.exit_code != kAuditFailed;
  if (failed) {
    speak_after_all(fmt::format("process {}: ", options.group->rank()).c_str());
    std::fflush(nullptr);
    options.group->abort(context.exit_code);
  }
  (void)options.group->wait_for_all();
}

}  // namespace

void add_run_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("run", "run a manifest: prepare, train, average, quantize, compress, evaluate");
  auto arguments = std::make_shared<ManifestArguments>();
  auto options = std::make_shared<pipeline::RunOptions>();
  add_manifest_arguments(command, arguments.get());
  command->add_option("--runs", options->runs, "folder of runs and of stages to reuse")->capture_default_str();
  command->add_flag("--fresh", options->fresh, "compute every stage anew");
  command->add_flag("--profile", options->profile, "show where the time goes; leave profile.txt and trace.json (ui.perfetto.dev)");
  command->callback([arguments, options, &context] {
    mute_followers();
    const auto resolved = resolve_manifest(*arguments, context, true);
    if (resolved) run_resolved(*resolved, *options, context);
  });
}

void add_resume_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("resume", "go on with a run that was interrupted or killed");
  auto folder = std::make_shared<std::filesystem::path>();
  command->add_option("run", *folder, "the run's folder")->required();
  command->callback([folder, &context] {
    mute_followers();
    const std::filesystem::path resolved_file = *folder / pipeline::kResolvedFile;
    std::error_code code;
    if (!std::filesystem::exists(resolved_file, code)) {
      report({Code::io, folder->string(), "is no run: it has no resolved.json. Give the folder that `caddie run` named"}, context);
      return;
    }
    ManifestArguments arguments;
    arguments.files = {resolved_file.string()};
    const auto resolved = resolve_manifest(arguments, context, true);
    if (!resolved) return;
    pipeline::RunOptions options;
    options.runs = folder->has_parent_path() ? folder->parent_path() : std::filesystem::path(".");
    const std::filesystem::path expected = pipeline::run_folder(resolved->resolution, options);
    if (expected.filename() != (folder->filename().empty() ? folder->parent_path().filename() : folder->filename())) {
      report({Code::state, folder->string(), fmt::format("its resolved.json describes the run {}: the file or a plugin's options changed", expected.string())},
             context);
      return;
    }
    run_resolved(*resolved, options, context);
  });
}

}  // namespace caddie::cli
