// The terminal: colours where people see them, width, and a line that is drawn over. stdout carries results, stderr progress.
// One thread.
#pragma once

#include <string>
#include <string_view>

namespace caddie::cli {

enum class Style { plain, bold, dim, good, bad, warn };

// Colours only on a terminal, never with NO_COLOR or TERM=dumb.
bool colours_on(int descriptor);
std::string styled(std::string_view text, Style style, bool colours);

// Columns of the terminal behind stderr, 80 when it is none.
int terminal_width();
bool is_terminal(int descriptor);

// Characters as they are seen: UTF-8 sequences count one, colour sequences none.
std::size_t visible_width(std::string_view text);
// Padded with blanks on the right, or on the left.
std::string pad_right(std::string text, std::size_t width);
std::string pad_left(std::string text, std::size_t width);
// Broken at blanks into lines of at most `width`, later lines indented.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent);

// Text whose first line begins at column `indent` of 80, and whose other lines are made to.
std::string hanging(std::string_view text, std::size_t indent);

// "4m07s", "12.3 s".
std::string duration(double seconds);

}  // namespace caddie::cli
