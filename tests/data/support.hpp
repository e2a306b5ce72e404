// Shared by the data tests: a folder that goes away, small corpora, and expectations about errors.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file.hpp"
#include "core/data/prepare.hpp"
#include "test_paths.hpp"

namespace caddie::data::test {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int counter = 0;
    path_ = fs::temp_directory_path() / fmt::format("caddie-data-test-{}-{}", ::getpid(), counter++);
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  // Writes a file in the folder and gives its path.
  fs::path write(const std::string& name, std::string_view content) const {
    const auto done = write_atomically(path_ / name, content);
    EXPECT_TRUE(done.ok());
    return path_ / name;
  }

 private:
  fs::path path_;
};

inline std::string gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())) + 64, '\0');
  std::string input(text);
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// Documents of made-up words, some with accents, digits, other scripts and odd spaces.
inline std::vector<std::string> make_documents(int count, unsigned seed) {
  static const std::vector<std::string> words = {
      "the",   "caddie", "carries", "a",     "bag",  "of",     "clubs", "and",  "counts", "every", "stroke",
      "on",    "green",  "fairway", "bunker", "été", "naïve",  "2024",  "18",   "3.14",   "世界",  "putt",
      "birdie", "eagle", "links",   "Ωmega", "😀",   "\tthen", "\n\nso", "  (in", "rough)", "—",   "½"};
  std::mt19937 random(seed);
  std::vector<std::string> documents;
  for (int i = 0; i < count; ++i) {
    std::string text = fmt::format("Hole {}:", i);
    const auto length = 5 + random() % 60;
    for (auto k = length; k > 0; --k) text += " " + words[random() % words.size()];
    documents.push_back(text + ".\n");
  }
  return documents;
}

inline std::string join_documents(const std::vector<std::string>& documents) {
  std::string text;
  for (const std::string& document : documents) text += document + "\n\n\n";
  return text;
}

// Small and quick settings over a text file.
inline PrepareSettings small_settings(const fs::path& source) {
  PrepareSettings settings;
  settings.source = source;
  settings.vocab_size = 400;
  settings.selection.validation_fraction = 0.1;
  settings.shard_tokens = 4000;
  return settings;
}

// A file of the test data that users of the project do not have; nothing when it is absent.
inline std::optional<fs::path> optional_test_data(const std::string& name) {
  const char* folder = std::getenv("CADDIE_TEST_DATA");
  const fs::path path = (folder != nullptr ? fs::path(folder) : fs::path(CADDIE_SOURCE_DIR) / "../shared/data") / name;
  std::error_code code;
  return fs::exists(path, code) ? std::optional(path) : std::nullopt;
}

// Runs the call with stderr redirected and returns what was written there.
template <class Call>
std::string stderr_of(Call&& call) {
  testing::internal::CaptureStderr();
  call();
  return testing::internal::GetCapturedStderr();
}

}  // namespace caddie::data::test

// The result is an error whose message has the part.
#define EXPECT_ERROR(result, part)                                                                       \
  do {                                                                                                   \
    const auto& result_ = (result);                                                                      \
    ASSERT_FALSE(result_.ok());                                                                          \
    EXPECT_NE(result_.error().message().find(part), std::string::npos) << result_.error().message();     \
  } while (false)
