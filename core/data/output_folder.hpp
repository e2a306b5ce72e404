// The folder that prepare writes: when it may be reused, when it must not be touched, how an interrupted one is told from
// a finished one. A file `incomplete` stands in it while files are written; the card comes last. One writer a folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/data/card.hpp"

namespace caddie::data {

// "train_000003.bin"
std::string shard_name(std::string_view prefix, std::size_t index);

// The card when the folder holds a complete result of these settings; nothing when prepare may write there. An error
// when it holds other data and `overwrite` is not set.
Result<std::optional<Card>> find_prepared(const std::filesystem::path& folder, const std::string& settings_digest,
                                          bool overwrite);

// Marks the folder incomplete and removes the card and shards of an earlier result.
Result<void> begin_output(const std::filesystem::path& folder);

// Writes the card and takes the mark away.
Result<void> finish_output(const std::filesystem::path& folder, const Card& card);

}  // namespace caddie::data
