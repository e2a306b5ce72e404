// The words in which validation speaks of a schema: types, units, alternatives. The schema is well formed. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

// "type" as a list; empty when the schema does not say.
std::vector<std::string> type_names(const Json& schema);
bool has_type(const std::vector<std::string>& types, std::string_view name);
bool is_of_type(const Json& value, const std::string& type);

// "a number or a list".
std::string either(const std::vector<std::string>& types);

// "seconds", "bytes", another word, or empty.
std::string unit_of(const Json& schema);

// One alternative of oneOf or anyOf: its title, its description, or its type.
std::string describe_form(const Json& form);

}  // namespace caddie::manifest
