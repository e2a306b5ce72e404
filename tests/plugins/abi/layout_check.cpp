#include "tests/plugins/abi/layout_check.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace caddie::abi_test {
namespace {

struct Field {
  std::string name;
  long offset = 0;
  long size = 0;
};

struct Struct {
  long size = 0;
  std::vector<Field> fields;
};

struct Layout {
  std::map<std::string, Struct> structs;
  std::map<std::string, std::string> named;  // numbers and ids
};

// Without struct_size, inside other structs, or handed over as lists: their readers cannot know another size.
const std::set<std::string> kFixed = {"caddie_str", "caddie_attribute", "caddie_initialiser", "caddie_bytes",
                                      "caddie_tensor_info"};
// They tell how new a header is.
const std::set<std::string> kFree = {"CADDIE_ABI_MINOR"};

Layout read(const std::string& text) {
  Layout layout;
  std::istringstream lines(text);
  std::string line;
  Struct* open = nullptr;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind, name, value;
    words >> kind >> name >> value;
    if (kind == "struct") {
      open = &layout.structs[name];
      open->size = std::stol(value);
    } else if (kind == "number" || kind == "id") {
      layout.named[name] = value;
    } else if (open != nullptr && !value.empty()) {
      open->fields.push_back({kind, std::stol(name), std::stol(value)});
    }
  }
  return layout;
}

void compare(const std::string& name, const Struct& before, const Struct& now, std::vector<std::string>& broken) {
  for (std::size_t i = 0; i < before.fields.size(); ++i) {
    const Field& old = before.fields[i];
    const auto found = std::ranges::find(now.fields, old.name, &Field::name);
    if (found == now.fields.end()) {
      broken.push_back(name + "." + old.name + " is gone");
    } else if (found->offset != old.offset) {
      broken.push_back(name + "." + old.name + " moved from " + std::to_string(old.offset) + " to " +
                       std::to_string(found->offset));
    } else if (found->size != old.size) {
      broken.push_back(name + "." + old.name + " has " + std::to_string(found->size) + " bytes, it had " +
                       std::to_string(old.size));
    } else if (static_cast<std::size_t>(found - now.fields.begin()) != i) {
      broken.push_back(name + "." + old.name + " no longer is field " + std::to_string(i));
    }
  }
  if (now.size < before.size) broken.push_back(name + " shrank");
  for (const Field& field : now.fields) {
    const bool is_new = std::ranges::find(before.fields, field.name, &Field::name) == before.fields.end();
    if (is_new && field.offset < before.size)
      broken.push_back(name + "." + field.name + " stands where old readers look");
  }
  if (kFixed.contains(name) && now.size != before.size)
    broken.push_back(name + " grew, and it stands inside other structs or in lists");
}

}  // namespace

std::vector<std::string> broken_promises(const std::string& before, const std::string& now) {
  const Layout old = read(before);
  const Layout fresh = read(now);
  std::vector<std::string> broken;
  for (const auto& [name, type] : old.structs) {
    const auto found = fresh.structs.find(name);
    if (found == fresh.structs.end()) {
      broken.push_back("struct " + name + " is gone");
    } else {
      compare(name, type, found->second, broken);
    }
  }
  for (const auto& [name, value] : old.named) {
    if (kFree.contains(name)) continue;
    const auto found = fresh.named.find(name);
    if (found == fresh.named.end()) {
      broken.push_back(name + " is gone");
    } else if (found->second != value) {
      broken.push_back(name + " is " + found->second + ", it was " + value);
    }
  }
  for (const auto& [name, type] : fresh.structs) {
    const bool has_size = !type.fields.empty() && type.fields[0].name == "struct_size" && type.fields[0].offset == 0;
    if (!has_size && !kFixed.contains(name)) broken.push_back(name + " does not begin with struct_size");
  }
  return broken;
}

}  // namespace caddie::abi_test
