#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "core/base/text.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/terminal.hpp"

namespace caddie::cli {
namespace {

using Json = nlohmann::json;
using plugins::Description;

std::vector<std::string> reads_list(const Description& plugin) {
  std::vector<std::string> reads;
  if ((plugin.reads & CADDIE_READS_TRAIN_TOKENS) != 0) reads.emplace_back("training tokens");
  if ((plugin.reads & CADDIE_READS_VALIDATION_TOKENS) != 0) reads.emplace_back("scored validation tokens");
  if ((plugin.reads & CADDIE_READS_TIME) != 0) reads.emplace_back("time");
  if ((plugin.reads & CADDIE_READS_RANDOM) != 0) reads.emplace_back("random numbers");
  return reads;
}

Json description_json(const Description& plugin) {
  return {{"id", plugin.id},
          {"interface", plugins::short_interface(plugin.interface_id)},
          {"interface_id", plugin.interface_id},
          {"version", plugin.version},
          {"summary", plugin.summary},
          {"citation", plugin.citation},
          {"licence", plugin.licence},
          {"schema", plugin.schema},
          {"deterministic", (plugin.flags & CADDIE_DETERMINISTIC) != 0},
          {"reads", reads_list(plugin)},
          {"path", plugin.path.string()},
          {"sha256", plugin.digest},
          {"build", plugin.build_info}};
}

void list_plugins(const plugins::Registry& registry, const Context& context) {
  if (context.json) {
    Json list = Json::array();
    for (const Description* plugin : registry.all()) list.push_back(description_json(*plugin));
    Json skipped = Json::array();
    for (const plugins::Skipped& file : registry.skipped()) skipped.push_back({{"path", file.path.string()}, {"reason", file.reason}});
    fmt::print("{}\n", Json({{"plugins", list}, {"skipped", skipped}}).dump(2));
    return;
  }
  std::vector<const Description*> all = registry.all();
  std::ranges::stable_sort(all, {}, [](const Description* plugin) { return std::pair(plugin->interface_id, plugin->id); });
  const bool colours = colours_on(1);
  std::string interface;
  for (const Description* plugin : all) {
    const std::string own = plugins::short_interface(plugin->interface_id);
    if (own != interface) fmt::print("{}\n", styled(own, Style::bold, colours));
    interface = own;
    fmt::print("  {} {}\n", pad_right(plugin->id, 22), wrap(plugin->summary, 80, 25));
  }
  for (const plugins::Skipped& file : registry.skipped()) fmt::print("skipped {}: {}\n", file.path.string(), file.reason);
}

void print_options(const Json& schema) {
  const Json properties = schema.value("properties", Json::object());
  if (properties.empty()) {
    fmt::print("  no options\n");
    return;
  }
  for (const auto& [name, option] : properties.items()) {
    std::string type = option.value("type", Json("any")).dump();
    std::erase(type, '"');
    if (option.contains("enum")) {
      type = option["enum"].dump();
      std::erase(type, '"');
    }
    std::string bounds;
    if (option.contains("minimum")) bounds += fmt::format(" >= {}", option["minimum"].dump());
    if (option.contains("maximum")) bounds += fmt::format(" <= {}", option["maximum"].dump());
    fmt::print("  {} {} {}{}\n", pad_right(name, 18), pad_right("= " + option.value("default", Json(nullptr)).dump(), 14), type, bounds);
    fmt::print("  {}{}\n", std::string(4, ' '), wrap(option.value("description", ""), 76, 6));
  }
}

void print_plugin(const Description& plugin) {
  fmt::print("{} {} ({})\n{}\n", plugin.id, plugin.version, plugins::short_interface(plugin.interface_id), wrap(plugin.summary, 80, 0));
  if (!plugin.citation.empty()) fmt::print("source   {}\n", wrap(plugin.citation, 80, 9));
  const std::vector<std::string> reads = reads_list(plugin);
  fmt::print("reads    {}\n", reads.empty() ? "nothing but its inputs" : fmt::format("{}", fmt::join(reads, ", ")));
  fmt::print("licence  {}\nfile     {}\nsha256   {}\nbuild    {}\noptions\n", plugin.licence, plugin.path.string(), plugin.digest, plugin.build_info);
  print_options(plugin.schema);
}

void show_plugin(const plugins::Registry& registry, const std::string& id, Context& context) {
  std::vector<std::string> ids;
  bool found = false;
  for (const Description* plugin : registry.all()) {
    ids.push_back(plugin->id);
    if (plugin->id != id) continue;
    found = true;
    if (context.json) {
      fmt::print("{}\n", description_json(*plugin).dump(2));
    } else {
      print_plugin(*plugin);
    }
  }
  if (found) return;
  report({Code::argument, id, fmt::format("no plugin of that id is installed{}", did_you_mean(id, ids))}, context);
  context.exit_code = kPlugin;
}

plugins::Registry scan_installed() { return pipeline::scan_plugins({}, pipeline::program_path()); }

}  // namespace

void add_plugins_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("plugins", "what techniques are installed");
  command->require_subcommand(1);
  command->add_subcommand("list", "all plugins, and the files that were skipped with the reason")->callback([&context] {
    list_plugins(scan_installed(), context);
  });
  auto id = std::make_shared<std::string>();
  CLI::App* info = command->add_subcommand("info", "one plugin: options, source, what it reads, file and digest");
  info->add_option("id", *id, "the plugin's id")->required();
  info->callback([id, &context] { show_plugin(scan_installed(), *id, context); });

  add_plugins_check_command(command, context);

  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* describe = command->add_subcommand("describe", "what a plugin file says of itself, as JSON (used by scans)");
  describe->add_option("files", *files, "plugin files")->required();
  describe->group("");  // not for people
  describe->callback([files] {
    plugins::describe_and_exit(std::vector<std::filesystem::path>(files->begin(), files->end()));
  });
}

}  // namespace caddie::cli
