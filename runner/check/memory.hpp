// How much memory the process holds, to find what is not given back. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace caddie::check {

// Bytes that are allocated now; negative when this build cannot tell.
std::int64_t bytes_in_use();
int open_files();

// Runs `body` a few times, then `count` times more, and fails when memory or open files grew with the count; `what` is
// what was repeated: "create() and destroy()". Returns a sentence for the report.
std::string repeat_without_growth(const std::string& what, int count, const std::function<void()>& body);

}  // namespace caddie::check
