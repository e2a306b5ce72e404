#include "core/plugins/library.hpp"

#include <elf.h>
#include <gmock/gmock.h>

#include <cstring>
#include <random>
#include <set>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/plugins/elf.hpp"
#include "core/plugins/tables_check.hpp"
#include "tests/plugins/fixtures.hpp"

namespace caddie::plugins {
namespace {

namespace fs = std::filesystem;

using testing::fixture;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::vector<std::uint8_t> fixture_bytes(std::string_view name) {
  auto bytes = read_bytes(fixture(name));
  EXPECT_TRUE(bytes.ok());
  return bytes ? *bytes : std::vector<std::uint8_t>();
}

std::string refusal(const std::vector<std::uint8_t>& bytes) {
  const auto symbols = exported_symbols(bytes);
  return symbols ? "" : symbols.error().text;
}

TEST(Library, LoadsAPluginAndChecksItsTables) {
  const auto library = load_library(fixture("good-block"));
  ASSERT_TRUE(library.ok()) << library.error().message();
  EXPECT_EQ((*library)->digest, sha256_hex(fixture_bytes("good-block")));
  EXPECT_FALSE((*library)->build_info.empty());
  ASSERT_EQ((*library)->descriptors.size(), 1u);
  EXPECT_STREQ((*library)->descriptors[0]->id, "good-block");
  EXPECT_STREQ((*library)->descriptors[0]->interface_id, CADDIE_BLOCK);
  EXPECT_STREQ((*library)->descriptors[0]->version, "1.2.3");
  EXPECT_EQ((*library)->descriptors[0]->reads, static_cast<std::uint32_t>(CADDIE_READS_TIME));
}

TEST(Library, TheSameFileByAnotherPathIsTheSameLibrary) {
  const TemporaryFolder folder;
  const auto path = folder.add("good-block");
  fs::create_symlink(path, folder.path() / "link.so");
  fs::create_hard_link(path, folder.path() / "hard.so");
  const auto first = load_library(path);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*load_library(folder.path() / "link.so"), *first);
  EXPECT_EQ(*load_library(folder.path() / "hard.so"), *first);
  EXPECT_NE(*load_library(folder.add("good-block", "copy")), *first);
}

TEST(Library, ExportsTheEntryAlone) {
  for (const char* name : {"good-block", "c-block", "twin-a", "counting-loader"}) {
    const auto symbols = exported_symbols(fixture_bytes(name));
    ASSERT_TRUE(symbols.ok()) << name << ": " << symbols.error().text;
    EXPECT_EQ(*symbols, std::vector<std::string>{"caddie_entry_v1"}) << name;
  }
}

TEST(Library, AnEntryOfALaterMajorMayStandBesideOurs) { EXPECT_TRUE(load_library(fixture("both-majors")).ok()); }

TEST(Library, AnEntryThatGrewIsTaken) { EXPECT_TRUE(load_library(fixture("entry-larger")).ok()); }

struct Refused {
  const char* fixture;
  const char* words;
};

TEST(Library, EveryRefusalHasItsOwnSentence) {
  const Refused all[] = {
      {"no-entry", "does not export caddie_entry_v1"},
      {"newer-major", "made for a newer ABI major: it exports caddie_entry_v2"},
      {"extra-export", "exports \"helper_that_leaks_out\""},
      {"undefined-symbol", "needs the symbol \"function_that_nobody_defines\""},
      {"entry-null", "caddie_entry_v1 returns NULL"},
      {"entry-size-0", "struct_size of its caddie_entry at 0"},
      {"entry-size-1", "caddie_entry struct_size 1, less than"},
      {"entry-size-huge", "caddie_entry struct_size 4294967295, which cannot be right"},
      {"no-get-factory", "no get_factory"},
      {"no-build-info", "no build_info"},
      {"no-factory", "has no factory \"caddie.factory/1\""},
      {"factory-size-1", "caddie_factory struct_size 1, less than"},
      {"factory-no-create", "no function create"},
      {"factory-no-descriptor", "no function descriptor"},
      {"factory-empty", "count is 0"},
      {"factory-many", "claims 100000 plugins"},
      {"descriptor-null", "no descriptor 0"},
      {"descriptor-size-0", "struct_size of its caddie_descriptor at 0"},
      {"descriptor-size-1", "caddie_descriptor struct_size 1, less than"},
      {"descriptor-size-huge", "caddie_descriptor struct_size 2147483647, which cannot be right"},
      {"id-null", "has no id (NULL)"},
      {"id-empty", "has an empty id"},
      {"id-bad", "has the id \"Bad_Id\""},
      {"interface-null", "has no interface id (NULL)"},
      {"version-null", "has no version (NULL)"},
      {"version-bad", "has the version \"newest\""},
      {"summary-null", "has no summary (NULL)"},
      {"summary-lines", "a summary of several lines"},
      {"citation-null", "has no citation (NULL)"},
      {"licence-null", "has no licence (NULL)"},
      {"schema-null", "has no schema (NULL)"},
      {"needs-null", "no list of needs (NULL)"},
      {"twice-the-same", "two plugins with the id \"variant\""},
  };
  std::set<std::string> texts;
  for (const Refused& refused : all) {
    const auto library = load_library(fixture(refused.fixture));
    ASSERT_FALSE(library.ok()) << refused.fixture;
    EXPECT_THAT(library.error().text, HasSubstr(refused.words)) << refused.fixture;
    EXPECT_EQ(library.error().where, fixture(refused.fixture).string());
    EXPECT_EQ(library.error().code, Code::abi) << refused.fixture;
    EXPECT_TRUE(texts.insert(library.error().text).second) << "said before: " << library.error().text;
    const auto again = load_library(fixture(refused.fixture));
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().text, library.error().text);
  }
}

TEST(Library, FilesThatAreNoPlugins) {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, std::string_view text) {
    EXPECT_TRUE(write_atomically(folder.path() / name, text).ok());
    const auto library = load_library(folder.path() / name);
    EXPECT_FALSE(library.ok());
    return library.ok() ? "" : library.error().text;
  };
  EXPECT_THAT(write("empty.so", ""), HasSubstr("the file is empty"));
  EXPECT_THAT(write("text.so", "#!/bin/sh\necho hello\n"), HasSubstr("is a text file"));
  EXPECT_THAT(write("zip.so", std::string_view("PK\x03\x04\0\0\xFF\x80", 8)), HasSubstr("is no ELF file"));
  EXPECT_THAT(write("short.so", std::string_view("\x7F"
                                                 "ELF\x02\x01\x01\0",
                                                 8)),
              HasSubstr("ends inside its ELF header"));
  EXPECT_THAT(load_library(folder.path()).error().text, HasSubstr("regular file"));
  EXPECT_EQ(load_library(folder.path() / "missing.so").error().code, Code::io);
}

// The header's fields where readelf finds them.
TEST(Library, FilesForOtherMachines) {
  const auto good = fixture_bytes("c-block");
  const auto changed = [&](std::size_t offset, std::uint8_t low, std::uint8_t high) {
    auto bytes = good;
    bytes[offset] = low;
    if (offset >= 16) bytes[offset + 1] = high;
    return refusal(bytes);
  };
  EXPECT_EQ(refusal(good), "");
  EXPECT_THAT(changed(EI_CLASS, ELFCLASS32, 0), HasSubstr("is no 64-bit file"));
  EXPECT_THAT(changed(EI_DATA, ELFDATA2MSB, 0), HasSubstr("another byte order"));
  EXPECT_THAT(changed(offsetof(Elf64_Ehdr, e_machine), EM_S390, 0), HasSubstr("is built for ELF machine 22"));
  EXPECT_THAT(changed(offsetof(Elf64_Ehdr, e_type), ET_REL, 0), HasSubstr("ELF file of type 1 and no shared library"));
  EXPECT_THAT(changed(offsetof(Elf64_Ehdr, e_phnum), 0, 0), HasSubstr("no usable table of segments"));
  EXPECT_THAT(changed(offsetof(Elf64_Ehdr, e_shnum), 0, 0), HasSubstr("no usable table of sections"));
}

TEST(Library, ATruncatedFileIsRefusedWhereverItEnds) {
  const auto good = fixture_bytes("c-block");
  for (std::size_t size = 0; size < good.size(); size += size < 8192 ? 1 : 61) {
    const std::vector<std::uint8_t> part(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_NE(refusal(part), "") << size;
  }
  const std::vector<std::uint8_t> most(good.begin(), good.end() - 1);
  EXPECT_THAT(refusal(most), HasSubstr("truncated"));
}

// Any answer will do; reading outside of the bytes would not (run with -DCADDIE_SANITIZE=address,undefined).
TEST(Library, DamagedFilesAreReadWithinTheirBounds) {
  const auto good = fixture_bytes("c-block");
  std::mt19937 random(20240117);
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    auto bytes = good;
    const int changes = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < changes; ++i) {
      const std::size_t limit = (i & 1) != 0 ? 4096 : 64;
      bytes[random() % std::min(limit, bytes.size())] = static_cast<std::uint8_t>(random());
    }
    for (std::size_t i = 0; round % 2 == 0 && i < 8 * 64; i += 64) {  // somewhere in the section headers
      bytes[bytes.size() - 1 - random() % std::min<std::size_t>(2048, bytes.size())] =
          static_cast<std::uint8_t>(random());
    }
    refused += exported_symbols(bytes).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 4000);
}

TEST(Library, IdsOfPlugins) {
  for (const char* id : {"a", "smear-gate", "org.example.gate", "x2", "2x"}) EXPECT_TRUE(is_plugin_id(id)) << id;
  for (const char* id : {"", "A", "smear_gate", "-a", "a-", ".a", "a.", "a b", "a/b", "\xC3\xA4"})
    EXPECT_FALSE(is_plugin_id(id)) << id;
  EXPECT_TRUE(is_plugin_id(std::string(64, 'a')));
  EXPECT_FALSE(is_plugin_id(std::string(65, 'a')));
}

TEST(Library, DescriptorsAreConstantAndUnknownIdsAreNotFound) {
  for (const char* name : {"good-block", "c-block"}) {
    const auto library = load_library(fixture(name));
    ASSERT_TRUE(library.ok());
    const caddie_entry* entry = (*library)->entry;
    const caddie_factory* factory = (*library)->factory;
    EXPECT_EQ(entry->get_factory(CADDIE_FACTORY), factory);
    EXPECT_EQ(factory->descriptor(0), (*library)->descriptors[0]);
    EXPECT_EQ(factory->descriptor(1), nullptr);
    EXPECT_EQ(factory->descriptor(UINT32_MAX), nullptr);
    for (const char* id : {"", "caddie.factory", "caddie.factory/1x", "caddie.factory/2", "caddie.factory/1 "}) {
      EXPECT_EQ(entry->get_factory(id), nullptr) << id;
    }
    caddie_object* object = nullptr;
    EXPECT_NE(factory->create(nullptr, "good-blocks", nullptr, &object, nullptr), CADDIE_OK);
    EXPECT_EQ(object, nullptr);
  }
}

}  // namespace
}  // namespace caddie::plugins
