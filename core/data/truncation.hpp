// Which part of a validation stream is scored: flat sequences of L targets, what happens to the tail, and which
// sequences a rank takes. Pure functions; any thread. Source: openai/parameter-golf, train_gpt.py (load_validation_tokens,
// eval_val).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace caddie::data {

// truncate: keep whole sequences only, the field's rule; full: score every target.
enum class TailPolicy { truncate, full };

// Number of whole sequences of `length` targets in a stream of `tokens` tokens; the first token is never a target.
constexpr std::int64_t flat_sequences(std::int64_t tokens, std::int64_t length) {
  return length < 1 ? 0 : std::max<std::int64_t>(0, tokens - 1) / length;
}

// Number of tokens that are used: the targets that are scored, and the first token.
constexpr std::int64_t kept_tokens(std::int64_t tokens, std::int64_t length, TailPolicy policy) {
  if (tokens <= 0) return 0;
  return policy == TailPolicy::full ? tokens : flat_sequences(tokens, length) * length + 1;
}

// The half-open range of `sequences` that a rank of `ranks` takes; the ranges cover all, in order.
constexpr std::pair<std::int64_t, std::int64_t> rank_slice(std::int64_t sequences, std::int64_t rank,
                                                           std::int64_t ranks) {
  return {sequences * rank / ranks, sequences * (rank + 1) / ranks};
}

}  // namespace caddie::data
