#include "core/score/vault.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caddie::score {

Vault::Vault(const data::TokenStream& stream, std::int64_t targets)
    : stream_(&stream), targets_(targets), sealed_(static_cast<std::size_t>(targets), false) {}

Result<Vault> Vault::make(const data::TokenStream& stream, std::int64_t targets) {
  if (targets < 1 || targets > stream.size() - 1) {
    return Error{Code::argument, "validation",
                 fmt::format("{} targets are to be scored, the stream of {} tokens has {}", targets, stream.size(),
                             std::max<std::int64_t>(stream.size() - 1, 0))};
  }
  return Vault(stream, targets);
}

bool Vault::are_sealed(std::int64_t first_target, std::int64_t count) const {
  if (first_target < 0 || count < 0 || first_target > targets_ - count) return false;
  const auto begin = sealed_.begin() + first_target;
  return std::all_of(begin, begin + count, [](bool sealed) { return sealed; });
}

Result<std::vector<std::int32_t>> Vault::read(std::int64_t first_token, std::int64_t count) const {
  const bool inside =
      first_token >= 0 && count >= 0 && first_token <= targets_ + 1 && count <= targets_ + 1 - first_token;
  if (!inside) {
    return Error{Code::argument, "validation",
                 fmt::format("{} tokens from token {} were asked for, there are {}", count, first_token, targets_ + 1)};
  }
  // Token 0 is free; token i is target i-1.
  const std::int64_t first_target = std::max<std::int64_t>(first_token - 1, 0);
  const std::int64_t end_target = std::max(first_token + count - 1, first_target);
  if (!are_sealed(first_target, end_target - first_target)) {
    return Error{Code::state, "validation",
                 fmt::format("tokens {} to {} were asked for before all of them were scored", first_token,
                             first_token + count - 1)};
  }
  const auto tokens = stream_->copy(first_token, count);
  if (!tokens) return tokens.error();
  return std::vector<std::int32_t>(tokens->begin(), tokens->end());
}

Result<void> Vault::window(std::int64_t first, std::span<std::int32_t> tokens, std::span<std::int32_t> targets) const {
  const auto copy = stream_->copy(first, static_cast<std::int64_t>(tokens.size()) + 1);
  if (!copy) return copy.error();
  std::copy(copy->begin(), copy->end() - 1, tokens.begin());
  std::copy(copy->begin() + 1, copy->end(), targets.begin());
  return {};
}

Result<void> Vault::seal(std::int64_t target) {
  if (is_sealed(target)) return Error{Code::internal, "validation", fmt::format("target {} was scored twice", target)};
  sealed_[static_cast<std::size_t>(target)] = true;
  ++sealed_count_;
  return {};
}

}  // namespace caddie::score
