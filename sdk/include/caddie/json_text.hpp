// JSON texts of single values, for schemas and notes. Numbers are written with the fewest digits that read back the same.
#pragma once

#include <cstdio>
#include <string>

namespace caddie::detail {

inline std::string quoted(const char* text) {
  std::string out = "\"";
  for (const char* c = text; *c != '\0'; ++c) {
    if (*c == '"' || *c == '\\') out += '\\';
    out += *c;
  }
  return out + "\"";
}

inline std::string number_text(double value) {
  char text[40];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    double back = 0;
    if (std::sscanf(text, "%lf", &back) == 1 && back == value) break;
  }
  return text;
}

template <class List>
std::string list_text(const List& list) {
  std::string out = "[";
  for (const auto& entry : list) {
    if (out.size() > 1) out += ", ";
    out += number_text(static_cast<double>(entry));
  }
  return out + "]";
}

}  // namespace caddie::detail
