// How a check ends early. Inside runner/check alone: check_file (check.hpp) catches both, nothing lets them out.
//
// A check is a small program of many steps, each of which may be its last; as exceptions the steps read as what they
// are. Any thread.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "core/base/result.hpp"

namespace caddie::check {

// The plugin, or a golden file, does not keep a promise: the check failed, with this sentence.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The check does not apply to this plugin, for this reason.
struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class T>
T value_or_fail(Result<T> result) {
  if (!result) throw Failure(result.error().message());
  return std::move(*result);
}

inline void must(const Result<void>& result) {
  if (!result) throw Failure(result.error().message());
}

}  // namespace caddie::check
