#include "core/train/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"

namespace caddie::train {
namespace {

constexpr char kMagic[8] = {'C', 'A', 'D', 'D', 'I', 'E', 'C', 'K'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kDigestBytes = 32;
constexpr std::uint32_t kMaxSections = 1u << 20;
constexpr std::uint32_t kMaxName = 4096;

class Writer {
 public:
  template <class T>
  void number(T value) {
    raw({reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
  }
  void raw(std::span<const std::uint8_t> bytes) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + bytes.size());
    if (!bytes.empty()) std::memcpy(bytes_.data() + at, bytes.data(), bytes.size());
  }
  void text(const std::string& text) {
    number(static_cast<std::uint32_t>(text.size()));
    raw({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

// Reads until the bytes run out; then every value is zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  template <class T>
  T number() {
    T value{};
    const auto from = take(sizeof value);
    if (from.size() == sizeof value) std::memcpy(&value, from.data(), sizeof value);
    return value;
  }
  std::string text() {
    const auto size = number<std::uint32_t>();
    if (size > kMaxName) ok_ = false;
    const auto from = ok_ ? take(size) : std::span<const std::uint8_t>();
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }
  std::span<const std::uint8_t> take(std::uint64_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto out = rest_.first(static_cast<std::size_t>(size));
    rest_ = rest_.subspan(static_cast<std::size_t>(size));
    return out;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::span<const std::uint8_t> rest_;
  bool ok_ = true;
};

std::vector<std::filesystem::path> checkpoint_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".checkpoint") files.push_back(entry.path());
  }
  std::ranges::sort(files, std::greater<>());  // the step stands in the name with leading zeros
  return files;
}

}  // namespace

std::vector<std::uint8_t> encode_checkpoint(const Checkpoint& checkpoint) {
  Writer body;
  body.number(checkpoint.step);
  body.number(checkpoint.elapsed_seconds);
  body.text(checkpoint.run_digest);
  body.number(static_cast<std::uint32_t>(checkpoint.sections.size()));
  for (const auto& [name, bytes] : checkpoint.sections) {
    body.text(name);
    body.number(static_cast<std::uint64_t>(bytes.size()));
    body.raw(bytes);
  }
  Writer file;
  file.raw({reinterpret_cast<const std::uint8_t*>(kMagic), sizeof kMagic});
  file.number(kVersion);
  const Sha256Digest digest = sha256(body.bytes());
  file.raw(digest);
  file.raw(body.bytes());
  return file.take();
}

Result<Checkpoint> decode_checkpoint(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto bad = [&](std::string text) { return Error{Code::format, where, std::move(text)}; };
  Reader file(bytes);
  const auto magic = file.take(sizeof kMagic);
  if (magic.size() != sizeof kMagic || std::memcmp(magic.data(), kMagic, sizeof kMagic) != 0) {
    return bad("is no checkpoint of Caddie");
  }
  const auto version = file.number<std::uint32_t>();
  if (version != kVersion) {
    return bad(fmt::format("is a checkpoint of version {}; this program reads version {}", version, kVersion));
  }
  const auto digest = file.take(kDigestBytes);
  if (!file.ok()) return bad("is cut off in its header");
  const auto body = bytes.subspan(sizeof kMagic + sizeof kVersion + kDigestBytes);
  const Sha256Digest actual = sha256(body);
  if (std::memcmp(digest.data(), actual.data(), kDigestBytes) != 0) {
    return bad("is damaged: its digest does not match its content");
  }

  Reader reader(body);
  Checkpoint checkpoint;
  checkpoint.step = reader.number<std::int64_t>();
  checkpoint.elapsed_seconds = reader.number<double>();
  checkpoint.run_digest = reader.text();
  const auto count = reader.number<std::uint32_t>();
  if (count > kMaxSections) return bad(fmt::format("claims {} sections", count));
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const std::string name = reader.text();
    const auto section = reader.take(reader.number<std::uint64_t>());
    checkpoint.sections[name].assign(section.begin(), section.end());
  }
  if (!reader.ok() || !reader.at_end()) return bad("has sections that do not fit its length");
  return checkpoint;
}

Result<void> write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  return write_atomically(folder / fmt::format("step-{:010}.checkpoint", checkpoint.step),
                          encode_checkpoint(checkpoint));
}

Result<std::optional<Checkpoint>> newest_checkpoint(const std::filesystem::path& folder, const std::string& run_digest,
                                                    std::vector<std::string>* skipped) {
  for (const std::filesystem::path& path : checkpoint_files(folder)) {
    const auto bytes = read_bytes(path);
    auto checkpoint = bytes ? decode_checkpoint(*bytes, path.string()) : Result<Checkpoint>(bytes.error());
    if (checkpoint && checkpoint->run_digest != run_digest) {
      checkpoint = Error{Code::state, path.string(), "belongs to another run: manifest, data or plugins differ"};
    }
    if (checkpoint) return std::optional<Checkpoint>(std::move(*checkpoint));
    if (skipped != nullptr) skipped->push_back(checkpoint.error().message());
  }
  return std::optional<Checkpoint>();
}

void prune_checkpoints(const std::filesystem::path& folder, int keep) {
  const auto files = checkpoint_files(folder);
  for (std::size_t i = static_cast<std::size_t>(keep); i < files.size(); ++i) {
    std::error_code code;
    std::filesystem::remove(files[i], code);
  }
}

}  // namespace caddie::train
