// Looks through a whole data set and reports everything that is wrong with it, rather than the first thing.
// Reads every token and decodes every document on the calling thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/data/dataset.hpp"

namespace caddie::data {

struct Finding {
  std::string file;
  std::string text;  // a sentence: what is wrong, then what to do
};

struct SplitTotals {
  std::int64_t shards = 0;
  std::int64_t documents = 0;
  std::int64_t tokens = 0;
  std::int64_t text_bytes = 0;  // of the decoded documents
};

struct CheckReport {
  std::vector<Finding> findings;  // empty: the data is sound
  SplitTotals train;
  SplitTotals validation;
  int vocab_size = 0;
  [[nodiscard]] bool sound() const { return findings.empty(); }
};

// A prepared folder: card, sizes, headers, ids, digests, counts, byte accounting, and that no document is on both sides.
CheckReport check_folder(const std::filesystem::path& folder);

// Shards made elsewhere: the same without a card.
CheckReport check_shards(const ShardSources& sources);

}  // namespace caddie::data
