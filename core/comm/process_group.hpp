// Processes that train one model together. Every process calls the same functions in the same order with the same
// sizes; each call returns when this process has its result. Memory is the host's. One thread of each process.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::comm {

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  [[nodiscard]] virtual int rank() const = 0;  // 0 .. size()-1
  [[nodiscard]] virtual int size() const = 0;

  // Everybody ends with the bytes of rank `root`.
  virtual Result<void> broadcast(std::span<std::byte> bytes, int root) = 0;
  // Rank r is given sizes[r] bytes by everybody: `sent` has a block for every rank, one after the other; block r of
  // `received` comes from rank r, each of sizes[rank()] bytes.
  virtual Result<void> all_to_all(std::span<const std::byte> sent, std::span<std::byte> received,
                                  std::span<const std::size_t> sizes) = 0;
  // Everybody ends with the parts of all ranks one after the other; that of rank r has sizes[r] bytes. `own` may be
  // this rank's part of `all`.
  virtual Result<void> all_gather(std::span<const std::byte> own, std::span<std::byte> all,
                                  std::span<const std::size_t> sizes) = 0;
  // Waits for everybody without using the processor.
  virtual Result<void> wait_for_all() = 0;

  // Ends every process of the group, now, with this exit code.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

// One process.
std::unique_ptr<ProcessGroup> single_process();

// A trivially copyable value of rank 0 for everybody.
template <class T>
Result<void> agree(ProcessGroup& group, T& value) {
  return group.broadcast(std::as_writable_bytes(std::span(&value, 1)), 0);
}

// Everybody's value, in the order of ranks, where a value has the same size on all.
template <class T>
Result<std::vector<T>> everybodys(ProcessGroup& group, const T& own) {
  std::vector<T> all(static_cast<std::size_t>(group.size()));
  const std::vector<std::size_t> sizes(all.size(), sizeof(T));
  const auto bytes = std::as_writable_bytes(std::span(all));
  if (auto done = group.all_gather(std::as_bytes(std::span(&own, 1)), bytes, sizes); !done) return done.error();
  return all;
}

}  // namespace caddie::comm
