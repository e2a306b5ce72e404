// Descriptions as JSON: what the scanner child prints, what the cache keeps, and what both are checked against when
// read.
#pragma once

#include <nlohmann/json.hpp>

#include "caddie/abi.h"
#include "core/base/result.hpp"
#include "core/plugins/registry.hpp"

namespace caddie::plugins {

// One plugin of a file. An error when its schema is no JSON Schema of an object, or a text is not UTF-8.
Result<nlohmann::json> to_json(const caddie_descriptor& descriptor);

// What is known of one file: {"digest", "build_info", "plugins": [...]}. Path is not part of it. Anything else than
// that form is an error; bytes may come from anywhere.
Result<std::vector<Description>> descriptions_from_json(const nlohmann::json& file);

}  // namespace caddie::plugins
