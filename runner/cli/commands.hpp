// The commands of the program. Each adds itself to the command line; what it does runs when its subcommand was given.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/plugins/registry.hpp"
#include "runner/cli/exit_codes.hpp"
#include "runner/manifest/overrides.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::cli {

// What every command shares.
struct Context {
  bool json = false;
  bool quiet = false;
  int exit_code = kOk;
};

// --set, --unset, --disable, --enable, --seed in the order given.
struct ManifestArguments {
  std::vector<std::string> files;
  std::vector<manifest::Override> overrides;
};
void add_manifest_arguments(CLI::App* command, ManifestArguments* arguments);

// Resolves the files with the plugins that are installed; prints every issue to stderr. Nothing when the manifest is not usable;
// the exit code is set then.
struct Resolved {
  plugins::Registry registry;
  manifest::Resolution resolution;
};
std::optional<Resolved> resolve_manifest(const ManifestArguments& arguments, Context& context, bool plugins_required);

// Prints "caddie: where: text" and sets the exit code.
void report(const Error& error, Context& context);

void add_run_command(CLI::App& app, Context& context);
void add_resume_command(CLI::App& app, Context& context);
void add_plan_command(CLI::App& app, Context& context);
void add_results_command(CLI::App& app, Context& context);
void add_validate_command(CLI::App& app, Context& context);
void add_show_command(CLI::App& app, Context& context);
void add_schema_command(CLI::App& app, Context& context);
void add_plugins_command(CLI::App& app, Context& context);
// Of `caddie plugins`: its own subcommands in files of their own.
void add_plugins_check_command(CLI::App* plugins, Context& context);
void add_plugins_new_command(CLI::App* plugins, Context& context);
void add_plugins_why_command(CLI::App* plugins, Context& context);
void add_doctor_command(CLI::App& app, Context& context);
void add_data_command(CLI::App& app, Context& context);

}  // namespace caddie::cli
