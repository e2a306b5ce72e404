// Which tensors an optimizer or a quantizer takes, and the rule that every tensor has exactly one owner.
//
// In a manifest: "claims": { "role": "matrix", "name": ["*.attn.*", "*.mlp.*"], "layers": [0, 1], "min_elements": 65537
// }. A tensor is claimed when every key that is given holds and "except" does not name it. "claims": {} and no claims at
// all mean the rest: everything that no other instance claims; at most one instance may ask for the rest, which may also
// have exceptions. Plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::plugins {

// What claims look at; borrowed texts.
struct TensorKey {
  std::string_view name;  // "blocks.7.attn.q.weight"
  std::string_view role;  // "matrix", "embedding", "scalar", "head", "adapter"
  int layer = -1;         // -1 outside the layers
  std::int64_t elements = 0;
};

struct Claims {
  std::vector<std::string> roles;  // any of these; empty: every role
  std::vector<std::string> names;  // globs, any of these; empty: every name
  std::vector<std::string> except;  // globs, none of these
  std::vector<int> layers;         // any of these; empty: everywhere, also outside the layers
  std::int64_t min_elements = 0;
  std::int64_t max_elements = std::numeric_limits<std::int64_t>::max();

  // "role" and "name" are a text or a list, "layers" a number or a list of numbers (a manifest's "8:" is expanded
  // before). null is the same as {}. `where` is for errors: "/quantize/matrices/claims".
  static Result<Claims> from_json(const nlohmann::json& json, const std::string& where);

  // Asks for nothing in particular: takes what no other instance claims, but for its exceptions.
  [[nodiscard]] bool rest() const;
  // Whether the tensor has what is asked for; when rest(), true for every tensor that is no exception.
  [[nodiscard]] bool matches(const TensorKey& tensor) const;
  // For messages: `role "matrix", name "*.attn.*"`; "the rest".
  [[nodiscard]] std::string text() const;
};

struct Claimant {
  std::string instance;  // the manifest's name for it
  Claims claims;
  bool allow_inert = false;  // may take nothing
};

// The owner of each tensor, as an index into `claimants`. One error reports everything that is wrong, naming every
// tensor: tensors that nobody claims or several claim, two instances for the rest, and instances that take nothing.
// `kind` is what the claimants are, for the message: "quantizer".
Result<std::vector<std::size_t>> assign_owners(std::span<const TensorKey> tensors, std::span<const Claimant> claimants,
                                               std::string_view kind);

}  // namespace caddie::plugins
