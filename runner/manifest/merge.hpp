// Inheritance: "extends" and JSON Merge Patch (RFC 7396) with the place of every value. Used by one thread at a time.
//
// A manifest names parents: "extends": ["../stacks/base.json", "tweaks.json"], relative to its own folder. The parents
// are applied left to right, each after its own parents, then the file itself. Objects merge, arrays and everything
// else replace, null deletes. A file that is reached twice (two parents with one base) is applied once, at its first
// place, so that a later parent's base does not undo an earlier parent. A null that deletes nothing is an issue: it
// is a misspelt name or left over.
//
// Exchanging a plugin. Where a level (a file, or the command line as a whole) gives an entry another "use" than it
// inherited, everything the entry inherited and the level did not set itself becomes *stale*: it was written for the
// old plugin. Validation then keeps a stale key that the new plugin knows too (host keys such as "layers" and "claims"
// always; "lr" when both optimizers have one), and drops a stale key that it does not know, with a note. So
// `--set loader.use=other` is enough to try another loader. A key set at the same level as the new "use", or later, is
// never stale: unknown to the new plugin, it is an error. A stale value whose type or range does not fit the new
// plugin is an error too, for dropping it in silence would run something that nobody wrote.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

inline constexpr int kMaxInheritance = 8;
inline constexpr std::size_t kMaxFiles = 256;

// An entry that a null or --disable removed; --enable brings it back.
struct Removed {
  std::vector<std::string> steps;  // {"blocks", "noise"}
  Json value;
  Trace trace;
};

struct Merged {
  Document document{Json::object(), {}};
  std::vector<Removed> removed;
  std::vector<std::string> files;  // labels in the order in which they were applied
  std::vector<Issue> issues;
};

// Applies an object as a patch. Issues and removals go into `into`.
void apply_patch(Merged& into, const Document& patch);

// Removes the value at these steps, remembering it when it is a plugin entry. Returns false when there is none.
bool remove_at(Merged& merged, std::span<const std::string> steps);

// How files are read: the text or why not. The default refuses files above kMaxDocumentBytes before reading them.
using ReadFile = std::function<Result<std::string>(const std::filesystem::path&)>;
Result<std::string> read_manifest_file(const std::filesystem::path& path);

struct LoadedFiles {
  Merged merged;   // everything, without "extends" and "$schema"
  Merged parents;  // without the last of `files` itself: what it differs from
};

// Reads `files` and all they extend; several files are merged left to right as if a manifest extended them.
// "name" and "notes" are those of the last file only: they describe it and not its parents.
LoadedFiles load_files(std::span<const std::filesystem::path> files, const ReadFile& read);

}  // namespace caddie::manifest
