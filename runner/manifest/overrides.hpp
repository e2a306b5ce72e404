// Changes given on the command line, applied in their order on top of the merged files. One thread at a time.
//
//   --set path=value   path by dots ("blocks.noise.alpha", "data.train"); the value is JSON, else a string.
//                      Works like a child file that says only this: objects merge, null deletes. A number in the path
//                      names an existing item of a list.
//   --unset path       removes a value; an unknown path is an issue with the nearest name.
//   --disable NAME     removes the plugin entry of that instance name in whichever section has it, else the one whose
//                      "use" is NAME. "section.name" is meant where a name stands in several sections.
//                      A block takes the optimizer of its name with it.
//   --enable NAME      brings back an entry that a child or --disable had removed.
//   --seed N           the run's seed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/base/result.hpp"
#include "runner/manifest/merge.hpp"

namespace caddie::manifest {

struct Override {
  enum class Kind : std::uint8_t { set, unset, disable, enable, seed };
  Kind kind = Kind::set;
  std::string text;  // what follows the option: "blocks.noise.alpha=3", "noise", "42"

  // "--set blocks.noise.alpha=3".
  [[nodiscard]] std::string as_option() const;
};

// Issues go into `merged.issues`; the others are applied nevertheless.
void apply_overrides(Merged& merged, std::span<const Override> overrides);

}  // namespace caddie::manifest
