// The ledger: every score, in the order it was sealed, append-only, in a hash chain.
//
// A record is one scored target; a block is what one scoring call sealed with one state of the weights. Each block's
// digest covers the digest before it, and the file ends with a block that says so: nothing can be changed, taken out or
// cut off afterwards without a trace. docs/formats/ledger.md has the bytes. A Ledger belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/hash.hpp"
#include "core/base/result.hpp"

namespace caddie::score {

struct Record {
  std::int64_t target = 0;   // target j is token j+1 of the validation stream
  double nll = 0;            // -log p(token), nats
  std::uint32_t bytes = 0;   // of decoded text that the token stands for
};

struct Block {
  std::uint64_t version = 0;  // of the weights: adaptations done before these scores
  std::vector<Record> records;
};

class Ledger {
 public:
  // Begins a new ledger; `subject` says what is scored (digests of artifact and data). An existing file is replaced. An
  // empty path makes a ledger that keeps the chain of digests and writes no file.
  static Result<std::unique_ptr<Ledger>> create(const std::filesystem::path& path, const std::string& subject);
  ~Ledger();

  // Appends a block; afterwards its scores cannot change. Nothing is on disk before close() for certain. An error once
  // the ledger is closed.
  Result<void> seal(const Block& block);
  // Ends the chain; syncs the file and puts it in place.
  Result<void> close();
  // Of everything so far; after close() that of the whole ledger.
  [[nodiscard]] std::string digest() const { return to_hex(digest_); }

 private:
  Ledger() = default;
  struct File;
  void append(const Block& block);

  std::unique_ptr<File> file_;
  Sha256Digest digest_{};
  bool closed_ = false;
};

struct LedgerContent {
  std::string subject;
  std::vector<Block> blocks;
  std::string digest;  // of the whole
};

// Reads and checks the whole chain. Any bytes: the first thing wrong is named with its offset.
Result<LedgerContent> decode_ledger(std::span<const std::uint8_t> bytes, const std::string& where);
Result<LedgerContent> read_ledger(const std::filesystem::path& path);

}  // namespace caddie::score
