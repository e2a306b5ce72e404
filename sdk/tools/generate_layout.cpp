// Writes a C99 program from the plugin header, so that nothing in it is forgotten:
//   caddie_generate_layout layout abi.h   a program that prints every struct with its size and the offset and size of
//                                         every field, every number and every id
//   caddie_generate_layout types abi.h    a library whose debug information holds every struct, for abidiff
// to the standard output. It reads the header's own style: typedef struct, enum, #define.
#include <cctype>
#include <cstdio>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Struct {
  std::string name;
  std::vector<std::string> fields;
};

struct Header {
  std::vector<Struct> structs;
  std::vector<std::string> numbers;
  std::vector<std::string> ids;
};

std::string without_comments(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "/*") == 0) {
      const std::size_t end = text.find("*/", i + 2);
      i = end == std::string::npos ? text.size() : end + 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The last word before a '[' or the end.
std::string last_word(std::string text) {
  text = text.substr(0, text.find('['));
  std::size_t end = text.size();
  while (end > 0 && !is_word(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && is_word(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

// Pieces between separators outside of brackets.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '{' || c == '(' || c == '[') ++depth;
    if (c == '}' || c == ')' || c == ']') --depth;
    if (c == separator && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::vector<std::string> fields_of(const std::string& body) {
  std::vector<std::string> fields;
  for (const std::string& statement : split(body, ';')) {
    if (last_word(statement).empty()) continue;
    const std::size_t function = statement.find("(*");
    if (function != std::string::npos) {
      const std::string name = statement.substr(function + 2);
      fields.push_back(last_word(name.substr(0, name.find(')'))));
      continue;
    }
    for (const std::string& declared : split(statement, ',')) fields.push_back(last_word(declared));
  }
  return fields;
}

std::string matching(const std::string& text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return text.substr(open + 1, i - open - 1);
  }
  return "";
}

Header read(const std::string& text) {
  Header header;
  const std::string plain = without_comments(text);
  static const std::regex start("(typedef struct (\\w+)|\\benum) \\{");
  for (std::sregex_iterator at(plain.begin(), plain.end(), start), end; at != end; ++at) {
    const std::size_t open = static_cast<std::size_t>(at->position(0) + at->length(0)) - 1;
    const std::string body = matching(plain, open);
    if ((*at)[2].matched) {
      header.structs.push_back({(*at)[2], fields_of(body)});
    } else {
      for (const std::string& entry : split(body, ',')) {
        if (const std::string name = last_word(entry.substr(0, entry.find('='))); !name.empty())
          header.numbers.push_back(name);
      }
    }
  }
  static const std::regex define("#define (CADDIE_\\w+) (\"?)");
  for (std::sregex_iterator at(plain.begin(), plain.end(), define), end; at != end; ++at) {
    const std::string name = (*at)[1];
    if (name == "CADDIE_EXPORT") continue;
    ((*at)[2].length() > 0 ? header.ids : header.numbers).push_back(name);
  }
  return header;
}

void write_layout(const Header& header) {
  std::puts("#include <caddie/abi.h>\n#include <stdio.h>\n");
  std::puts(
      "#define AT(Type, field) \\\n  printf(\"  %s %lu %lu\\n\", #field, (unsigned long)offsetof(Type, field), \\\n"
      "         (unsigned long)sizeof(((Type*)0)->field))\n");
  std::puts("int main(void) {");
  for (const Struct& type : header.structs) {
    std::printf("  printf(\"struct %s %%lu\\n\", (unsigned long)sizeof(%s));\n", type.name.c_str(), type.name.c_str());
    for (const std::string& field : type.fields) std::printf("  AT(%s, %s);\n", type.name.c_str(), field.c_str());
  }
  for (const std::string& number : header.numbers)
    std::printf("  printf(\"number %s %%ld\\n\", (long)%s);\n", number.c_str(), number.c_str());
  for (const std::string& id : header.ids) std::printf("  printf(\"id %s %%s\\n\", %s);\n", id.c_str(), id.c_str());
  std::puts("  return 0;\n}");
}

void write_types(const Header& header) {
  std::puts("#include <caddie/abi.h>\n");
  for (const Struct& type : header.structs) {
    std::printf("CADDIE_EXPORT const %s* uses_%s(void);\nconst %s* uses_%s(void) { return 0; }\n", type.name.c_str(),
                type.name.c_str(), type.name.c_str(), type.name.c_str());
  }
}

}  // namespace

int main(int count, char** values) {
  const std::string what = count == 3 ? values[1] : "";
  std::ifstream file(count == 3 ? values[2] : "");
  if ((what != "layout" && what != "types") || !file) {
    std::fputs("caddie_generate_layout layout|types FILE: FILE is the plugin header abi.h\n", stderr);
    return 2;
  }
  std::stringstream text;
  text << file.rdbuf();
  const Header header = read(text.str());
  if (header.structs.empty()) {
    std::fprintf(stderr, "%s: no struct is found in it\n", values[2]);
    return 1;
  }
  what == "layout" ? write_layout(header) : write_types(header);
  return 0;
}
