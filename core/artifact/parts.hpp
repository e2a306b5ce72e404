// Parts: the named byte arrays that one quantizer stores one tensor as, and the table through which plugins write and
// read them. A Parts belongs to one thread while a plugin works on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "caddie/abi.h"
#include "core/base/result.hpp"

namespace caddie::artifact {

struct Part {
  std::string name;  // "codes"
  std::vector<std::uint8_t> bytes;

  friend bool operator==(const Part&, const Part&) = default;
};

// Lower-case letters, digits, '_' and '-', 1 to 32 of them: parts become streams "<instance>.<part>".
bool is_part_name(std::string_view name);

// What the parts of one tensor from one quantizer may weigh together: generous, and still a bound on what a damaged or
// hostile file can make a reader allocate.
std::int64_t max_parts_bytes(std::int64_t elements);

}  // namespace caddie::artifact

// The parts behind the ABI's opaque type.
struct caddie_parts {
  std::vector<caddie::artifact::Part> list;  // in the order of put
  std::int64_t room = 0;                     // bytes that may still be put
  std::string problem;                       // why the first refused put was refused
};

namespace caddie::artifact {

// put refuses bad names, names used twice, and more bytes than there is room for.
const caddie_host_parts* parts_service();

}  // namespace caddie::artifact
