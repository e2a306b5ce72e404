// The rules by which the ABI grows, on the text that caddie_abi_layout prints.
#pragma once

#include <string>
#include <vector>

namespace caddie::abi_test {

// What in `now` breaks a plugin or a host built with `before`, a sentence each: something that is gone, moved, of
// another size or number; a struct that grew although it stands inside others or in lists; a field between two old
// ones.
std::vector<std::string> broken_promises(const std::string& before, const std::string& now);

}  // namespace caddie::abi_test
