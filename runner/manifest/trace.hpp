// Where every value of a manifest was written. A Trace is a tree of the same form as the JSON value it stands beside:
// one node a value, with the places of key and value, and the order in which the keys were written (nlohmann::json
// sorts them). Plain values; copies are independent; any thread may use its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace caddie::manifest {

// Where a value comes from. Lines and columns count from 1; columns count characters, not bytes.
struct Place {
  enum class Kind : std::uint8_t {
    unknown,
    file,            // source is the file's label; line and column are set
    command_line,    // source is the option as it was given: "--set seed=3"
    plugin_default,  // from the JSON Schema of the plugin; source says which
    host_default,    // from Caddie's own schema
    derived,         // computed from other values; source says which
  };
  Kind kind = Kind::unknown;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::shared_ptr<const std::string> source;

  static Place in_file(std::shared_ptr<const std::string> label, std::uint32_t line, std::uint32_t column);
  static Place of(Kind kind, std::string source);

  // "run.json:12:5", "--set seed=3", "plugin default (noise)", "default", "derived from model.heads".
  [[nodiscard]] std::string text() const;
};

struct Trace {
  std::string key;               // empty for the root and for array items
  Place key_place;               // of the key in its object; of the value for array items
  Place place;                   // of the value
  std::uint32_t order = 0;       // rank among its siblings as written
  std::uint32_t next_order = 0;  // of the next child
  // Written for a plugin that a later level exchanged for another one (see merge.hpp).
  bool stale = false;
  std::vector<Trace> children;  // of an object: sorted by key; of an array: by index

  // The child of that key, or null. Only for objects.
  [[nodiscard]] const Trace* member(std::string_view name) const;
  [[nodiscard]] Trace* member(std::string_view name);

  // Puts `child` under its key, keeping the old child's order if there is one, else as the last.
  Trace& put_member(Trace child);
  void erase_member(std::string_view name);

  // The children of an object in the order they were written.
  [[nodiscard]] std::vector<const Trace*> in_written_order() const;
};

// The node at a JSON pointer (RFC 6901), or null.
const Trace* find_trace(const Trace& root, std::string_view pointer);

// One step of a JSON pointer, escaped ("a/b" -> "a~1b").
std::string pointer_step(std::string_view key);

// The pointer of these steps.
std::string pointer_of(std::span<const std::string> steps);

// The steps of a pointer, unescaped.
std::vector<std::string> pointer_steps(std::string_view pointer);

}  // namespace caddie::manifest
