// caddie plugins why: which file an id stands for, what it hides, and why a file is not used.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "core/base/installation.hpp"
#include "core/base/text.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/terminal.hpp"

namespace caddie::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using plugins::Description;

fs::path real(const fs::path& path) {
  std::error_code code;
  const fs::path found = fs::canonical(path, code);
  return code ? fs::absolute(path) : found;
}

bool looks_like_file(const std::string& name) { return name.find('/') != std::string::npos || name.ends_with(".so"); }

// One thing that is known about the name, in the order in which it is to be told.
struct Finding {
  std::string kind;  // "used", "skipped", "unknown"
  std::string id, interface, path;
  std::string text;
};

class Answer {
 public:
  explicit Answer(std::string name)
      : name_(std::move(name)),
        folders_(plugins::plugin_folders({}, program_path())),
        registry_(pipeline::scan_plugins({}, program_path())) {}

  // Whether the name can be used.
  bool find() {
    if (looks_like_file(name_)) {
      find_file();
    } else {
      find_id();
    }
    return std::ranges::any_of(findings_, [](const Finding& finding) { return finding.kind == "used"; });
  }

  [[nodiscard]] Json json() const {
    Json folders = Json::array();
    for (const fs::path& folder : folders_) folders.push_back(folder.string());
    Json list = Json::array();
    for (const Finding& finding : findings_) {
      list.push_back({{"kind", finding.kind},
                      {"id", finding.id},
                      {"interface", finding.interface},
                      {"path", finding.path},
                      {"text", finding.text}});
    }
    return {{"name", name_}, {"folders", folders}, {"findings", list}};
  }

  void print() const {
    for (const Finding& finding : findings_) {
      const std::string head =
          finding.id.empty() ? finding.path : fmt::format("{} ({})", finding.id, finding.interface);
      fmt::print("{}: {}\n", head, wrap(finding.text, 78 - std::min<std::size_t>(visible_width(head), 40), 2));
      if (!finding.id.empty() && !finding.path.empty()) fmt::print("  {}\n", finding.path);
    }
    fmt::print("folders searched, first to last (a manifest's \"plugin_path\" comes before these):\n");
    for (std::size_t i = 0; i < folders_.size(); ++i) fmt::print("  {}. {}\n", i + 1, folders_[i].string());
    if (folders_.empty()) fmt::print("  none; set CADDIE_PLUGIN_PATH, or install Caddie\n");
  }

 private:
  [[nodiscard]] std::string place(const fs::path& file) const {
    const auto folder = std::ranges::find(folders_, file.parent_path());
    if (folder == folders_.end()) return "";
    return fmt::format("folder {} of {}", folder - folders_.begin() + 1, folders_.size());
  }

  void add_used(const Description& plugin) {
    const std::string interface = plugins::short_interface(plugin.interface_id);
    const std::string tail = "-" + interface;
    std::string text = fmt::format("version {} is used, from {}", plugin.version, place(plugin.path));
    if (plugin.id.ends_with(tail))
      text += fmt::format("; \"{}\" finds it too", plugin.id.substr(0, plugin.id.size() - tail.size()));
    findings_.push_back({"used", plugin.id, interface, plugin.path.string(), text});
  }

  void add_skipped(const plugins::Skipped& file) {
    findings_.push_back({"skipped", "", "", file.path.string(), file.reason});
  }

  void find_id() {
    std::vector<std::string> ids;
    for (const Description* plugin : registry_.all()) {
      ids.push_back(plugin->id);
      if (plugin->id == name_ || plugin->id == name_ + "-" + plugins::short_interface(plugin->interface_id))
        add_used(*plugin);
    }
    for (const plugins::Skipped& file : registry_.skipped()) {
      if (file.path.stem() == name_ || file.reason.find("\"" + name_ + "\"") != std::string::npos) add_skipped(file);
    }
    if (findings_.empty())
      findings_.push_back(
          {"unknown", "", "", name_,
           fmt::format("no file in the folders below has a plugin of this id{}", did_you_mean(name_, ids))});
  }

  void find_file() {
    const fs::path wanted = real(name_);
    for (const Description* plugin : registry_.all())
      if (real(plugin->path) == wanted) add_used(*plugin);
    for (const plugins::Skipped& file : registry_.skipped())
      if (real(file.path) == wanted || wanted.parent_path() == real(file.path)) add_skipped(file);
    std::error_code code;
    if (!findings_.empty()) return;
    if (!fs::exists(wanted, code)) {
      findings_.push_back({"unknown", "", "", wanted.string(), "there is no such file"});
      return;
    }
    if (const auto inspected = plugins::inspect_library(wanted); !inspected) {
      findings_.push_back({"skipped", "", "", wanted.string(), inspected.error().text});
      return;
    }
    findings_.push_back(
        {"unknown", "", "", wanted.string(),
         "lies in none of the folders that are searched; name its folder in \"plugin_path\" of a manifest, or "
         "in CADDIE_PLUGIN_PATH. `caddie plugins check` says whether it is sound"});
  }

  std::string name_;
  std::vector<fs::path> folders_;
  plugins::Registry registry_;
  std::vector<Finding> findings_;
};

}  // namespace

void add_plugins_why_command(CLI::App* plugins, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = plugins->add_subcommand("why", "which file an id stands for, or why a file is not used");
  command->add_option("id", *name, "an id, or a plugin file")->required();
  command->callback([name, &context] {
    Answer answer(*name);
    if (!answer.find()) context.exit_code = kPlugin;
    if (context.json) {
      fmt::print("{}\n", answer.json().dump(2));
    } else {
      answer.print();
    }
  });
}

}  // namespace caddie::cli
