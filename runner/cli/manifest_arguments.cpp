#include <fmt/format.h>

#include <cstdio>

#include "core/base/installation.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/terminal.hpp"

namespace caddie::cli {
namespace {

void add_override(CLI::App* command, ManifestArguments* arguments, const char* name, manifest::Override::Kind kind,
                  const char* value, const char* help) {
  command
      ->add_option_function<std::vector<std::string>>(
          name,
          [arguments, kind](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) arguments->overrides.push_back({kind, text});
          },
          help)
      ->type_name(value)
      ->allow_extra_args(false)
      ->trigger_on_parse();
}

std::vector<std::filesystem::path> plugin_path(const std::vector<std::string>& files) {
  // The folders a manifest names are only known once it is read; a first look without plugins finds them.
  struct NoPlugins final : manifest::Catalogue {
    [[nodiscard]] const manifest::PluginSchema* find(std::string_view, std::string_view) const override { return nullptr; }
    [[nodiscard]] std::vector<std::string> ids(std::string_view) const override { return {}; }
  };
  const std::vector<std::filesystem::path> paths(files.begin(), files.end());
  const manifest::Resolution look = manifest::resolve(paths, {}, NoPlugins());
  const manifest::Json list = look.resolved.is_object() ? look.resolved.value("plugin_path", manifest::Json::array()) : manifest::Json::array();
  std::vector<std::filesystem::path> folders;
  for (const manifest::Json& folder : list) {
    if (folder.is_string()) folders.emplace_back(folder.get<std::string>());
  }
  return folders;
}

}  // namespace

void add_manifest_arguments(CLI::App* command, ManifestArguments* arguments) {
  using Kind = manifest::Override::Kind;
  command->add_option("manifest", arguments->files, "manifest files, merged left to right")->required();
  add_override(command, arguments, "--set", Kind::set, "PATH=VALUE", "set a value, for example train.steps=500");
  add_override(command, arguments, "--unset", Kind::unset, "PATH", "remove a value");
  add_override(command, arguments, "--disable", Kind::disable, "NAME", "take an entry out: an instance or a plugin");
  add_override(command, arguments, "--enable", Kind::enable, "NAME", "bring an entry back that a file had taken out");
  add_override(command, arguments, "--seed", Kind::seed, "N", "seed of the run");
}

std::optional<Resolved> resolve_manifest(const ManifestArguments& arguments, Context& context, bool plugins_required) {
  const std::filesystem::path program = program_path();
  Resolved resolved{pipeline::scan_plugins(plugin_path(arguments.files), program), {}};
  const pipeline::RegistryCatalogue catalogue(resolved.registry);
  const std::vector<std::filesystem::path> files(arguments.files.begin(), arguments.files.end());
  resolved.resolution = manifest::resolve(files, arguments.overrides, catalogue);
  const manifest::Resolution& resolution = resolved.resolution;
  if (!context.quiet) std::fputs(manifest::format_issues(resolution.notes).c_str(), stderr);
  if (resolution.ok()) return resolved;
  std::fputs(manifest::format_issues(resolution.issues).c_str(), stderr);
  const bool only_plugins = resolution.usable_without_plugins();
  context.exit_code = only_plugins ? kPlugin : kManifestInvalid;
  if (only_plugins && !plugins_required) return resolved;
  std::fprintf(stderr, "caddie: %zu %s; nothing was run\n", resolution.issues.size(), resolution.issues.size() == 1 ? "mistake" : "mistakes");
  return std::nullopt;
}

void report(const Error& error, Context& context) {
  const bool colours = colours_on(2);
  std::fprintf(stderr, "%s %s\n", styled("caddie:", Style::bad, colours).c_str(), error.message().c_str());
  context.exit_code = exit_code_of(error);
}

}  // namespace caddie::cli
