// The layout of abi.h, of the table of operations, and what abidiff says. After the header has grown:
//   ninja -C build/release update_abi      and look at the diff of sdk/abi/layout-1.txt
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/base/file.hpp"
#include "core/graph/ops.hpp"
#include "test_paths.hpp"
#include "tests/plugins/abi/layout_check.hpp"
#include "tests/plugins/abi/toolchain.hpp"

namespace caddie::abi_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kFolder = CADDIE_SOURCE_DIR "/sdk/abi/";

std::string text_of(const std::string& path) {
  const auto text = read_text(path);
  EXPECT_TRUE(text.ok()) << path;
  return text ? *text : "";
}

std::string layout_of_this_build() { return run_command(CADDIE_ABI_LAYOUT).output; }

TEST(AbiLayout, EveryFieldIsWhereTheFileSays) {
  EXPECT_EQ(layout_of_this_build(), text_of(kFolder + "layout-1.txt"))
      << "the header changed; where it only grew: ninja update_abi, and commit the diff";
}

// layout-1.0.txt, layout-1.1.txt, ... are what releases had.
TEST(AbiLayout, NothingThatWasReleasedMoved) {
  int releases = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("layout-1.") || name == "layout-1.txt") continue;
    EXPECT_THAT(broken_promises(text_of(entry.path()), layout_of_this_build()), IsEmpty()) << name;
    ++releases;
  }
  EXPECT_GT(releases, 0);
}

TEST(AbiLayout, EveryCompilerLaysItOutAlike) {
  const Scratch scratch;
  const std::string source = CADDIE_BUILD_DIR "/sdk/abi_layout.c";
  int compared = 0;
  for (const std::string compiler : {"gcc -std=c99 -O0", "gcc -std=c11 -O2", "clang -std=c99", "clang -std=c11 -O3"}) {
    if (!is_installed(compiler.substr(0, compiler.find(' ')))) continue;
    const std::string out = scratch / "layout";
    const Command built =
        run_command(compiler + " -pedantic -Werror -I" CADDIE_SOURCE_DIR "/sdk/include " + source + " -o " + out);
    ASSERT_EQ(built.exit_code, 0) << built.output;
    EXPECT_EQ(run_command(out).output, text_of(kFolder + "layout-1.txt")) << compiler;
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << "neither gcc nor clang is installed";
}

const char* const kOld =
    "struct caddie_a 16\n  struct_size 0 4\n  x 4 4\n  y 8 8\nstruct caddie_str 16\n  data 0 8\n  size 8 8\n"
    "number CADDIE_OK 0\nid CADDIE_BLOCK caddie.block/1\n";

std::vector<std::string> after(const std::string& from, const std::string& to) {
  std::string now = kOld;
  const std::size_t at = now.find(from);
  EXPECT_NE(at, std::string::npos);
  return broken_promises(kOld, now.replace(at, from.size(), to));
}

TEST(AbiLayout, TheRulesFindEveryBreak) {
  EXPECT_THAT(broken_promises(kOld, kOld), IsEmpty());
  EXPECT_THAT(after("struct caddie_a 16\n  struct_size 0 4\n  x 4 4\n  y 8 8\n",
                    "struct caddie_a 24\n  struct_size 0 4\n  x 4 4\n  y 8 8\n  z 16 8\n"),
              IsEmpty());  // growth
  EXPECT_THAT(after("number CADDIE_OK 0\n", "number CADDIE_OK 0\nnumber CADDIE_NEW 7\n"), IsEmpty());
  EXPECT_THAT(after("  x 4 4\n", ""), UnorderedElementsAre("caddie_a.x is gone", "caddie_a.y no longer is field 2"));
  EXPECT_THAT(after("  x 4 4\n  y 8 8\n", "  x 8 4\n  y 8 8\n"), UnorderedElementsAre("caddie_a.x moved from 4 to 8"));
  EXPECT_THAT(after("  y 8 8\n", "  y 8 4\n"), UnorderedElementsAre("caddie_a.y has 4 bytes, it had 8"));
  EXPECT_THAT(after("  y 8 8\n", "  y 8 8\n  z 12 4\n"),
              UnorderedElementsAre("caddie_a.z stands where old readers look"));
  EXPECT_THAT(after("caddie_a 16", "caddie_a 12"), UnorderedElementsAre("caddie_a shrank"));
  EXPECT_THAT(after("caddie_str 16\n  data 0 8\n  size 8 8\n", "caddie_str 24\n  data 0 8\n  size 8 8\n  more 16 8\n"),
              UnorderedElementsAre("caddie_str grew, and it stands inside other structs or in lists"));
  EXPECT_THAT(after("CADDIE_OK 0", "CADDIE_OK 1"), UnorderedElementsAre("CADDIE_OK is 1, it was 0"));
  EXPECT_THAT(after("id CADDIE_BLOCK caddie.block/1\n", ""), UnorderedElementsAre("CADDIE_BLOCK is gone"));
  EXPECT_THAT(after("struct caddie_a 16\n  struct_size 0 4\n  x 4 4\n  y 8 8\n", ""),
              UnorderedElementsAre("struct caddie_a is gone"));
  EXPECT_THAT(after("number", "struct caddie_new 8\n  x 0 8\nnumber"),
              UnorderedElementsAre("caddie_new does not begin with struct_size"));
}

// The header says which structs stand by value in others, or in lists: just those that may not grow.
TEST(AbiLayout, StructsInsideOthersAreAmongTheFixedOnes) {
  const std::string header = text_of(CADDIE_SOURCE_DIR "/sdk/include/caddie/abi.h");
  EXPECT_THAT(header, HasSubstr("  caddie_initialiser initialiser;"));
  EXPECT_THAT(header, HasSubstr("const caddie_tensor_info* tensors"));
  EXPECT_THAT(header, HasSubstr("const caddie_bytes* streams, uint32_t count"));
  EXPECT_THAT(header, HasSubstr("const caddie_attribute* attributes, uint32_t attribute_count"));
  EXPECT_THAT(header, HasSubstr("const caddie_shape* const*"));  // a list of pointers: may grow
}

// ---- operations ----

std::string table_of_operations() {
  std::string text;
#define CADDIE_OP(name, code, inputs, outputs, attributes, kind, meaning) \
  text += #name "\t" #code "\t" inputs "\t" outputs "\t" attributes "\t" #kind "\n";
#include "caddie/ops.def"
#undef CADDIE_OP
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// An old plugin's emit must mean what it meant: inputs may gain optional ones at the end, attributes ones with
// defaults.
bool keeps_meaning(const std::string& before, const std::string& now) {
  const auto old = split(before, '\t');
  const auto fresh = split(now, '\t');
  if (old.size() != 6 || fresh.size() != 6 || old[0] != fresh[0] || old[1] != fresh[1] || old[3] != fresh[3])
    return false;
  const auto grown = [](const std::string& was, const std::string& is, const char* mark) {
    if (!is.starts_with(was)) return false;
    for (const std::string& word : split(is.substr(was.size()), ' ')) {
      if (!word.empty() && word.find(mark) == std::string::npos) return false;
    }
    return is.size() == was.size() || was.empty() || is[was.size()] == ' ';
  };
  return grown(old[2], fresh[2], "?") && grown(old[4], fresh[4], "=");
}

TEST(AbiOperations, NothingThatWasReleasedChangedItsMeaning) {
  std::map<std::string, std::string> now;
  for (const std::string& line : split(table_of_operations(), '\n')) now[line.substr(0, line.find('\t'))] = line;
  int rows = 0;
  for (const std::string& line : split(text_of(kFolder + "ops-1.0.txt"), '\n')) {
    if (line.empty()) continue;
    const std::string name = line.substr(0, line.find('\t'));
    EXPECT_TRUE(keeps_meaning(line, now[name])) << "was: " << line << "\nis:  " << now[name];
    ++rows;
  }
  EXPECT_GT(rows, 60);
}

TEST(AbiOperations, TheRulesFindEveryBreak) {
  const std::string old = "pad\t5\tx\ty\tlow:ints value:float=0\tprimitive";
  EXPECT_TRUE(keeps_meaning(old, old));
  EXPECT_TRUE(keeps_meaning(old, "pad\t5\tx fill?\ty\tlow:ints value:float=0 mode:int=0\tprimitive"));
  for (const char* broken :
       {"", "pad\t6\tx\ty\tlow:ints value:float=0\tprimitive", "pad\t5\ta\ty\tlow:ints value:float=0\tprimitive",
        "pad\t5\tx fill\ty\tlow:ints value:float=0\tprimitive", "pad\t5\tx\ty z\tlow:ints value:float=0\tprimitive",
        "pad\t5\tx\ty\tlow:ints value:float=1\tprimitive", "pad\t5\tx\ty\tlow:ints value:float=0 mode:int\tprimitive",
        "pad\t5\tx\ty\tlow:ints\tprimitive"}) {
    EXPECT_FALSE(keeps_meaning(old, broken)) << broken;
  }
}

// ---- abidiff ----

TEST(Abidiff, FindsNothingButGrowth) {
  for (const char* tool : {"abidiff", "gcc"}) {
    if (!is_installed(tool)) GTEST_SKIP() << tool << " is not installed (Debian: abigail-tools, gcc)";
  }
  const Scratch scratch;
  const std::string library = scratch / "abi_types.so";
  const Command built = run_command("gcc -std=c99 -g -gdwarf-4 -O0 -shared -fPIC -I" CADDIE_SOURCE_DIR
                                    "/sdk/include " CADDIE_ABI_TYPES " -o " +
                                    library);
  ASSERT_EQ(built.exit_code, 0) << built.output;
  const auto diff = [&](const std::string& against) {
    return run_command("abidiff --no-added-syms --suppressions " + kFolder + "growth.suppr " + kFolder +
                       "abi-1.0.abixml " + against);
  };
  const Command same = diff(library);
  EXPECT_EQ(same.exit_code, 0) << same.output;

  // and it does find a break: a field less
  std::string header = text_of(CADDIE_SOURCE_DIR "/sdk/include/caddie/abi.h");
  const std::size_t at = header.find("  uint32_t reads; ");
  ASSERT_NE(at, std::string::npos);
  header.erase(at, header.find('\n', at) - at);
  fs::create_directories(scratch / "caddie");
  ASSERT_TRUE(write_atomically(scratch / "caddie" / "abi.h", header).ok());
  const std::string broken = scratch / "broken.so";
  ASSERT_EQ(run_command("gcc -std=c99 -g -gdwarf-4 -O0 -shared -fPIC -I" + scratch.path().string() +
                        " " CADDIE_ABI_TYPES " -o " + broken)
                .exit_code,
            0);
  EXPECT_NE(diff(broken).exit_code, 0);
}

}  // namespace
}  // namespace caddie::abi_test
