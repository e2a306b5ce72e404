// The ABI's streams over memory: bytes a plugin writes, and bytes it reads. The stream must not outlive its object, nor
// the object move while a plugin holds the stream. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "caddie/abi.h"

namespace caddie::plugins {

// Collects what is written, up to a limit; a write beyond it fails.
class StreamSink {
 public:
  explicit StreamSink(std::size_t limit);
  StreamSink(const StreamSink&) = delete;
  StreamSink& operator=(const StreamSink&) = delete;

  [[nodiscard]] const caddie_stream* abi() const { return &stream_; }
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  static int64_t write(const caddie_stream* stream, const void* from, uint64_t size) noexcept;

  caddie_stream stream_{};
  std::size_t limit_;
  std::vector<std::uint8_t> bytes_;
  bool overflowed_ = false;
};

// Gives out the bytes of a view, which must stay.
class StreamSource {
 public:
  explicit StreamSource(std::span<const std::uint8_t> bytes);
  StreamSource(const StreamSource&) = delete;
  StreamSource& operator=(const StreamSource&) = delete;

  [[nodiscard]] const caddie_stream* abi() const { return &stream_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  static int64_t read(const caddie_stream* stream, void* to, uint64_t size) noexcept;

  caddie_stream stream_{};
  std::span<const std::uint8_t> rest_;
};

}  // namespace caddie::plugins
