// One thing that is wrong with a manifest, for people and for programs. Plain values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runner/manifest/trace.hpp"

namespace caddie::manifest {

struct Issue {
  enum class Kind : std::uint8_t {
    io,      // a file cannot be read
    syntax,  // not JSON
    duplicate_key,
    inheritance,  // cycle, depth, or a form of "extends" that is not understood
    nothing_to_delete,
    override_error,  // an option of the command line does not fit
    unknown_key,
    missing_key,
    type,
    range,           // numbers, lengths and named choices
    form,            // units, layer lists, names
    conflict,        // two values that cannot both hold
    unknown_plugin,  // the id belongs to another interface
    missing_plugin,  // no plugin of that id is installed: a caller that only reads the manifest may tolerate it
    bad_schema,      // the plugin's own JSON Schema is not usable
    note,            // not wrong; something a reader wants to know
  };
  Kind kind = Kind::syntax;
  Place place;
  std::string pointer;  // JSON pointer into the merged manifest; "" is the whole
  std::string message;  // what is wrong, then what to do
};

// "file:line:col: /pointer: message".
std::string format_issue(const Issue& issue);

// One issue a line, each ended by a newline.
std::string format_issues(std::span<const Issue> issues);

// By file as first mentioned, then line and column; the command line comes last. Keeps the order of equals.
void sort_issues(std::vector<Issue>& issues);

}  // namespace caddie::manifest
