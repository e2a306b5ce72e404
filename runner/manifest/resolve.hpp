// From files and command-line options to a manifest that is known to be right, or to everything that is wrong with it.
// Reads files; otherwise without side effects. Each call stands alone; any thread.
//
// What is guaranteed when ok(): every key of every file is known to Caddie or to a plugin; every value has been
// checked; every default is written out.
//
// The canonical form is JSON with sorted keys, two spaces of indent and shortest round-trip numbers; units have become
// numbers. Comments, blanks and the order of keys do not change it. One order does matter and is therefore part of it:
// that of entries in "blocks", "quantize" and "compress", which is the order in which they act; it is written as
// "order": 0, 1, 2, ... A resolved manifest resolves to itself.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "runner/manifest/catalogue.hpp"
#include "runner/manifest/manifest.hpp"
#include "runner/manifest/merge.hpp"
#include "runner/manifest/overrides.hpp"

namespace caddie::manifest {

struct Resolution {
  Manifest manifest;          // filled when usable_without_plugins()
  Json resolved;              // the canonical document, as far as it could be resolved
  Json origins;               // JSON pointer of each leaf -> "file:line:col", "--set ...", "plugin default (id)", ...
  std::vector<Issue> issues;  // all of them, by file and line
  std::vector<Issue> notes;   // keys dropped because their plugin was exchanged
  std::vector<std::string> files;  // all that were read, in the order in which they were applied
  std::string canonical;           // canonical_text(resolved)
  std::string digest;              // SHA-256 of `canonical`
  Json as_written;                 // as `resolved`, but with "order" only where it was written
  Json base;                       // `as_written` of the parents alone; null without parents

  [[nodiscard]] bool ok() const { return issues.empty(); }
  // Nothing is wrong but plugins that are not installed: enough to look at a manifest, not to run it.
  [[nodiscard]] bool usable_without_plugins() const;
};

// `files` are merged left to right; one is usual.
Resolution resolve(std::span<const std::filesystem::path> files, std::span<const Override> overrides,
                   const Catalogue& catalogue, const ReadFile& read = read_manifest_file);

// Sorted keys, UTF-8, a newline at the end.
std::string canonical_text(const Json& value);

// SHA-256 of the canonical text without some top-level keys: {"name", "notes", "seed"} names a group of replicates.
std::string digest_without(const Json& resolved, std::span<const std::string> keys);

// The leaves that differ from the parents: a list of {"pointer", "from", "to", "origin"}; "from" is absent for what is
// new, "to" for what is gone. Without parents: all that was written, that is, everything but defaults. Name and notes
// are left out.
Json diff_against_base(const Resolution& resolution);

// The JSON Schema (draft-07) of manifest files for editors, with all plugins of the catalogue. Because a file may be a
// child that says only what differs, nothing is required in it and null is allowed everywhere.
Json manifest_schema(const Catalogue& catalogue);

}  // namespace caddie::manifest
