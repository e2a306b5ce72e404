#include "core/plugins/stream.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace caddie::plugins {

StreamSink::StreamSink(std::size_t limit) : limit_(limit) {
  stream_.struct_size = sizeof stream_;
  stream_.context = this;
  stream_.read = [](const caddie_stream*, void*, uint64_t) noexcept -> int64_t { return -1; };
  stream_.write = write;
}

int64_t StreamSink::write(const caddie_stream* stream, const void* from, uint64_t size) noexcept {
  auto& sink = *static_cast<StreamSink*>(stream->context);
  if (size == 0) return 0;
  if (from == nullptr) return -1;
  if (size > sink.limit_ - sink.bytes_.size()) {
    sink.overflowed_ = true;
    return -1;
  }
  try {
    const auto* bytes = static_cast<const std::uint8_t*>(from);
    sink.bytes_.insert(sink.bytes_.end(), bytes, bytes + size);
  } catch (const std::bad_alloc&) {
    return -1;
  }
  return static_cast<int64_t>(size);
}

StreamSource::StreamSource(std::span<const std::uint8_t> bytes) : rest_(bytes) {
  stream_.struct_size = sizeof stream_;
  stream_.context = this;
  stream_.read = read;
  stream_.write = [](const caddie_stream*, const void*, uint64_t) noexcept -> int64_t { return -1; };
}

int64_t StreamSource::read(const caddie_stream* stream, void* to, uint64_t size) noexcept {
  auto& source = *static_cast<StreamSource*>(stream->context);
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, source.rest_.size()));
  if (count == 0) return 0;
  if (to == nullptr) return -1;
  std::memcpy(to, source.rest_.data(), count);
  source.rest_ = source.rest_.subspan(count);
  return static_cast<int64_t>(count);
}

}  // namespace caddie::plugins
