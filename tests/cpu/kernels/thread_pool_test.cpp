#include "core/cpu/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace caddie::cpu {
namespace {

TEST(ThreadPoolTest, EachTaskRunsOnceForAnyNumberOfThreadsAndTasks) {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const std::int64_t tasks : {0, 1, 2, 3, 6, 7, 8, 100}) {
      std::vector<int> counts(static_cast<std::size_t>(tasks));
      pool.run(tasks, [&](std::int64_t i) { ++counts[static_cast<std::size_t>(i)]; });
      for (const int count : counts) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPoolTest, ThreadsOwnContiguousRangesFixedByTheCounts) {
  ThreadPool pool(3);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<int> owner(10, -1);
    pool.run(10, [&](std::int64_t i, int thread) { owner[static_cast<std::size_t>(i)] = thread; });
    EXPECT_EQ(owner, (std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2, 2}));
  }
}

TEST(ThreadPoolTest, ResultsOfOneRunAreVisibleToTheNext) {
  ThreadPool pool(3);
  std::vector<std::int64_t> values(999);
  for (int repeat = 0; repeat < 300; ++repeat) {
    pool.run(999, [&](std::int64_t i) { values[static_cast<std::size_t>(998 - i)] += i; });
  }
  for (std::int64_t i = 0; i < 999; ++i) EXPECT_EQ(values[static_cast<std::size_t>(998 - i)], 300 * i);
}

TEST(ThreadPoolTest, WakesAfterSleeping) {
  ThreadPool pool(2);
  std::atomic<int> done{0};
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pool.run(2, [&](std::int64_t) { ++done; });
  }
  EXPECT_EQ(done.load(), 6);
}

TEST(ThreadPoolTest, ARunInsideATaskStaysOnItsThread) {
  ThreadPool pool(2);
  std::vector<int> inner(8);
  pool.run(2, [&](std::int64_t outer) {
    const std::thread::id here = std::this_thread::get_id();
    pool.run(4, [&](std::int64_t i, int thread) {
      EXPECT_EQ(thread, 0);
      EXPECT_EQ(std::this_thread::get_id(), here);
      ++inner[static_cast<std::size_t>(4 * outer + i)];
    });
  });
  EXPECT_EQ(inner, std::vector<int>(8, 1));
}

TEST(ThreadPoolTest, CallersTakeTurns) {
  ThreadPool pool(2);
  std::vector<std::int64_t> sums(3);
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      for (int repeat = 0; repeat < 200; ++repeat) {
        std::vector<std::int64_t> parts(16);
        pool.run(16, [&](std::int64_t i) { parts[static_cast<std::size_t>(i)] = i; });
        sums[caller] += std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sums, (std::vector<std::int64_t>(3, 200 * 120)));
}

TEST(ThreadPoolTest, CountsBelowOneMeanOne) {
  ThreadPool pool(0);
  EXPECT_EQ(pool.size(), 1);
  EXPECT_GE(ThreadPool::available_threads(), 1);
}

}  // namespace
}  // namespace caddie::cpu
