// The sections of a manifest that hold plugins, in one table. Constant data; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace caddie::manifest {

struct Section {
  std::string_view name;       // "blocks"
  std::string_view interface;  // "block": what the catalogue is asked for
  bool keyed;                  // an object of entries by instance name; else one entry
  bool ordered;                // the order of its entries is the order in which they act
};

// In the order in which reports list them.
std::span<const Section> plugin_sections();

// Null when that section holds no plugins.
const Section* find_section(std::string_view name);

// Whether these steps lead to an entry (an object with "use"): /blocks/gate, /loader.
bool is_entry_path(std::span<const std::string> steps);

}  // namespace caddie::manifest
