#include "core/cpu/host_memory.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace caddie::cpu {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kLargePage = std::size_t{2} << 20;

#if defined(__linux__)
// A mapping of its own, which begins at a large page and is zero without being written: pages come as they are touched.
std::byte* map_large(std::size_t rounded) {
  if (rounded > SIZE_MAX - kLargePage) return nullptr;
  void* whole = mmap(nullptr, rounded + kLargePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(whole);
  const std::size_t before = (kLargePage - reinterpret_cast<std::uintptr_t>(begin) % kLargePage) % kLargePage;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + rounded, kLargePage - before);
  madvise(begin + before, rounded, MADV_HUGEPAGE);
  return begin + before;
}
#else
std::byte* map_large(std::size_t) { return nullptr; }
#endif

}  // namespace

void HostMemory::Free::operator()(std::byte* data) const {
#if defined(__linux__)
  if (mapped_ > 0) {
    munmap(data, mapped_);
    return;
  }
#endif
  std::free(data);
}

Result<HostMemory> HostMemory::allocate(std::size_t bytes, const char* what) {
  const std::size_t alignment = bytes >= kLargePage ? kLargePage : kLine;
  const std::size_t rounded = bytes > SIZE_MAX - alignment ? SIZE_MAX : (bytes + alignment - 1) / alignment * alignment;
  HostMemory memory;
  memory.size_ = bytes;
  std::byte* data = nullptr;
  if (alignment == kLargePage && rounded != SIZE_MAX) data = map_large(rounded);
  if (data != nullptr) {
    memory.data_ = {data, Free(rounded)};
    return memory;
  }
  if (rounded != SIZE_MAX) {
    data = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment));
  }
  if (data == nullptr) {
    return Error{Code::memory, "",
                 fmt::format("{} bytes for {} are not to be had; use a smaller batch or context", bytes, what)};
  }
  std::memset(data, 0, rounded);
  memory.data_ = {data, Free()};
  return memory;
}

Result<std::byte*> bytes_of_view(const graph::BufferView& view, std::size_t bytes, std::size_t alignment,
                                 std::string_view where) {
  const auto refuse = [&](std::string text) { return Error{Code::argument, std::string(where), std::move(text)}; };
  if (view.buffer == nullptr) return refuse("no buffer is given; allocate one from this executor");
  auto* data = static_cast<std::byte*>(view.buffer->host_data());
  if (data == nullptr) return refuse("the buffer is not in the processor's memory; allocate it from this executor");
  const std::size_t size = view.buffer->size_bytes();
  if (view.offset_bytes > size || bytes > size - view.offset_bytes) {
    return refuse(fmt::format("{} bytes from offset {} do not fit a buffer of {}", bytes, view.offset_bytes, size));
  }
  if (view.offset_bytes % alignment != 0)
    return refuse(fmt::format("offset {} is no multiple of {} bytes", view.offset_bytes, alignment));
  return data + view.offset_bytes;
}

}  // namespace caddie::cpu
