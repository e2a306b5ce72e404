#include "core/score/ledger.hpp"

#include <fmt/format.h>

#include <cstring>

#include "core/base/file.hpp"

namespace caddie::score {
namespace {

constexpr char kMagic[8] = {'C', 'A', 'D', 'D', 'I', 'E', 'L', 'G'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kMaxSubject = 1u << 16;
constexpr std::size_t kRecordBytes = sizeof(std::int64_t) + sizeof(double) + sizeof(std::uint32_t);
constexpr std::size_t kBlockHeaderBytes = 2 * sizeof(std::uint64_t);
constexpr std::uint64_t kEnd = ~std::uint64_t{0};  // stands for the version in the block that ends the ledger

template <class T>
void append(std::vector<std::uint8_t>& bytes, T value) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

template <class T>
T take(std::span<const std::uint8_t>& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

std::vector<std::uint8_t> encode_header(const std::string& subject) {
  std::vector<std::uint8_t> bytes(kMagic, kMagic + sizeof kMagic);
  append(bytes, kVersion);
  append(bytes, static_cast<std::uint32_t>(subject.size()));
  bytes.insert(bytes.end(), subject.begin(), subject.end());
  return bytes;
}

std::vector<std::uint8_t> encode_block(const Block& block) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(kBlockHeaderBytes + block.records.size() * kRecordBytes);
  append(bytes, block.version);
  append(bytes, static_cast<std::uint64_t>(block.records.size()));
  for (const Record& record : block.records) {
    append(bytes, record.target);
    append(bytes, record.nll);
    append(bytes, record.bytes);
  }
  return bytes;
}

Sha256Digest chain(const Sha256Digest& before, std::span<const std::uint8_t> bytes) {
  return Sha256().update(before).update(bytes).finish();
}

}  // namespace

struct Ledger::File {
  std::filesystem::path path;
  std::vector<std::uint8_t> bytes;  // of the whole ledger: 20 bytes a token
};

Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::create(const std::filesystem::path& path, const std::string& subject) {
  auto ledger = std::unique_ptr<Ledger>(new Ledger());
  const std::vector<std::uint8_t> header = encode_header(subject.substr(0, kMaxSubject));
  ledger->digest_ = sha256(header);
  if (path.empty()) return ledger;
  ledger->file_ = std::make_unique<File>(File{path, header});
  return ledger;
}

void Ledger::append(const Block& block) {
  const std::vector<std::uint8_t> bytes = encode_block(block);
  digest_ = chain(digest_, bytes);
  if (!file_) return;
  file_->bytes.insert(file_->bytes.end(), bytes.begin(), bytes.end());
  file_->bytes.insert(file_->bytes.end(), digest_.begin(), digest_.end());
}

Result<void> Ledger::seal(const Block& block) {
  if (closed_) return Error{Code::state, "ledger", "is closed; no score can be added to it"};
  append(block);
  return {};
}

Result<void> Ledger::close() {
  if (!closed_) append({kEnd, {}});
  closed_ = true;
  if (!file_) return {};
  auto done = write_atomically(file_->path, std::span<const std::uint8_t>(file_->bytes));
  file_.reset();
  return done;
}

Result<LedgerContent> decode_ledger(std::span<const std::uint8_t> bytes, const std::string& where) {
  const std::size_t size = bytes.size();
  std::span<const std::uint8_t> rest = bytes;
  const auto bad = [&](const std::string& text) {
    return Error{Code::format, where, fmt::format("{} (at byte {} of {})", text, size - rest.size(), size)};
  };
  if (rest.size() < sizeof kMagic + 2 * sizeof(std::uint32_t) || std::memcmp(rest.data(), kMagic, sizeof kMagic) != 0) {
    return bad("is no ledger of Caddie");
  }
  rest = rest.subspan(sizeof kMagic);
  const auto version = take<std::uint32_t>(rest);
  if (version != kVersion) {
    return bad(fmt::format("is a ledger of version {}; this program reads version {}", version, kVersion));
  }
  const auto subject_size = take<std::uint32_t>(rest);
  if (subject_size > kMaxSubject || subject_size > rest.size()) return bad("is cut off in its header");
  LedgerContent content;
  content.subject.assign(reinterpret_cast<const char*>(rest.data()), subject_size);
  rest = rest.subspan(subject_size);
  Sha256Digest digest = sha256(bytes.first(size - rest.size()));

  bool ended = false;
  while (!ended) {
    if (rest.empty()) return bad("was cut off: the block that ends a ledger is missing");
    if (rest.size() < kBlockHeaderBytes) return bad("ends inside a block");
    const std::span<const std::uint8_t> start = rest;
    Block block;
    block.version = take<std::uint64_t>(rest);
    const auto count = take<std::uint64_t>(rest);
    if (rest.size() < sizeof digest || count > (rest.size() - sizeof digest) / kRecordBytes) {
      return bad("has a block larger than the file");
    }
    const std::size_t length = kBlockHeaderBytes + static_cast<std::size_t>(count) * kRecordBytes;
    digest = chain(digest, start.first(length));
    block.records.resize(static_cast<std::size_t>(count));
    for (Record& record : block.records) {
      record.target = take<std::int64_t>(rest);
      record.nll = take<double>(rest);
      record.bytes = take<std::uint32_t>(rest);
    }
    if (std::memcmp(rest.data(), digest.data(), sizeof digest) != 0) {
      return bad("was changed: a block's digest does not match the chain");
    }
    rest = rest.subspan(sizeof digest);
    ended = block.version == kEnd;
    if (ended && !block.records.empty()) return bad("has scores in the block that ends it");
    if (!ended) content.blocks.push_back(std::move(block));
  }
  if (!rest.empty()) return bad("has bytes after its end");
  content.digest = to_hex(digest);
  return content;
}

Result<LedgerContent> read_ledger(const std::filesystem::path& path) {
  const auto bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  return decode_ledger(*bytes, path.string());
}

}  // namespace caddie::score
