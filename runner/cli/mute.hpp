// Of several processes that do the same, only the first speaks. Call before other threads are there.
#pragma once

namespace caddie::cli {

// Throws away what this process prints from now on.
void mute();
// stderr as it was before mute(), for an error that only this process has. Nothing when it was never muted.
void unmute();

}  // namespace caddie::cli
