#include "core/cpu/thread_pool.hpp"

#include <algorithm>

#if defined(__linux__)
#include <sched.h>
#endif

namespace caddie::cpu {
namespace {

// About 20 to 50 microseconds of spinning: longer than the gap between two kernels of one step.
constexpr int kSpins = 600;

// The pool whose task this thread is in; pools inside tasks of other pools are real ones.
thread_local const void* current_pool = nullptr;

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

std::uint32_t await_change(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const std::uint32_t value = word.load(std::memory_order_acquire);
    if (value != old) return value;
    pause_briefly();
  }
  std::uint32_t value = word.load(std::memory_order_acquire);
  while (value == old) {
    word.wait(old, std::memory_order_acquire);
    value = word.load(std::memory_order_acquire);
  }
  return value;
}

ThreadPool::ThreadPool(int threads) : threads_(std::max(threads, 1)) {
  workers_.reserve(static_cast<std::size_t>(threads_ - 1));
  for (int thread = 1; thread < threads_; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_share(int thread) {
  const std::int64_t begin = tasks_ * thread / threads_;
  const std::int64_t end = tasks_ * (thread + 1) / threads_;
  const void* outer = current_pool;
  current_pool = this;
  for (std::int64_t task = begin; task < end; ++task) task_(context_, task, thread);
  current_pool = outer;
}

void ThreadPool::work(int thread) {
  std::uint32_t seen = 0;
  while (true) {
    seen = await_change(generation_, seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    run_share(thread);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

void ThreadPool::run_erased(std::int64_t tasks, void* context, Task task) {
  if (tasks <= 0) return;
  if (current_pool == this || threads_ == 1 || tasks == 1) {
    const void* outer = current_pool;
    current_pool = this;
    for (std::int64_t i = 0; i < tasks; ++i) task(context, i, 0);
    current_pool = outer;
    return;
  }
  const std::lock_guard<std::mutex> turn(callers_);
  tasks_ = tasks;
  context_ = context;
  task_ = task;
  pending_.store(static_cast<std::uint32_t>(threads_ - 1), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  run_share(0);
  std::uint32_t left = pending_.load(std::memory_order_acquire);
  while (left != 0) left = await_change(pending_, left);
}

int ThreadPool::available_threads() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(CPU_COUNT(&set), 1);
#endif
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

}  // namespace caddie::cpu
