// `caddie plugins new` with an installed Caddie: what it makes builds out of tree, passes its checks and trains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "test_paths.hpp"
#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

namespace fs = std::filesystem;

struct Shell {
  int code = -1;
  std::string text;
};

// A folder with an installation in it, `bin/caddie` and what plugins are made from.
class Installation {
 public:
  Installation() {
    std::string form = (fs::temp_directory_path() / "caddie-new-XXXXXX").string();
    if (::mkdtemp(form.data()) != nullptr) folder_ = form;
    const Shell installed =
        run("cmake --install '" CADDIE_BUILD_DIR "' --prefix '" + (folder_ / "prefix").string() + "'");
    EXPECT_EQ(installed.code, 0) << installed.text;
    Workplace place;  // for its text
    fs::copy_file(place.folder() / "corpus.txt", folder_ / "corpus.txt");
  }
  ~Installation() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;

  [[nodiscard]] const fs::path& folder() const { return folder_; }

  [[nodiscard]] Shell run(const std::string& command) const {
    const fs::path output = folder_ / "output.txt";
    const std::string path = (folder_ / "prefix/bin").string();
    const std::string whole = "cd '" + folder_.string() + "' && export PATH='" + path + "':\"$PATH\" XDG_CACHE_HOME='" +
                              (folder_ / "cache").string() + "' && unset CADDIE_PLUGIN_PATH && ( " + command +
                              " ) > '" + output.string() + "' 2>&1";
    Shell shell;
    const int status = std::system(whole.c_str());
    shell.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    std::ifstream stream(output);
    std::ostringstream text;
    text << stream.rdbuf();
    shell.text = text.str();
    return shell;
  }

 private:
  fs::path folder_;
};

Installation& installation() {
  static Installation made;
  return made;
}

struct Template {
  const char* interface;
  bool c;
  bool train;
};

std::string name_of(const Template& form) { return std::string(form.interface) + (form.c ? "_c" : ""); }

class NewPlugin : public testing::TestWithParam<Template> {};

TEST_P(NewPlugin, BuildsAndPassesItsChecks) {
  const Template form = GetParam();
  const std::string id = std::string("my-") + form.interface + (form.c ? "-c" : "");
  const Shell made =
      installation().run("caddie plugins new " + std::string(form.interface) + " " + id + (form.c ? " --c" : ""));
  ASSERT_EQ(made.code, 0) << made.text;
  const Shell built = installation().run("cd " + id + " && cmake -B build && cmake --build build");
  ASSERT_EQ(built.code, 0) << built.text;
  const Shell checked = installation().run("ctest --test-dir " + id + "/build --output-on-failure");
  EXPECT_EQ(checked.code, 0) << checked.text;
  EXPECT_THAT(checked.text, testing::HasSubstr("100% tests passed, 0 tests failed out of 1"));
  if (!form.train) return;
  // A run of it: trained, squeezed and scored, on text of the test's.
  const Shell ran =
      installation().run("cd " + id +
                         " && caddie --json -q run try.json --set data.text=../corpus.txt --unset data.max_bytes "
                         "--set data.tokenizer.vocab=384 --set train.steps=2 --set data.validation.fraction=0.1 ");
  EXPECT_EQ(ran.code, 0) << ran.text;
  EXPECT_THAT(ran.text, testing::HasSubstr("\"steps\": 2"));
}

INSTANTIATE_TEST_SUITE_P(OfEveryInterface, NewPlugin,
                         testing::Values(Template{"block", false, true}, Template{"block", true, true},
                                         Template{"optimizer", false, true}, Template{"schedule", true, false},
                                         Template{"averager", true, false}, Template{"loader", true, false},
                                         Template{"quantizer", false, false}, Template{"compressor", true, true},
                                         Template{"ttt", true, false}, Template{"evaluator", true, false}),
                         [](const auto& info) { return name_of(info.param); });

// The C++ templates that are not built above compile as well, all in one go.
TEST(NewPlugins, InTheOtherLanguageCompileToo) {
  std::string commands;
  for (const char* interface : {"schedule", "averager", "loader", "compressor", "ttt", "evaluator"}) {
    const std::string id = std::string("all-") + interface;
    commands += "caddie plugins new " + std::string(interface) + " " + id +
                " && c++ -std=c++20 -Wall -Wextra -Werror "
                "-fsyntax-only -Iprefix/include " +
                id + "/" + id + ".cpp && ";
  }
  for (const char* interface : {"optimizer", "quantizer"}) {
    const std::string id = std::string("all-c-") + interface;
    commands += "caddie plugins new " + std::string(interface) + " " + id +
                " --c && cc -std=c99 -Wall -Wextra -Werror "
                "-DCADDIE_BUILD_INFO='\"\"' -fsyntax-only -Iprefix/include " +
                id + "/" + id + ".c && ";
  }
  const Shell compiled = installation().run(commands + "true");
  EXPECT_EQ(compiled.code, 0) << compiled.text;
}

TEST(NewPlugins, BadRequestsAreRefusedWithASentence) {
  const std::pair<const char*, const char*> requests[] = {
      {"block Bad_Id", "is no id"},
      {"block -", "is no id"},
      {"block test", "CMake keeps for itself"},
      {"telepathy my-x", "is no interface with a template"},
  };
  for (const auto& [request, sentence] : requests) {
    const Shell refused = installation().run(std::string("caddie plugins new ") + request);
    EXPECT_EQ(refused.code, 2) << request;
    EXPECT_THAT(refused.text, testing::HasSubstr(sentence)) << request;
  }
  fs::create_directories(installation().folder() / "taken");
  const Shell refused = installation().run("caddie plugins new block taken");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, testing::HasSubstr("exists already"));
  EXPECT_TRUE(fs::is_empty(installation().folder() / "taken"));
}

TEST(NewPlugins, TheBuildTreeSaysThatAnInstallationIsNeeded) {
  const Shell refused = installation().run("'" CADDIE_BUILD_DIR "/bin/caddie' plugins new block my-other");
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.text, testing::HasSubstr("cmake --install"));
}

}  // namespace
}  // namespace caddie::end_to_end
