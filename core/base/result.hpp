// Errors as values. A function that can fail returns Result<T>; the caller looks before it uses.
// Owns its value or its error; no thread state; safe from any thread.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace caddie {

// The kinds of failure. The numbers are those of the plugin ABI (caddie_code) and never change.
enum class Code : int {
  ok = 0,
  argument = 1,     // a value the caller passed is wrong
  state = 2,        // the call is not allowed now
  shape = 3,        // tensor shapes do not fit
  unsupported = 4,  // a valid request that this build or device cannot serve
  memory = 5,
  device = 6,
  io = 7,           // reading or writing failed: permissions, disk full, missing file
  format = 8,       // bytes from outside are not what they should be
  abi = 9,          // a plugin does not fit this program
  cancelled = 10,
  internal = 11,    // a defect of Caddie
};

// What went wrong, where, and what to do, in sentences for people.
struct Error {
  Code code = Code::internal;
  std::string where;  // "manifests/run.json:12:5 /blocks/smear/window", "blocks.7.attn.q.weight", a file
  std::string text;   // what is wrong, then what to do; no trailing newline

  // "where: text", or the text alone.
  [[nodiscard]] std::string message() const { return where.empty() ? text : where + ": " + text; }
};

// A T or an Error. `if (!result) return result.error();` is the house idiom.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : value_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return value_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok().
  [[nodiscard]] T& value() & { return std::get<0>(value_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(value_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(value_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Only when !ok().
  [[nodiscard]] const Error& error() const { return std::get<1>(value_); }

 private:
  std::variant<T, Error> value_;
};

// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace caddie
