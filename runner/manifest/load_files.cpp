// Reading a manifest and everything it extends, in the order in which the files are applied.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "core/base/file.hpp"
#include "runner/manifest/merge.hpp"
#include "runner/manifest/schema.hpp"

namespace caddie::manifest {
namespace {

namespace fs = std::filesystem;

struct Patch {
  std::string label;
  Document document;
};

// The same file under any spelling of its path (links aside; a loop through links ends at kMaxInheritance).
std::string identity(const fs::path& path) {
  std::error_code ignored;
  const fs::path absolute = fs::absolute(path, ignored);
  return (ignored ? path : absolute).lexically_normal().string();
}

class Loader {
 public:
  Loader(const ReadFile& read, std::vector<Issue>& issues) : read_(read), issues_(issues) {}

  // `asked_at` is where the file was named.
  void load(const fs::path& path, const Place& asked_at, const std::string& pointer) {
    const std::string id = identity(path);
    if (std::find(open_.begin(), open_.end(), id) != open_.end()) {
      return report(Issue::Kind::inheritance, asked_at, pointer,
                    fmt::format("the file extends itself: {}; break the cycle", cycle_text(id)));
    }
    if (open_.size() > static_cast<std::size_t>(kMaxInheritance)) {
      return report(Issue::Kind::inheritance, asked_at, pointer,
                    fmt::format("\"extends\" is more than {} files deep; merge some of them", kMaxInheritance));
    }
    if (done_.contains(id)) return;
    if (done_.size() >= kMaxFiles) {
      return report(Issue::Kind::inheritance, asked_at, pointer,
                    fmt::format("more than {} files; merge some of them", kMaxFiles));
    }
    done_.insert(id);
    open_.push_back(id);
    read_one(path, asked_at, pointer);
    open_.pop_back();
  }

  std::vector<Patch>& patches() { return patches_; }

 private:
  void report(Issue::Kind kind, const Place& place, const std::string& pointer, std::string message) {
    issues_.push_back({kind, place, pointer, std::move(message)});
  }

  std::string cycle_text(const std::string& id) const {
    std::string text;
    for (auto at = std::find(open_.begin(), open_.end(), id); at != open_.end(); ++at) {
      text += fs::path(*at).filename().string() + " -> ";
    }
    return text + fs::path(id).filename().string();
  }

  void read_one(const fs::path& path, const Place& asked_at, const std::string& pointer) {
    const Result<std::string> text = read_(path);
    if (!text) return report(Issue::Kind::io, asked_at, pointer, text.error().message());
    ParsedDocument parsed = parse_document(*text, path.string());
    if (!parsed.ok()) {
      std::move(parsed.issues.begin(), parsed.issues.end(), std::back_inserter(issues_));
      return;
    }
    if (!parsed.document.value.is_object()) {
      return report(Issue::Kind::type, parsed.document.trace.place, "",
                    fmt::format("a manifest is a JSON object {{...}}, this is {}", show_value(parsed.document.value)));
    }
    load_parents(path, parsed.document);
    for (const char* key : {"extends", "$schema"}) {
      parsed.document.value.erase(key);
      parsed.document.trace.erase_member(key);
    }
    patches_.push_back({path.string(), std::move(parsed.document)});
  }

  void load_parents(const fs::path& path, const Document& document) {
    const auto extends = document.value.find("extends");
    if (extends == document.value.end()) return;
    const Trace& trace = *document.trace.member("extends");
    if (extends->is_string()) return load_parent(path, *extends, trace.place, "/extends");
    if (!extends->is_array()) {
      return report(Issue::Kind::inheritance, trace.place, "/extends", "must be a list of files, each a string");
    }
    for (std::size_t i = 0; i < extends->size(); ++i) {
      load_parent(path, (*extends)[i], trace.children[i].place, fmt::format("/extends/{}", i));
    }
  }

  void load_parent(const fs::path& child, const Json& name, const Place& place, const std::string& pointer) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
      return report(Issue::Kind::inheritance, place, pointer, "must be the path of a file, relative to this one");
    }
    load((child.parent_path() / name.get_ref<const std::string&>()).lexically_normal(), place, pointer);
  }

  const ReadFile& read_;
  std::vector<Issue>& issues_;
  std::vector<Patch> patches_;
  std::vector<std::string> open_;  // the chain being read
  std::set<std::string> done_;
};

void drop_description(Merged& merged) {
  for (const char* key : {"name", "notes"}) {
    merged.document.value.erase(key);
    merged.document.trace.erase_member(key);
  }
}

}  // namespace

Result<std::string> read_manifest_file(const fs::path& path) {
  std::error_code code;
  const std::uintmax_t size = fs::file_size(path, code);
  if (code) return Error{Code::io, path.string(), fmt::format("cannot read the file: {}", code.message())};
  if (size > kMaxDocumentBytes) {
    return Error{Code::format, path.string(),
                 fmt::format("{} bytes are more than the {} a manifest may have", size, kMaxDocumentBytes)};
  }
  return read_text(path);
}

LoadedFiles load_files(std::span<const fs::path> files, const ReadFile& read) {
  LoadedFiles loaded;
  std::vector<Issue> issues;
  Loader loader(read, issues);
  for (const fs::path& file : files) {
    loader.load(file, Place::of(Place::Kind::command_line, file.string()), "");
  }
  std::vector<Patch>& patches = loader.patches();
  Merged& merged = loaded.merged;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    const bool last = i + 1 == patches.size();
    if (last) {
      drop_description(merged);
      loaded.parents = merged;
    }
    apply_patch(merged, patches[i].document);
    merged.files.push_back(patches[i].label);
  }
  std::move(issues.begin(), issues.end(), std::back_inserter(merged.issues));
  return loaded;
}

}  // namespace caddie::manifest
