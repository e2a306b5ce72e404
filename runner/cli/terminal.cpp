#include "runner/cli/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace caddie::cli {

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

bool colours_on(int descriptor) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  if (terminal != nullptr && std::strcmp(terminal, "dumb") == 0) return false;
  return is_terminal(descriptor);
}

std::string styled(std::string_view text, Style style, bool colours) {
  static constexpr const char* codes[] = {"", "1", "2", "32", "31", "33"};
  const char* code = codes[static_cast<int>(style)];
  if (!colours || *code == '\0') return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::size_t visible_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0u) != 0x80u) {
      ++width;
    }
  }
  return width;
}

std::string pad_right(std::string text, std::size_t width) {
  const std::size_t seen = visible_width(text);
  if (seen < width) text.append(width - seen, ' ');
  return text;
}

std::string pad_left(std::string text, std::size_t width) {
  const std::size_t seen = visible_width(text);
  return seen < width ? std::string(width - seen, ' ') + text : text;
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    if (column > 0 && column + 1 + visible_width(word) > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += visible_width(word);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

std::string hanging(std::string_view text, std::size_t indent) {
  std::string out;
  for (const char c : wrap(text, 80 - indent, 0)) {
    out += c;
    if (c == '\n') out.append(indent, ' ');
  }
  return out;
}

std::string duration(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

}  // namespace caddie::cli
