// Checks of what a plugin file hands over: entry, factory, descriptors, and the tables of interfaces. Reads constant
// data of the plugin and calls get_factory and descriptor. Errors have `where` empty and name the rule that is broken.
#pragma once

#include <string_view>
#include <vector>

#include "caddie/abi.h"
#include "core/base/result.hpp"

namespace caddie::plugins {

struct CheckedTables {
  const caddie_factory* factory = nullptr;
  std::vector<const caddie_descriptor*> descriptors;
};

Result<CheckedTables> check_entry(const caddie_entry* entry);

// Lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit; at most 64.
bool is_plugin_id(std::string_view id);

// An object as create() left it: query and destroy are there, and save and load when the plugin calls itself stateful.
Result<void> check_object(const caddie_object* object, bool stateful);

// The table an object answers for an interface: long enough, every function of the first release there.
Result<void> check_table(std::string_view interface_id, const void* table);

}  // namespace caddie::plugins
