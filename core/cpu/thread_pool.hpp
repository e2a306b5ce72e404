// A persistent pool of threads with a static partition of the work.
//
// run(n, f) calls f for each task 0..n-1, once each, and returns when all are done. Thread t of T owns the contiguous
// range [n*t/T, n*(t+1)/T), the calling thread is thread 0. Nothing is stolen: what a task computes must depend on the
// task index alone, so that results do not depend on T. Workers spin briefly for the next run, then sleep.
//
// Threads: run() may be called from any thread; concurrent calls take turns. A run() inside a task executes its tasks
// one after the other on the calling thread (as thread 0). Tasks must not throw. No allocation after construction.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace caddie::cpu {

class ThreadPool {
 public:
  // Starts threads - 1 workers (the caller is the remaining one); values below 1 count as 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  // f(task) or f(task, thread) with 0 <= task < tasks and 0 <= thread < size().
  template <typename F>
  void run(std::int64_t tasks, F&& f) {
    using Callable = std::remove_reference_t<F>;
    run_erased(tasks, const_cast<void*>(static_cast<const void*>(&f)),
               [](void* context, std::int64_t task, int thread) {
                 Callable& callable = *static_cast<Callable*>(context);
                 if constexpr (std::is_invocable_v<Callable&, std::int64_t, int>) {
                   callable(task, thread);
                 } else {
                   callable(task);
                 }
               });
  }

  // The machine's hardware threads that this process may use, at least 1.
  static int available_threads();

 private:
  using Task = void (*)(void* context, std::int64_t task, int thread);

  void run_erased(std::int64_t tasks, void* context, Task task);
  void run_share(int thread);
  void work(int thread);

  const int threads_;
  std::mutex callers_;
  // The current run; written before generation_ is advanced, read by workers after they saw it advance.
  std::int64_t tasks_ = 0;
  void* context_ = nullptr;
  Task task_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<std::uint32_t> pending_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

// Returns a value of `word` that differs from `old`: watches it for a while, then sleeps until it is notified.
std::uint32_t await_change(const std::atomic<std::uint32_t>& word, std::uint32_t old);

}  // namespace caddie::cpu
