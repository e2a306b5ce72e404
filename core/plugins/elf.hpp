// What an ELF file says about itself, read from its bytes without running anything. Bytes may be anything at all. Any
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::plugins {

// The names a shared library of this machine exports, without those that linkers add by themselves.
// Errors name what is wrong with the file: empty, text, not ELF, another machine, no shared library, truncated,
// damaged. Their `where` is empty.
Result<std::vector<std::string>> exported_symbols(std::span<const std::uint8_t> file);

}  // namespace caddie::plugins
