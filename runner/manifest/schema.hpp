// Validation against the part of JSON Schema (draft-07) that plugins and Caddie itself use, with all errors at once,
// each at its place in the file, and with the defaults filled in. Any thread; schemas are only read.
//
// Keywords: type (a name or a list), properties, required, additionalProperties (false or a schema), items (one
// schema), minItems, maxItems, minLength, enum, const, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
// multipleOf, oneOf, anyOf, default; title, description, examples, $schema, $id and $comment say something to people.
// Beyond the draft:
// - an object with "properties" and no "additionalProperties" takes no other keys;
// - "unit": "seconds" or "bytes" lets a string with a unit stand for the number ("10min", "15.9MB");
//   other units are for people.
// Whole numbers come out as int64 where the type is integer and as double where it is number.
#pragma once

#include <string>
#include <vector>

#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

struct Findings {
  std::vector<Issue> issues;
  std::vector<Issue> notes;  // stale keys that were dropped (merge.hpp)
};

// Validates and completes `value`, and `trace` with it. `schema` is well formed (check_schema). `pointer` is that of
// the value; `default_place` is recorded as the origin of every default. Adds to `findings`.
void validate(const Json& schema, Json& value, Trace& trace, const std::string& pointer, const Place& default_place,
              Findings& findings);

// What is wrong with a schema: keywords outside the list, wrong forms, defaults that do not fit, objects or values that
// would take anything (a key that nobody reads). Issues carry a pointer into the schema and no place.
std::vector<Issue> check_schema(const Json& schema);

// The same for the schema of a plugin, which is an object with "properties".
std::vector<Issue> check_plugin_schema(const Json& schema);

// Short JSON for messages, cut after about 60 characters.
std::string show_value(const Json& value);

// A trace for a value that stands in no file.
Trace trace_at(const Json& value, std::string key, const Place& place);

}  // namespace caddie::manifest
