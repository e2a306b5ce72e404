#include "core/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace caddie {
namespace {

Error io_error(const std::filesystem::path& path, std::string_view action, int code) {
  return {Code::io, path.string(), fmt::format("cannot {}: {}", action, std::strerror(code))};
}

// Closes a descriptor when it leaves scope.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

template <class Container>
Result<Container> read_whole(const std::filesystem::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error(path, "open the file", errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return io_error(path, "read the file's size", errno);
  if (!S_ISREG(info.st_mode)) return Error{Code::io, path.string(), "is not a regular file"};
  Container content;
  content.resize(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = ::read(file.fd, content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path, "read the file", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

Result<void> write_all(int fd, const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return io_error(path, "write the file", errno);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

// Makes a rename durable.
void sync_folder(const std::filesystem::path& folder) {
  Descriptor handle{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (handle.fd >= 0) ::fsync(handle.fd);
}

}  // namespace

Result<std::string> read_text(const std::filesystem::path& path) { return read_whole<std::string>(path); }

Result<std::vector<std::uint8_t>> read_bytes(const std::filesystem::path& path) {
  return read_whole<std::vector<std::uint8_t>>(path);
}

Result<void> write_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  static std::atomic<unsigned> counter{0};
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (auto made = make_folder(folder); !made) return made;
  std::filesystem::path temporary = path;
  temporary += fmt::format(".tmp-{}-{}", ::getpid(), counter.fetch_add(1));
  {
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
    if (file.fd < 0) return io_error(path, "create the file", errno);
    Result<void> written = write_all(file.fd, path, bytes);
    if (written && ::fsync(file.fd) != 0) written = io_error(path, "write the file to disk", errno);
    if (!written) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary.c_str());
    return io_error(path, "put the finished file in place", code);
  }
  sync_folder(folder);
  return {};
}

Result<void> write_atomically(const std::filesystem::path& path, std::string_view text) {
  return write_atomically(path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

Result<void> make_folder(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) return Error{Code::io, path.string(), fmt::format("cannot create the folder: {}", code.message())};
  return {};
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error(path, "open the file", errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return io_error(path, "read the file's size", errno);
  if (!S_ISREG(info.st_mode)) return Error{Code::io, path.string(), "is not a regular file"};
  MappedFile mapped;
  if (info.st_size == 0) return mapped;
  void* data = ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) return io_error(path, "map the file", errno);
  mapped.data_ = static_cast<const std::uint8_t*>(data);
  mapped.size_ = static_cast<std::size_t>(info.st_size);
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace caddie
