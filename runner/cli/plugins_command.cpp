#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "core/base/installation.hpp"
#include "core/base/text.hpp"
#include "runner/check/inspect.hpp"
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
    for (const plugins::Skipped& file : registry.skipped())
      skipped.push_back({{"path", file.path.string()}, {"reason", file.reason}});
    fmt::print("{}\n", Json({{"plugins", list}, {"skipped", skipped}}).dump(2));
    return;
  }
  std::vector<const Description*> all = registry.all();
  std::ranges::stable_sort(all, {},
                           [](const Description* plugin) { return std::pair(plugin->interface_id, plugin->id); });
  const bool colours = colours_on(1);
  std::string interface;
  for (const Description* plugin : all) {
    const std::string own = plugins::short_interface(plugin->interface_id);
    if (own != interface) fmt::print("{}\n", styled(own, Style::bold, colours));
    interface = own;
    fmt::print("  {} {}\n", pad_right(plugin->id, 22), hanging(plugin->summary, 25));
  }
  for (const plugins::Skipped& file : registry.skipped())
    fmt::print("skipped {}: {}\n", file.path.string(), file.reason);
}

// "number 0 .. 100", "add | gate", "whole number, 1 or more".
std::string values_text(const Json& option) {
  if (option.contains("enum")) {
    std::vector<std::string> choices;
    for (const Json& choice : option["enum"])
      choices.push_back(choice.is_string() ? choice.get<std::string>() : choice.dump());
    return fmt::format("{}", fmt::join(choices, " | "));
  }
  const std::string type = option.value("type", Json("any")).dump();
  if (type == "\"boolean\"") return "true | false";
  std::string text = type == "\"integer\"" ? "whole number" : type.substr(1, type.size() - 2);
  const bool low = option.contains("minimum");
  const bool high = option.contains("maximum");
  if (low && high) return fmt::format("{} {} .. {}", text, option["minimum"].dump(), option["maximum"].dump());
  if (low) return fmt::format("{}, {} or more", text, option["minimum"].dump());
  if (high) return fmt::format("{}, at most {}", text, option["maximum"].dump());
  return text;
}

void print_options(const Json& schema) {
  const Json properties = schema.value("properties", Json::object());
  if (properties.empty()) {
    fmt::print("  no options\n");
    return;
  }
  std::size_t names = 6;
  std::size_t defaults = 7;
  for (const auto& [name, option] : properties.items()) {
    names = std::max(names, name.size());
    defaults = std::max(defaults, std::min<std::size_t>(option.value("default", Json(nullptr)).dump().size(), 20));
  }
  fmt::print("  {}  {}  values\n", pad_right("option", names), pad_right("default", defaults));
  for (const auto& [name, option] : properties.items()) {
    const std::size_t column = names + defaults + 6;
    fmt::print("  {}  {}  {}\n", pad_right(name, names),
               pad_right(option.value("default", Json(nullptr)).dump(), defaults),
               hanging(values_text(option), column));
    fmt::print("      {}\n", hanging(option.value("description", ""), 6));
  }
}

// "attn.out (chain)"; why it is not known when the block cannot be asked.
std::vector<std::string> hooks_list(const Description& plugin) {
  std::vector<std::string> names;
  if (plugins::short_interface(plugin.interface_id) != "block") return names;
  const auto hooks = check::attached_hooks(plugin.path, plugin.id);
  if (!hooks) return {hooks.error().text};
  for (const check::AttachedHook& hook : *hooks) {
    const std::string name = hook.phase == 0 ? fmt::format("{} ({})", hook.hook, hook.kind)
                                             : fmt::format("{} ({}, phase {})", hook.hook, hook.kind, hook.phase);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

void print_plugin(const Description& plugin) {
  const auto line = [](const char* name, const std::string& text) { fmt::print("{:<9}{}\n", name, hanging(text, 9)); };
  fmt::print("{} {} ({})\n{}\n", plugin.id, plugin.version, plugins::short_interface(plugin.interface_id),
             wrap(plugin.summary, 80, 0));
  if (!plugin.citation.empty()) line("source", plugin.citation);
  const std::vector<std::string> hooks = hooks_list(plugin);
  if (!hooks.empty()) line("hooks", fmt::format("{}", fmt::join(hooks, ", ")));
  const std::vector<std::string> reads = reads_list(plugin);
  line("reads", reads.empty() ? "nothing but its inputs" : fmt::format("{}", fmt::join(reads, ", ")));
  line("results", (plugin.flags & CADDIE_DETERMINISTIC) != 0 ? "the same bits for the same inputs"
                                                             : "not the same bits each time");
  line("licence", plugin.licence);
  line("file", plugin.path.string());
  line("sha256", plugin.digest);
  line("build", plugin.build_info);
  fmt::print("options\n");
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
      Json json = description_json(*plugin);
      json["hooks"] = hooks_list(*plugin);
      fmt::print("{}\n", json.dump(2));
    } else {
      print_plugin(*plugin);
    }
  }
  if (found) return;
  report({Code::argument, id, fmt::format("no plugin of that id is installed{}", did_you_mean(id, ids))}, context);
  context.exit_code = kPlugin;
}

plugins::Registry scan_installed() { return pipeline::scan_plugins({}, program_path()); }

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

  add_plugins_why_command(command, context);
  add_plugins_check_command(command, context);
  add_plugins_new_command(command, context);

  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* describe =
      command->add_subcommand("describe", "what a plugin file says of itself, as JSON (used by scans)");
  describe->add_option("files", *files, "plugin files")->required();
  describe->group("");  // not for people
  describe->callback(
      [files] { plugins::describe_and_exit(std::vector<std::filesystem::path>(files->begin(), files->end())); });
}

}  // namespace caddie::cli
