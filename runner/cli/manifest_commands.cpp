#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "core/base/installation.hpp"
#include "runner/cli/commands.hpp"
#include "runner/manifest/host_schema.hpp"

namespace caddie::cli {
namespace {

using Json = manifest::Json;

Json issues_json(const std::vector<manifest::Issue>& issues) {
  Json list = Json::array();
  for (const manifest::Issue& issue : issues) list.push_back(manifest::format_issue(issue));
  return list;
}

void print_origins(const manifest::Resolution& resolution) {
  for (const auto& [pointer, origin] : resolution.origins.items()) {
    const Json::json_pointer at(pointer);
    const std::string value = resolution.resolved.contains(at) ? resolution.resolved.at(at).dump() : "";
    fmt::print("{} = {}  # {}\n", pointer, value, origin.get<std::string>());
  }
}

}  // namespace

void add_validate_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("validate", "say everything that is wrong with a manifest");
  auto arguments = std::make_shared<ManifestArguments>();
  add_manifest_arguments(command, arguments.get());
  command->callback([arguments, &context] {
    const auto resolved = resolve_manifest(*arguments, context, false);
    const bool ok = resolved && resolved->resolution.ok();
    if (context.json) {
      const Json issues = resolved ? issues_json(resolved->resolution.issues) : Json::array();
      fmt::print("{}\n", Json({{"ok", ok}, {"issues", issues}}).dump(2));
    } else if (ok) {
      fmt::print("{}: fine ({})\n", arguments->files.back(), resolved->resolution.digest.substr(0, 8));
    }
  });
}

void add_show_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("show", "print a manifest as it is resolved, with every default");
  auto arguments = std::make_shared<ManifestArguments>();
  auto origins = std::make_shared<bool>(false);
  auto diff = std::make_shared<bool>(false);
  add_manifest_arguments(command, arguments.get());
  command->add_flag("--origins", *origins, "where each value comes from");
  command->add_flag("--diff-base", *diff, "only what differs from the manifests it extends");
  command->callback([arguments, origins, diff, &context] {
    const auto resolved = resolve_manifest(*arguments, context, false);
    if (!resolved) return;
    if (*diff) {
      fmt::print("{}\n", manifest::diff_against_base(resolved->resolution).dump(2));
    } else if (*origins) {
      print_origins(resolved->resolution);
    } else {
      fmt::print("{}", resolved->resolution.canonical);
    }
  });
}

void add_schema_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("schema", "print the JSON Schema of manifests with all plugins, for editors");
  (void)context;
  auto markdown = std::make_shared<bool>(false);
  command->add_flag("--markdown", *markdown, "the keys of a manifest as a page instead (docs/manifest.md)");
  command->callback([markdown] {
    if (*markdown) {
      fmt::print("{}", manifest::manifest_reference_markdown());
      return;
    }
    const plugins::Registry registry = pipeline::scan_plugins({}, program_path());
    fmt::print("{}\n", manifest::manifest_schema(pipeline::RegistryCatalogue(registry)).dump(2));
  });
}

}  // namespace caddie::cli
