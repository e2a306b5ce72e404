// Memory of the processor: zeroed, aligned to 64 bytes, on large pages where the system offers them. Owned by value.
#pragma once

#include <cstddef>
#include <memory>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cpu {

class HostMemory {
 public:
  HostMemory() = default;
  // Code::memory when the system has none; `what` names its use in the text.
  static Result<HostMemory> allocate(std::size_t bytes, const char* what);

  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  class Free {
   public:
    Free() : mapped_(0) {}
    explicit Free(std::size_t mapped) : mapped_(mapped) {}
    void operator()(std::byte* data) const;

   private:
    std::size_t mapped_;  // bytes of a mapping of its own; 0: from the heap
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

class HostBuffer final : public graph::Buffer {
 public:
  explicit HostBuffer(HostMemory memory) : memory_(std::move(memory)) {}
  [[nodiscard]] std::size_t size_bytes() const override { return memory_.size(); }
  [[nodiscard]] void* host_data() override { return memory_.data(); }
  [[nodiscard]] void* device_data() override { return memory_.data(); }

 private:
  HostMemory memory_;
};

// The memory of a view, or why `bytes` from its offset on cannot be used; `where` names what it is for.
Result<std::byte*> bytes_of_view(const graph::BufferView& view, std::size_t bytes, std::size_t alignment,
                                 std::string_view where);

}  // namespace caddie::cpu
