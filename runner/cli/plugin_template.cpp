#include "runner/cli/plugin_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/file.hpp"
#include "core/plugins/tables_check.hpp"

namespace caddie::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::map<std::string, std::string>;

// "my-gate" -> "MyGate".
std::string class_name(const std::string& id) {
  std::string name;
  bool upper = true;
  for (const char c : id) {
    if (c == '-' || c == '.') {
      upper = true;
    } else {
      name += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      upper = false;
    }
  }
  return name[0] >= '0' && name[0] <= '9' ? "Plugin" + name : name;
}

// Text inside the quotes of JSON and CMake.
std::string quoted_inside(const fs::path& path) {
  const std::string dumped =
      nlohmann::json(path.string()).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return dumped.substr(1, dumped.size() - 2);
}

// Replaces @WORD@ by its text; an @ that begins none of the words stays.
std::string filled(const std::string& text, const Words& words) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '@' ? text.find('@', at + 1) : std::string::npos;
    const auto word = end == std::string::npos ? words.end() : words.find(text.substr(at + 1, end - at - 1));
    if (word == words.end()) {
      out += text[at++];
    } else {
      out += word->second;
      at = end + 1;
    }
  }
  return out;
}

std::string without_last_newline(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Names that CMake keeps for targets of its own.
bool is_cmake_target(const std::string& id) {
  constexpr std::array<std::string_view, 8> names{"all",     "clean",   "edit",          "help",
                                                  "install", "package", "rebuild-cache", "test"};
  return std::ranges::find(names, id) != names.end();
}

Error refuse(const std::string& where, std::string text) { return {Code::argument, where, std::move(text)}; }

// The files of the new folder by name, with placeholders.
struct Recipe {
  std::string name;
  std::vector<fs::path> parts;  // one after another
};

std::vector<Recipe> recipes(const NewPlugin& plugin, const fs::path& templates) {
  const fs::path own = templates / plugin.interface;
  const fs::path common = templates / "common";
  std::vector<Recipe> all = {{"CMakeLists.txt", {common / "CMakeLists.txt"}}, {"README.md", {common / "README.md"}},
                             {".gitignore", {common / "gitignore"}},          {"try.json", {common / "try.json"}},
                             {"effect.json", {common / "effect.json"}},       {"golden.json", {own / "golden.json"}}};
  if (!plugin.c) {
    all.push_back({plugin.id + ".cpp", {own / "plugin.cpp"}});
    return all;
  }
  const fs::path c = templates / "c";
  std::vector<fs::path> parts = {c / "head.c", own / "plugin.c", c / "tail.c"};
  constexpr std::array<std::string_view, 4> of_graphs{"block", "optimizer", "averager", "ttt"};
  if (std::ranges::find(of_graphs, plugin.interface) != of_graphs.end()) parts.insert(parts.begin() + 1, c / "graph.c");
  all.push_back({plugin.id + ".c", std::move(parts)});
  return all;
}

Result<Words> words_for(const NewPlugin& plugin, const Installation& installation, const fs::path& templates) {
  Words words = {{"ID", plugin.id},
                 {"CLASS", class_name(plugin.id)},
                 {"TITLE", class_name(plugin.id)},
                 {"EXT", plugin.c ? "c" : "cpp"},
                 {"PREFIX", quoted_inside(installation.prefix)},
                 {"MANIFESTS", quoted_inside(installation.share / "manifests")},
                 {"FOLDER", quoted_inside(plugin.folder)}};
  for (const auto& [word, file] : {std::pair{"ABOUT", "about.md"},
                                   {"OPTIONS", "options.md"},
                                   {"CITATION", "citation.md"},
                                   {"SUMMARY", "summary.md"},
                                   {"ENTRY", "entry.json"}}) {
    const auto text = read_text(templates / plugin.interface / file);
    if (!text) return text.error();
    const bool one_line = std::string_view(word) == "CITATION" || std::string_view(word) == "SUMMARY";
    words[word] = filled(one_line ? without_last_newline(*text) : *text, {{"ID", plugin.id}});
  }
  return words;
}

Result<void> check_request(const NewPlugin& plugin, const Installation& installation) {
  const std::vector<std::string> known = template_interfaces(installation);
  if (std::ranges::find(known, plugin.interface) == known.end())
    return refuse(plugin.interface, "is no interface with a template; `caddie plugins new --help` lists them");
  if (!plugins::is_plugin_id(plugin.id)) {
    return refuse(plugin.id,
                  "is no id: it is made of lower-case letters, digits, '-' and '.', begins and ends with a letter "
                  "or digit, and has at most 64 characters, as in \"my-gate\"");
  }
  if (is_cmake_target(plugin.id)) return refuse(plugin.id, "is a name that CMake keeps for itself; choose another");
  std::error_code code;
  if (fs::exists(fs::symlink_status(plugin.folder, code)))
    return refuse(plugin.folder.string(),
                  "exists already, and nothing is written over; choose another id, or --folder");
  return {};
}

}  // namespace

Result<Installation> find_installation(const fs::path& program) {
  std::error_code code;
  const fs::path real = fs::canonical(program, code);
  Installation installation;
  installation.prefix = real.parent_path().parent_path();
  installation.share = installation.prefix / "share" / "caddie";
  if (!fs::is_directory(installation.share / "template", code)) {
    return Error{
        Code::io, (installation.share / "template").string(),
        "there are no templates here: plugins are made with an installed Caddie, cmake --install BUILD --prefix "
        "FOLDER, and then FOLDER/bin/caddie"};
  }
  return installation;
}

std::vector<std::string> template_interfaces(const Installation& installation) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator at(installation.share / "template", code), end; !code && at != end; at.increment(code)) {
    if (fs::exists(at->path() / "entry.json")) names.push_back(at->path().filename());
  }
  std::ranges::sort(names);
  return names;
}

Result<std::vector<std::string>> make_plugin_folder(const NewPlugin& request, const Installation& installation) {
  NewPlugin plugin = request;
  plugin.folder = fs::absolute(plugin.folder).lexically_normal();
  if (auto checked = check_request(plugin, installation); !checked) return checked.error();
  const fs::path templates = installation.share / "template";
  const auto words = words_for(plugin, installation, templates);
  if (!words) return words.error();
  std::vector<std::pair<std::string, std::string>> files;  // all read before anything is written
  for (const Recipe& recipe : recipes(plugin, templates)) {
    std::string text;
    for (const fs::path& part : recipe.parts) {
      const auto read = read_text(part);
      if (!read) return read.error();
      text += *read;
    }
    files.emplace_back(recipe.name, filled(text, *words));
  }
  std::vector<std::string> names;
  for (const auto& [name, text] : files) {
    if (auto written = write_atomically(plugin.folder / name, text); !written) return written.error();
    names.push_back(name);
  }
  return names;
}

}  // namespace caddie::cli
