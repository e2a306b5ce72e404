#include "core/plugins/elf.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>

namespace caddie::plugins {
namespace {

static_assert(sizeof(void*) == 8 && std::endian::native == std::endian::little,
              "plugins are 64-bit little-endian ELF files");

#if defined(__x86_64__)
constexpr int kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr int kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr int kMachine = EM_RISCV;
#elif defined(__powerpc64__)
constexpr int kMachine = EM_PPC64;
#else
#error "name this machine's ELF number here"
#endif

std::string machine_name(int machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "aarch64";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "PowerPC 64";
    case EM_386: return "x86 (32 bits)";
    case EM_ARM: return "ARM (32 bits)";
    default: return fmt::format("ELF machine {}", machine);
  }
}

Error refuse(Code code, std::string text) { return {code, "", std::move(text)}; }

// Bounds-checked views of the file.
struct Bytes {
  std::span<const std::uint8_t> data;

  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t size) const {
    return offset <= data.size() && size <= data.size() - offset;
  }
  // Only for ranges that hold() confirmed.
  template <class T>
  [[nodiscard]] T at(std::uint64_t offset) const {
    T value;
    std::memcpy(&value, data.data() + offset, sizeof value);
    return value;
  }
};

bool looks_like_text(std::span<const std::uint8_t> file) {
  return std::ranges::all_of(file.first(std::min<std::size_t>(file.size(), 512)), [](std::uint8_t c) {
    return (c >= 0x20 && c != 0x7F) || c == '\n' || c == '\r' || c == '\t';
  });
}

Result<Elf64_Ehdr> read_header(const Bytes& file) {
  if (file.data.empty()) return refuse(Code::format, "the file is empty");
  if (file.data.size() < SELFMAG || std::memcmp(file.data.data(), ELFMAG, SELFMAG) != 0) {
    if (looks_like_text(file.data))
      return refuse(Code::format, "is a text file and no plugin; give the built .so file");
    return refuse(Code::format, "is no ELF file; a plugin is a shared library");
  }
  if (file.data.size() < sizeof(Elf64_Ehdr)) return refuse(Code::format, "is truncated: it ends inside its ELF header");
  const auto header = file.at<Elf64_Ehdr>(0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64) {
    return refuse(Code::abi,
                  fmt::format("is no 64-bit file, this program runs on {}; build the plugin for this machine",
                              machine_name(kMachine)));
  }
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return refuse(Code::abi, "has another byte order than this machine; build the plugin for this machine");
  }
  if (header.e_machine != kMachine) {
    return refuse(Code::abi, fmt::format("is built for {}, this program runs on {}; build the plugin for this machine",
                                         machine_name(header.e_machine), machine_name(kMachine)));
  }
  if (header.e_type != ET_DYN) {
    return refuse(Code::format,
                  fmt::format("is an ELF file of type {} and no shared library; link it with -shared", header.e_type));
  }
  return header;
}

Error truncated(const Bytes& file, std::string_view what, std::uint64_t offset, std::uint64_t size) {
  return refuse(Code::format,
                fmt::format("is truncated or damaged: its {} should lie at byte {} with {} bytes, the file has {}",
                            what, offset, size, file.data.size()));
}

// What the loader maps must be in the file: touching mapped pages behind its end would kill the process.
Result<void> check_segments(const Bytes& file, const Elf64_Ehdr& header) {
  const std::uint64_t size = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  if (header.e_phnum == 0 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return refuse(Code::format, "is damaged: it has no usable table of segments");
  }
  if (!file.holds(header.e_phoff, size)) return truncated(file, "table of segments", header.e_phoff, size);
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = file.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC) continue;
    if (!file.holds(segment.p_offset, segment.p_filesz)) {
      return truncated(file, "segment", segment.p_offset, segment.p_filesz);
    }
  }
  return {};
}

Result<Elf64_Shdr> section_at(const Bytes& file, const Elf64_Ehdr& header, std::uint64_t index) {
  const auto section = file.at<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr));
  if (section.sh_type != SHT_NOBITS && !file.holds(section.sh_offset, section.sh_size)) {
    return truncated(file, "section", section.sh_offset, section.sh_size);
  }
  return section;
}

struct SymbolTable {
  Elf64_Shdr symbols{};
  Elf64_Shdr names{};
};

Result<SymbolTable> find_symbols(const Bytes& file, const Elf64_Ehdr& header) {
  const std::uint64_t size = std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
  if (header.e_shnum == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) {
    return refuse(Code::format,
                  "has no usable table of sections, so its exports cannot be checked; do not strip section headers");
  }
  if (!file.holds(header.e_shoff, size)) return truncated(file, "table of sections", header.e_shoff, size);
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = section_at(file, header, i);
    if (!section) return section.error();
    if (section->sh_type != SHT_DYNSYM) continue;
    if (section->sh_entsize != sizeof(Elf64_Sym) || section->sh_link >= header.e_shnum) {
      return refuse(Code::format, "is damaged: its table of dynamic symbols makes no sense");
    }
    const auto names = section_at(file, header, section->sh_link);
    if (!names) return names.error();
    if (names->sh_type != SHT_STRTAB) {
      return refuse(Code::format, "is damaged: the names of its dynamic symbols are missing");
    }
    return SymbolTable{*section, *names};
  }
  return refuse(Code::format, "has no dynamic symbols; link it with -shared");
}

// Symbols that old and new linkers export without being asked.
bool made_by_linker(std::string_view name) {
  constexpr std::array<std::string_view, 6> names{"_init", "_fini", "_edata", "_end", "__bss_start", "_ftext"};
  return std::ranges::find(names, name) != names.end();
}

bool is_export(const Elf64_Sym& symbol) {
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
  return symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS &&  // absolute: names of symbol versions
         (binding == STB_GLOBAL || binding == STB_WEAK || binding == STB_GNU_UNIQUE) &&
         (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

}  // namespace

Result<std::vector<std::string>> exported_symbols(std::span<const std::uint8_t> bytes) {
  const Bytes file{bytes};
  const auto header = read_header(file);
  if (!header) return header.error();
  if (auto checked = check_segments(file, *header); !checked) return checked.error();
  const auto table = find_symbols(file, *header);
  if (!table) return table.error();

  std::vector<std::string> names;
  const auto* text = reinterpret_cast<const char*>(bytes.data() + table->names.sh_offset);
  for (std::uint64_t i = 0; i < table->symbols.sh_size / sizeof(Elf64_Sym); ++i) {
    const auto symbol = file.at<Elf64_Sym>(table->symbols.sh_offset + i * sizeof(Elf64_Sym));
    if (!is_export(symbol)) continue;
    if (symbol.st_name >= table->names.sh_size) {
      return refuse(Code::format, "is damaged: a dynamic symbol has no name");
    }
    const char* begin = text + symbol.st_name;
    const std::string name(begin, strnlen(begin, table->names.sh_size - symbol.st_name));
    if (!name.empty() && !made_by_linker(name)) names.push_back(name);
  }
  return names;
}

}  // namespace caddie::plugins
