#include "tests/cuda/simt/scheduler.hpp"

#include <setjmp.h>
#include <ucontext.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

namespace caddie::simt {
namespace {

constexpr std::size_t kStackBytes = 128 * 1024;
constexpr std::size_t kDynamicBytes = 232448;  // what a block of an sm_90 device may have
constexpr std::size_t kMostThreads = 1024;

enum class State { ready, waits_warp, waits_block, done };

// A thread's stack and place. Contexts are entered once by ucontext; switches are jumps, which need no system call.
struct Fiber {
  std::unique_ptr<std::byte[]> stack;
  ucontext_t entry{};
  jmp_buf place{};
  bool started = false;
  State state = State::done;
};

struct Block {
  std::array<Fiber, kMostThreads> fibers;
  std::array<unsigned long long, kMostThreads * kSimtSlots> slots{};
  std::unique_ptr<unsigned char[]> dynamic = std::make_unique<unsigned char[]>(kDynamicBytes);
  ucontext_t first_caller{};
  jmp_buf scheduler{};
  std::uint32_t current = 0;
  SimtHooks* hooks = nullptr;
  KernelFunction kernel = nullptr;
  const void* pointers = nullptr;
};

Block& block() {
  static Block one;
  return one;
}

void leave(State state) {
  Block& b = block();
  Fiber& fiber = b.fibers[b.current];
  fiber.state = state;
  if (_setjmp(fiber.place) == 0) _longjmp(b.scheduler, 1);
}

void fiber_main() {
  for (;;) {
    block().kernel(block().pointers);
    leave(State::done);
  }
}

void resume(std::uint32_t number) {
  Block& b = block();
  b.current = number;
  b.hooks->thread.x = number;
  b.hooks->slots = b.slots.data() + number / 32 * 32 * kSimtSlots;
  Fiber& fiber = b.fibers[number];
  if (_setjmp(b.scheduler) != 0) return;
  if (fiber.started) _longjmp(fiber.place, 1);
  fiber.started = true;
  fiber.stack = std::make_unique<std::byte[]>(kStackBytes);
  getcontext(&fiber.entry);
  fiber.entry.uc_stack.ss_sp = fiber.stack.get();
  fiber.entry.uc_stack.ss_size = kStackBytes;
  fiber.entry.uc_link = nullptr;
  makecontext(&fiber.entry, fiber_main, 0);
  setcontext(&fiber.entry);
}

bool release(std::uint32_t first, std::uint32_t count, State waiting) {
  Block& b = block();
  for (std::uint32_t i = first; i < first + count; ++i) {
    if (b.fibers[i].state != waiting) return false;
  }
  for (std::uint32_t i = first; i < first + count; ++i) b.fibers[i].state = State::ready;
  return true;
}

std::string run_fibers(const Grid& grid) {
  Block& b = block();
  std::memset(b.dynamic.get(), 0xFF, kDynamicBytes / 4);  // not a number: nobody may read what nobody wrote
  for (std::uint32_t i = 0; i < grid.threads; ++i) b.fibers[i].state = State::ready;
  for (;;) {
    bool progress = false;
    for (std::uint32_t n = 0; n < grid.threads; ++n) {
      const std::uint32_t i = grid.reversed ? grid.threads - 1 - n : n;
      if (b.fibers[i].state != State::ready) continue;
      resume(i);
      progress = true;
    }
    std::uint32_t done = 0;
    for (std::uint32_t i = 0; i < grid.threads; ++i) done += b.fibers[i].state == State::done ? 1 : 0;
    if (done == grid.threads) return {};
    for (std::uint32_t warp = 0; warp < grid.threads; warp += 32) {
      progress = release(warp, 32, State::waits_warp) || progress;
    }
    progress = release(0, grid.threads, State::waits_block) || progress;
    if (progress) continue;
    // Threads that still wait are left as they are: their stacks are begun anew.
    for (Fiber& fiber : b.fibers) fiber.started = false;
    return "some threads of a block wait for others that never come";
  }
}

}  // namespace

std::string run_grid(KernelFunction kernel, const void* pointers, const Grid& grid, SimtHooks& hooks) {
  if (grid.threads % 32 != 0 || grid.threads > kMostThreads) return "a block needs whole warps, 1024 threads at most";
  Block& b = block();
  b.hooks = &hooks;
  b.kernel = kernel;
  b.pointers = pointers;
  hooks.wait_block = [] { leave(State::waits_block); };
  hooks.wait_warp = [] { leave(State::waits_warp); };
  hooks.dynamic_shared = b.dynamic.get();
  hooks.thread = {0, 0, 0};
  hooks.block = {0, 0, 0};
  for (std::uint32_t n = 0; n < grid.blocks; ++n) {
    hooks.block.x = grid.reversed ? grid.blocks - 1 - n : n;
    if (grid.cooperates) {
      if (std::string wrong = run_fibers(grid); !wrong.empty()) return wrong;
      continue;
    }
    for (std::uint32_t i = 0; i < grid.threads; ++i) {
      hooks.thread.x = grid.reversed ? grid.threads - 1 - i : i;
      kernel(pointers);
    }
  }
  return {};
}

}  // namespace caddie::simt
