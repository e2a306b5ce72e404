// The token vault: the validation tokens, handed out only after their scores are sealed.
//
// Target j is token j+1. Token 0 is free; token j+1 is free once target j is sealed. The scorer alone may see more, for
// the causal network inside the executor. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/token_stream.hpp"

namespace caddie::score {

class Vault {
 public:
  // `targets` of the stream are to be scored; the stream has at least targets + 1 tokens.
  static Result<Vault> make(const data::TokenStream& stream, std::int64_t targets);

  [[nodiscard]] std::int64_t targets() const { return targets_; }
  // `target` in [0, targets).
  [[nodiscard]] bool is_sealed(std::int64_t target) const { return sealed_[static_cast<std::size_t>(target)]; }
  [[nodiscard]] bool are_sealed(std::int64_t first_target, std::int64_t count) const;
  [[nodiscard]] std::int64_t sealed_count() const { return sealed_count_; }

  // Tokens first .. first+count-1; refused when one of them is a target not sealed yet.
  Result<std::vector<std::int32_t>> read(std::int64_t first_token, std::int64_t count) const;

 private:
  friend class Scorer;
  Vault(const data::TokenStream& stream, std::int64_t targets);
  // For the network: inputs and targets of a window.
  Result<void> window(std::int64_t first, std::span<std::int32_t> tokens, std::span<std::int32_t> targets) const;
  // Marks a target in [0, targets) as sealed; sealing twice is an error.
  Result<void> seal(std::int64_t target);

  const data::TokenStream* stream_;
  std::int64_t targets_;
  std::vector<bool> sealed_;
  std::int64_t sealed_count_ = 0;
};

}  // namespace caddie::score
