#include "core/plugins/library.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/dll/shared_library.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/plugins/call.hpp"
#include "core/plugins/elf.hpp"
#include "core/plugins/tables_check.hpp"

namespace caddie::plugins {
namespace {

constexpr const char* kEntry = "caddie_entry_v1";
constexpr std::string_view kEntryStem = "caddie_entry_v";

Error refuse(const std::filesystem::path& path, std::string text) {
  return {Code::abi, path.string(), std::move(text)};
}

Error at(const std::filesystem::path& path, Error error) {
  error.where = path.string();
  return error;
}

// "caddie_entry_v2" -> 2; nothing for another name.
std::optional<int> entry_major(std::string_view symbol) {
  if (!symbol.starts_with(kEntryStem)) return std::nullopt;
  const std::string_view digits = symbol.substr(kEntryStem.size());
  if (digits.empty() || digits.size() > 4) return std::nullopt;
  int major = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    major = major * 10 + (c - '0');
  }
  return major;
}

Result<void> check_exports(const std::filesystem::path& path, const std::vector<std::string>& symbols) {
  bool has_entry = false;
  int other_major = 0;
  for (const std::string& symbol : symbols) {
    if (const auto major = entry_major(symbol)) {
      has_entry = has_entry || symbol == kEntry;
      other_major = std::max(other_major, *major);
    }
  }
  if (!has_entry) {
    if (other_major > static_cast<int>(CADDIE_ABI_MAJOR)) {
      return refuse(
          path, fmt::format("is made for a newer ABI major: it exports caddie_entry_v{}, this program knows {}; use a "
                            "newer Caddie, or build the plugin with this one's SDK",
                            other_major, kEntry));
    }
    return refuse(path, fmt::format("is no Caddie plugin: it does not export {}", kEntry));
  }
  for (const std::string& symbol : symbols) {
    if (!entry_major(symbol)) {
      return refuse(
          path,
          fmt::format("exports \"{}\" beside {}; a plugin exports its entry alone, or two plugins could mix up their "
                      "functions: build it with caddie_add_plugin, or with -fvisibility=hidden",
                      symbol, kEntry));
    }
  }
  return {};
}

Result<void> inspect_bytes(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  const auto symbols = exported_symbols(bytes);
  if (!symbols) return at(path, symbols.error());
  return check_exports(path, *symbols);
}

// The loader's own words, without the wrapping that Boost puts around them.
std::string loader_text(const std::string& what) {
  constexpr std::string_view mark = "dlerror system message: ";
  const std::size_t begin = what.find(mark);
  if (begin == std::string::npos) return what;
  std::string text = what.substr(begin + mark.size());
  const std::size_t end = text.rfind(')');
  return end == std::string::npos ? text : text.substr(0, end);
}

Error loader_error(const std::filesystem::path& path, const std::string& what) {
  const std::string text = loader_text(what);
  constexpr std::string_view undefined = "undefined symbol: ";
  if (const std::size_t found = text.find(undefined); found != std::string::npos) {
    const std::string rest = text.substr(found + undefined.size());
    return refuse(
        path,
        fmt::format("needs the symbol \"{}\", which neither it nor a library it names has; link the plugin with what "
                    "defines it (-Wl,-z,defs finds this when linking)",
                    rest.substr(0, rest.find_first_of(" ,)"))));
  }
  return refuse(path, fmt::format("cannot be loaded: {}", text));
}

// One opened file. Stays for ever, refused or not: code of it may have run.
struct Opened {
  dev_t device = 0;
  ino_t inode = 0;
  boost::dll::shared_library handle;
  Library library;
  std::optional<Error> refusal;
};

std::vector<std::unique_ptr<Opened>>& opened_files() {
  static auto& files = *new std::vector<std::unique_ptr<Opened>>;  // never destroyed: that would unload
  return files;
}

Result<void> read_tables(Opened& file) {
  Library& library = file.library;
  return call_plugin(library.path.string(), [&](caddie_error* record) -> caddie_code {
    library.entry = file.handle.get<const caddie_entry*()>(kEntry)();
    auto tables = check_entry(library.entry);
    if (!tables) {
      std::snprintf(record->text, sizeof record->text, "%s", tables.error().text.c_str());
      return static_cast<caddie_code>(tables.error().code);
    }
    library.factory = tables->factory;
    library.descriptors = std::move(tables->descriptors);
    library.build_info = library.entry->build_info;
    return CADDIE_OK;
  });
}

}  // namespace

Result<void> inspect_library(const std::filesystem::path& path) {
  const auto bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  return inspect_bytes(path, *bytes);
}

Result<const Library*> load_library(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return Error{Code::io, path.string(), fmt::format("cannot be read: {}", std::strerror(errno))};
  for (const auto& file : opened_files()) {
    if (file->device != info.st_dev || file->inode != info.st_ino) continue;
    if (file->refusal) return *file->refusal;
    return static_cast<const Library*>(&file->library);
  }

  const auto bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  if (auto inspected = inspect_bytes(path, *bytes); !inspected) return inspected.error();

  auto file = std::make_unique<Opened>();
  file->device = info.st_dev;
  file->inode = info.st_ino;
  file->library.path = std::filesystem::absolute(path);
  file->library.digest = sha256_hex(*bytes);
  try {
    // rtld_local is Boost's default and has the value 0 on Linux; it is named to say what is wanted.
    file->handle.load(file->library.path.string(), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception& error) {
    return loader_error(path, error.what());
  }
  if (auto read = read_tables(*file); !read) file->refusal = read.error();
  opened_files().push_back(std::move(file));
  const Opened& kept = *opened_files().back();
  if (kept.refusal) return *kept.refusal;
  return &kept.library;
}

}  // namespace caddie::plugins
