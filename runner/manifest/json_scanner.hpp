// The lowest layer of the JSON reader: characters with their line and column, comments, strings and numbers.
// A Scanner borrows its text, belongs to one thread, and stops at its first failure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace caddie::manifest {

class Scanner {
 public:
  struct Mark {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
  };
  struct Failure {
    Mark mark;
    std::string message;
  };

  explicit Scanner(std::string_view text);

  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  // The next byte, or NUL at the end.
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }
  [[nodiscard]] Mark mark() const { return mark_; }
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }

  // Takes one character of the text (a whole UTF-8 sequence, or one byte where it is none).
  void advance();
  // Takes `wanted` if it comes next.
  bool take(char wanted);
  // Takes the word if it comes next and no letter or digit follows.
  bool take_word(std::string_view word);
  // Skips blanks and comments; false when a comment does not end.
  bool skip_blanks();
  // A string, from its opening quote on.
  bool read_string(std::string& out);
  // A number by the grammar of RFC 8259.
  bool read_number(nlohmann::json& out);
  // The next character for messages: 'x', the end of the file, or a byte in hexadecimal.
  [[nodiscard]] std::string describe_next() const;

  // Records the first failure; always false.
  bool fail(Mark mark, std::string message);

 private:
  bool skip_comment();
  bool read_escape(std::string& out);
  bool read_unicode_escape(Mark start, std::string& out);
  bool read_hex(Mark start, std::uint32_t& out);
  bool read_utf8(std::string& out);
  void take_digits();

  std::string_view text_;
  std::size_t at_ = 0;
  Mark mark_;
  std::optional<Failure> failure_;
};

// Whether the bytes are UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view bytes);

}  // namespace caddie::manifest
