// Whole files in and out. Writing goes to a temporary name in the same folder, is synced, and renamed,
// so a reader sees the old file or the new one and never a part. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace caddie {

// The whole file. Errors name the path and the operating system's reason.
Result<std::string> read_text(const std::filesystem::path& path);
Result<std::vector<std::uint8_t>> read_bytes(const std::filesystem::path& path);

// Replaces `path` atomically; creates missing parent folders.
Result<void> write_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);
Result<void> write_atomically(const std::filesystem::path& path, std::string_view text);

// Creates the folder and its parents; an existing folder is fine.
Result<void> make_folder(const std::filesystem::path& path);

// A read-only view of a file in memory (mmap). Move-only; unmapped by the destructor.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace caddie
