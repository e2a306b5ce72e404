// Parts of Caddie in libraries of their own, so that nothing else needs what they need. Loaded once, never unloaded.
#pragma once

#include <filesystem>
#include <string>

#include "core/base/result.hpp"

namespace caddie::comm {

// The function `symbol` of a library among the program's. The error says why there is none: "this build has no ...".
Result<void*> function_of(const std::filesystem::path& program, const char* library, const char* symbol);

}  // namespace caddie::comm
