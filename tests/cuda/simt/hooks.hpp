// The same layout as in simt.hpp, which is not for code outside of kernels.
#pragma once

struct SimtIndex {
  unsigned int x, y, z;
};

inline constexpr int kSimtSlots = 4;  // words for each thread of a warp

struct SimtHooks {
  SimtIndex thread, block;
  unsigned long long* slots;
  void (*wait_block)();
  void (*wait_warp)();
  unsigned char* dynamic_shared;
};
