// Of several processes that do the same, only the first speaks: what the others have to say, it says too. Where it does
// not, they say it after a while. Call before other threads are there.
#pragma once

namespace caddie::cli {

// Throws away this process's results from now on, and keeps what it says to stderr for itself.
void mute();
// Of a muted process that failed: waits for the first one to say the same and end all, then says what was kept, each
// line after `prefix`. Nothing when it was never muted.
void speak_after_all(const char* prefix);

}  // namespace caddie::cli
