// caddie plugins new: a folder with a working plugin, its check, its golden numbers and a manifest that runs it.
#include <fmt/format.h>

#include <memory>

#include "core/base/installation.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/plugin_template.hpp"

namespace caddie::cli {
namespace {

void make(const NewPlugin& plugin, Context& context) {
  const auto installation = find_installation(program_path());
  const auto files =
      installation ? make_plugin_folder(plugin, *installation) : Result<std::vector<std::string>>(installation.error());
  if (!files) {
    report(files.error(), context);
    context.exit_code = files.error().code == Code::argument ? kUsage : kRunFailed;
    return;
  }
  if (context.json) {
    fmt::print(
        "{}\n",
        nlohmann::json({{"folder", std::filesystem::absolute(plugin.folder).string()}, {"files", *files}}).dump(2));
    return;
  }
  fmt::print("{}/\n", plugin.folder.string());
  for (const std::string& file : *files) fmt::print("  {}\n", file);
  fmt::print(
      "\nIt builds, passes its checks and trains as it is:\n"
      "  cd {} && cmake -B build && cmake --build build\n"
      "  ctest --test-dir build --output-on-failure\n"
      "  caddie run try.json\n",
      plugin.folder.string());
}

}  // namespace

void add_plugins_new_command(CLI::App* plugins, Context& context) {
  CLI::App* command = plugins->add_subcommand("new", "a folder with a working plugin to change into yours");
  auto plugin = std::make_shared<NewPlugin>();
  auto folder = std::make_shared<std::string>();
  command
      ->add_option("interface", plugin->interface,
                   "block, optimizer, schedule, averager, loader, quantizer, compressor, ttt or evaluator")
      ->required();
  command->add_option("id", plugin->id, "its id, which names folder and file, as in my-gate")->required();
  command->add_option("--folder", *folder, "where to make it; by default ./ID");
  command->add_flag("--c", plugin->c, "in plain C99 in place of C++");
  command->callback([plugin, folder, &context] {
    plugin->folder = folder->empty() ? plugin->id : *folder;
    make(*plugin, context);
  });
}

}  // namespace caddie::cli
