// What a block attaches to, found in a child process. The calling process must have one thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::check {

struct AttachedHook {
  std::string hook;  // "attn.out"
  std::string kind;  // "chain"
  int phase = 0;
};

// With the block's defaults; in the order of attaching.
Result<std::vector<AttachedHook>> attached_hooks(const std::filesystem::path& file, const std::string& id);

}  // namespace caddie::check
