#include "core/plugins/registry.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "tests/plugins/fixtures.hpp"

namespace caddie::plugins {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::reason_for;
using testing::scan_fixtures;
using testing::scan_options;
using testing::TemporaryFolder;

TEST(Registry, KnowsWhatStandsInAFolder) {
  const TemporaryFolder folder;
  const Registry registry = scan_fixtures(folder, {"good-block", "c-block", "counting-loader", "throwing-raw"});
  EXPECT_THAT(registry.skipped(), IsEmpty());
  EXPECT_THAT(registry.ids("block"), ElementsAre("c-block", "good-block"));
  EXPECT_THAT(registry.ids("loader"), ElementsAre("counting-loader"));
  EXPECT_THAT(registry.ids("schedule"), ElementsAre("throws-create", "throws-load", "throws-query", "throws-save"));
  EXPECT_EQ(registry.all().size(), 7u);

  const Description* plugin = registry.find("block", "good-block");
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(plugin->interface_id, CADDIE_BLOCK);
  EXPECT_EQ(plugin->version, "1.2.3");
  EXPECT_EQ(plugin->summary, "scales the logits");
  EXPECT_EQ(plugin->citation, "nobody 2024");
  EXPECT_EQ(plugin->licence, "MIT");
  EXPECT_EQ(plugin->flags, static_cast<std::uint32_t>(CADDIE_DETERMINISTIC));
  EXPECT_EQ(plugin->reads, static_cast<std::uint32_t>(CADDIE_READS_TIME));
  EXPECT_EQ(plugin->schema["properties"]["factor"]["default"], 2.5);
  EXPECT_THAT(plugin->needs, ElementsAre(CADDIE_HOST_CONFIG, CADDIE_HOST_RANDOM, CADDIE_HOST_GRAPH, CADDIE_HOST_BUILD));
  EXPECT_EQ(plugin->path, folder.path() / "good-block.so");
  EXPECT_EQ(plugin->digest, sha256_hex(*read_bytes(fixture("good-block"))));

  EXPECT_EQ(registry.find("loader", "counting"), registry.find("loader", "counting-loader"));
  EXPECT_EQ(registry.find("block", "counting"), nullptr);
  EXPECT_EQ(registry.find("loader", "good-block"), nullptr);
  EXPECT_EQ(registry.find("block", "good-block "), nullptr);
  const auto library = registry.load(*plugin);
  ASSERT_TRUE(library.ok());
  EXPECT_EQ((*library)->digest, plugin->digest);
}

TEST(Registry, OtherFilesAndMissingFoldersAreSaid) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_atomically(folder.path() / "README", "not a plugin").ok());
  ASSERT_TRUE(write_atomically(folder.path() / "text.so", "not a plugin either").ok());
  fs::create_directory(folder.path() / "folder.so");
  ScanOptions options = scan_options(folder.path());
  options.folders.push_back(folder.path() / "missing");
  options.folders.push_back("plugins");
  const Registry registry = Registry::scan(options);
  EXPECT_THAT(registry.all(), IsEmpty());
  EXPECT_EQ(registry.skipped().size(), 4u);
  EXPECT_THAT(reason_for(registry, folder.path() / "text.so"), HasSubstr("is a text file"));
  EXPECT_THAT(reason_for(registry, folder.path() / "folder.so"), HasSubstr("not a regular file"));
  EXPECT_THAT(reason_for(registry, folder.path() / "missing"), HasSubstr("No such file"));
  EXPECT_THAT(reason_for(registry, "plugins"), HasSubstr("not an absolute path"));
}

TEST(Registry, WhatEverybodyMayWriteIsNotUsed) {
  const TemporaryFolder folder;
  const auto path = folder.add("c-block");
  fs::permissions(path, fs::perms::others_write, fs::perm_options::add);
  EXPECT_THAT(reason_for(Registry::scan(scan_options(folder.path())), path), HasSubstr("chmod o-w"));
  fs::permissions(path, fs::perms::others_write, fs::perm_options::remove);
  fs::permissions(folder.path(), fs::perms::others_write, fs::perm_options::add);
  const Registry registry = Registry::scan(scan_options(folder.path()));
  EXPECT_THAT(registry.all(), IsEmpty());
  EXPECT_THAT(reason_for(registry, folder.path()), HasSubstr("everybody may write to this folder"));
}

TEST(Registry, OfTwoFilesWithOneIdTheFirstWins) {
  const TemporaryFolder first;
  const TemporaryFolder second;
  first.add("variant-none", "one");
  second.add("variant-other-version", "two");
  second.add("variant-none", "copy");
  fs::create_symlink(first.path() / "one.so", second.path() / "zlink.so");
  ScanOptions options = scan_options(first.path());
  options.folders.push_back(second.path());
  const Registry registry = Registry::scan(options);
  ASSERT_EQ(registry.all().size(), 1u);
  EXPECT_EQ(registry.all()[0]->path, first.path() / "one.so");
  EXPECT_EQ(registry.all()[0]->version, "1.0.0");
  const std::string here = sha256_hex(*read_bytes(fixture("variant-other-version")));
  EXPECT_THAT(reason_for(registry, second.path() / "two.so"),
              AllOf(HasSubstr("same id"), HasSubstr(registry.all()[0]->digest), HasSubstr(here), HasSubstr("one.so")));
  EXPECT_THAT(reason_for(registry, second.path() / "copy.so"), HasSubstr("same id"));
  EXPECT_THAT(reason_for(registry, second.path() / "zlink.so"), HasSubstr("is the same file as"));

  std::swap(options.folders[0], options.folders[1]);
  EXPECT_EQ(Registry::scan(options).find("block", "variant")->path, second.path() / "copy.so");
}

TEST(Registry, PluginsThatHarmTheScannerHarmNobodyElse) {
  const TemporaryFolder folder;
  ScanOptions options = scan_options(folder.path());
  for (const char* where : {"entry", "descriptor"}) {
    for (const char* action : {"abort", "exit_0", "exit_3", "crash"})
      folder.add(std::string("hostile-") + where + "-" + action);
  }
  folder.add("c-block");
  folder.add("good-block", "zz-last");
  const Registry registry = Registry::scan(options);
  EXPECT_THAT(registry.ids("block"), ElementsAre("c-block", "good-block"));
  EXPECT_EQ(registry.skipped().size(), 8u);
  for (const std::string where : {"entry", "descriptor"}) {
    const auto reason = [&](const std::string& action) {
      return reason_for(registry, folder.path() / ("hostile-" + where + "-" + action + ".so"));
    };
    EXPECT_THAT(reason("abort"), AllOf(HasSubstr("crashed"), HasSubstr("signal 6")));
    EXPECT_THAT(reason("crash"), AllOf(HasSubstr("crashed"), HasSubstr("signal 11")));
    EXPECT_THAT(reason("exit_0"), HasSubstr("exit code 0"));
    EXPECT_THAT(reason("exit_3"), HasSubstr("exit code 3"));
  }
}

TEST(Registry, PluginsThatHangAreStopped) {
  const TemporaryFolder folder;
  ScanOptions options = scan_options(folder.path());
  options.timeout_seconds = 1;
  folder.add("c-block");
  folder.add("hostile-entry-loop");
  folder.add("hostile-descriptor-close_output");
  const auto begin = std::chrono::steady_clock::now();
  const Registry registry = Registry::scan(options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_THAT(registry.ids("block"), ElementsAre("c-block"));
  for (const char* name : {"hostile-entry-loop.so", "hostile-descriptor-close_output.so"}) {
    EXPECT_THAT(reason_for(registry, folder.path() / name), HasSubstr("did not answer within 1 s"));
  }
  EXPECT_LT(seconds.count(), 15);
}

TEST(Registry, WhatAPluginPrintsIsNoAnswer) {
  const TemporaryFolder folder;
  const Registry registry = scan_fixtures(folder, {"chatty"});
  EXPECT_THAT(registry.skipped(), IsEmpty());
  EXPECT_THAT(registry.ids("schedule"), ElementsAre("hostile"));
}

TEST(Registry, AnAnswerIsBoundedAndChecked) {
  const TemporaryFolder folder;
  const Registry big = scan_fixtures(folder, {"big-description", "c-block"});
  EXPECT_THAT(reason_for(big, folder.path() / "big-description.so"), HasSubstr("more than 1 MiB"));
  EXPECT_THAT(big.ids("block"), ElementsAre("c-block"));

  const auto reason = [&](std::vector<std::string> scanner, double timeout_seconds = 20) {
    ScanOptions options = scan_options(folder.path());
    options.scanner = std::move(scanner);
    options.timeout_seconds = timeout_seconds;
    const Registry registry = Registry::scan(options);
    EXPECT_THAT(registry.all(), IsEmpty());
    return reason_for(registry, folder.path() / "c-block.so");
  };
  EXPECT_THAT(reason({"/bin/true"}), HasSubstr("exit code 0"));
  EXPECT_THAT(reason({"/nonexistent/scanner"}), AllOf(HasSubstr("cannot run the scanner"), HasSubstr("No such file")));
  EXPECT_THAT(reason({"/bin/sh", "-c", "for f in \"$@\"; do echo nonsense; done", "sh"}), HasSubstr("is not JSON"));
  EXPECT_THAT(reason({"/bin/sh", "-c", "for f in \"$@\"; do echo '[]'; done", "sh"}), HasSubstr("no JSON object"));
  EXPECT_THAT(reason({"/bin/sh", "-c", "for f in \"$@\"; do echo '{\"error\": 5}'; done", "sh"}),
              HasSubstr("without a reason"));
  EXPECT_THAT(
      reason({"/bin/sh", "-c",
              "for f in \"$@\"; do echo '{\"digest\": \"0\", \"build_info\": \"\", \"plugins\": []}'; done", "sh"}),
      HasSubstr("changed while it was being scanned"));
  EXPECT_THAT(reason({"/bin/sh", "-c", "yes | tr -d '\\n'"}), HasSubstr("more than 1 MiB"));
  EXPECT_THAT(reason({"/bin/sh", "-c", "sleep 1000"}, 0.3), HasSubstr("did not answer"));
}

TEST(Registry, SchemasAndTextsAreChecked) {
  const TemporaryFolder folder;
  const Registry registry = scan_fixtures(
      folder, {"schema-text", "schema-list", "schema-property", "summary-latin1", "interface-unknown", "entry-null"});
  EXPECT_THAT(registry.all(), IsEmpty());
  const auto reason = [&](const char* name) {
    return reason_for(registry, folder.path() / (std::string(name) + ".so"));
  };
  EXPECT_THAT(reason("schema-text"), HasSubstr("the schema of plugin \"variant\" is not JSON"));
  EXPECT_THAT(reason("schema-list"), HasSubstr("\"type\": \"object\""));
  EXPECT_THAT(reason("schema-property"), AllOf(HasSubstr("property \"a\""), HasSubstr("tensor")));
  EXPECT_THAT(reason("summary-latin1"), HasSubstr("not UTF-8"));
  EXPECT_THAT(reason("interface-unknown"), AllOf(HasSubstr("caddie.telepathy/1"), HasSubstr("does not know")));
  EXPECT_THAT(reason("entry-null"), HasSubstr("returns NULL"));
}

TEST(Registry, WithoutAScannerFilesAreDescribedHere) {
  const TemporaryFolder folder;
  folder.add("c-block");
  folder.add("entry-null");
  ScanOptions options = scan_options(folder.path());
  options.scanner.clear();
  const Registry registry = Registry::scan(options);
  EXPECT_THAT(registry.ids("block"), ElementsAre("c-block"));
  EXPECT_THAT(reason_for(registry, folder.path() / "entry-null.so"), HasSubstr("returns NULL"));
}

TEST(Registry, AnswersAreKept) {
  const TemporaryFolder folder;
  const TemporaryFolder cache;
  ScanOptions options = scan_options(folder.path());
  options.cache_file = cache.path() / "deep" / "plugins.json";
  folder.add("good-block");
  folder.add("c-block");
  folder.add("hostile-entry-abort");
  const Registry cold = Registry::scan(options);
  EXPECT_EQ(cold.all().size(), 2u);

  options.scanner = {"/bin/false"};  // nobody to ask
  const Registry warm = Registry::scan(options);
  EXPECT_THAT(warm.ids("block"), ElementsAre("c-block", "good-block"));
  EXPECT_EQ(warm.find("block", "good-block")->schema, cold.find("block", "good-block")->schema);
  EXPECT_EQ(warm.find("block", "good-block")->path, folder.path() / "good-block.so");
  EXPECT_THAT(reason_for(warm, folder.path() / "hostile-entry-abort.so"),
              HasSubstr("exit code 1"));  // failures are not kept

  fs::rename(folder.path() / "c-block.so", folder.path() / "renamed.so");  // the content counts, not the name
  EXPECT_EQ(Registry::scan(options).find("block", "c-block")->path, folder.path() / "renamed.so");
  folder.add("twin-a", "good-block-2");
  fs::rename(folder.path() / "good-block-2.so", folder.path() / "good-block.so");  // new content under a known name
  const Registry changed = Registry::scan(options);
  EXPECT_EQ(changed.find("block", "good-block"), nullptr);
  EXPECT_THAT(reason_for(changed, folder.path() / "good-block.so"), HasSubstr("exit code 1"));
}

TEST(Registry, AWorthlessCacheIsScannedAnew) {
  const TemporaryFolder folder;
  ScanOptions options = scan_options(folder.path());
  options.cache_file = folder.path() / "cache.json";
  folder.add("c-block");
  ASSERT_EQ(Registry::scan(options).all().size(), 1u);
  const auto good = read_text(options.cache_file);
  ASSERT_TRUE(good.ok());
  nlohmann::json other_id = nlohmann::json::parse(*good);
  (*other_id["plugins"].begin())["plugins"][0]["id"] = "Not An Id";
  nlohmann::json other_digest = nlohmann::json::parse(*good);
  (*other_digest["plugins"].begin())["digest"] = std::string(64, '0');
  nlohmann::json other_format = nlohmann::json::parse(*good);
  other_format["format"] = 999;
  other_format["plugins"] = nlohmann::json::object();
  nlohmann::json number = nlohmann::json::parse(*good);
  *number["plugins"].begin() = 5;
  const std::string texts[] = {"",
                               "{",
                               "[]",
                               "null",
                               "{\"format\": 1}",
                               "{\"format\": 1, \"files\": 3, \"plugins\": []}",
                               "\xFF",
                               good->substr(0, good->size() / 2),
                               other_id.dump(),
                               other_digest.dump(),
                               other_format.dump(),
                               number.dump()};
  for (const std::string& text : texts) {
    ASSERT_TRUE(write_atomically(options.cache_file, text).ok());
    const Registry registry = Registry::scan(options);
    EXPECT_THAT(registry.ids("block"), ElementsAre("c-block")) << text;
    EXPECT_THAT(registry.skipped(), IsEmpty()) << text;
    EXPECT_EQ(nlohmann::json::parse(*read_text(options.cache_file))["plugins"], nlohmann::json::parse(*good)["plugins"])
        << text;
  }
  options.cache_file = folder.path() / "c-block.so" / "cache.json";  // cannot be written
  const Registry registry = Registry::scan(options);
  EXPECT_THAT(registry.ids("block"), ElementsAre("c-block"));
  EXPECT_THAT(reason_for(registry, options.cache_file), HasSubstr("cache could not be written"));
}

TEST(Registry, FilesAreNotReadAgainUntilTheyChange) {
  const TemporaryFolder folder;
  ScanOptions options = scan_options(folder.path());
  options.cache_file = folder.path() / "cache.json";
  const auto path = folder.add("variant-none");
  (void)Registry::scan(options);
  EXPECT_EQ(nlohmann::json::parse(*read_text(options.cache_file))["files"].size(), 0u);  // too fresh to trust its times
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  (void)Registry::scan(options);
  const auto stamps = nlohmann::json::parse(*read_text(options.cache_file))["files"];
  ASSERT_EQ(stamps.size(), 1u);
  EXPECT_EQ((*stamps.begin())["digest"], sha256_hex(*read_bytes(path)));

  std::string bytes = *read_text(path);
  const std::size_t at = bytes.find("does nothing");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 4, "DOES");
  std::FILE* file = std::fopen(path.c_str(), "r+b");  // in place: same inode, same size
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  std::fclose(file);
  EXPECT_EQ(Registry::scan(options).find("block", "variant")->summary, "DOES nothing");
}

TEST(Registry, AFileThatChangedAfterTheScanIsRefused) {
  const TemporaryFolder folder;
  const Registry registry = scan_fixtures(folder, {"variant-none"});
  const Description* plugin = registry.find("block", "variant");
  ASSERT_NE(plugin, nullptr);
  fs::copy_file(fixture("variant-other-version"), plugin->path, fs::copy_options::overwrite_existing);
  const auto library = registry.load(*plugin);
  ASSERT_FALSE(library.ok());
  EXPECT_THAT(library.error().text, AllOf(HasSubstr("not the one that was scanned"), HasSubstr(plugin->digest)));
}

TEST(Registry, AThousandPlugins) {
  const TemporaryFolder folder;
  const TemporaryFolder cache;
  const std::string form = *read_text(fixture("variant-many"));
  const std::size_t at = form.find("id-0000");
  ASSERT_NE(at, std::string::npos);
  for (int i = 0; i < 1000; ++i) {
    char id[16];
    std::snprintf(id, sizeof id, "id-%04d", i);
    std::string bytes = form;
    bytes.replace(at, 7, id);
    std::FILE* file = std::fopen((folder.path() / (std::string(id) + ".so")).c_str(), "wb");
    ASSERT_NE(file, nullptr);
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
  }
  ScanOptions options = scan_options(folder.path());
  options.cache_file = cache.path() / "cache.json";
  const auto timed = [&](const char* what) {
    const auto begin = std::chrono::steady_clock::now();
    const Registry registry = Registry::scan(options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EXPECT_EQ(registry.all().size(), 1000u);
    EXPECT_NE(registry.find("block", "id-0999"), nullptr);
    ::testing::Test::RecordProperty(what, std::to_string(seconds));
    std::printf("1000 plugins, %s: %.3f s\n", what, seconds);
    return seconds;
  };
  EXPECT_LT(timed("cold"), 20);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  (void)timed("hashed");
  EXPECT_LT(timed("cached"), 1);
}

TEST(Registry, NamesOfInterfaces) {
  for (const char* name :
       {"block", "optimizer", "schedule", "averager", "loader", "quantizer", "compressor", "evaluator", "ttt"}) {
    EXPECT_EQ(short_interface(interface_id(name)), name);
  }
  EXPECT_EQ(interface_id("block"), "caddie.block/1.draft");
  EXPECT_EQ(interface_id("blocks"), "");
  EXPECT_EQ(short_interface("caddie.block/2"), "");
  EXPECT_EQ(short_interface("block"), "");
  EXPECT_EQ(short_interface(""), "");
}

TEST(Registry, FoldersOfAnInstallation) {
  const TemporaryFolder prefix;
  fs::create_directories(prefix.path() / "bin");
  fs::create_directories(prefix.path() / "lib" / "caddie" / "plugins");
  fs::create_directories(prefix.path() / "links");
  ASSERT_TRUE(write_atomically(prefix.path() / "bin" / "caddie", "program").ok());
  fs::create_symlink(prefix.path() / "bin" / "caddie", prefix.path() / "links" / "caddie");
  const fs::path installed = fs::canonical(prefix.path()) / "lib" / "caddie" / "plugins";

  ::unsetenv("CADDIE_PLUGIN_PATH");
  EXPECT_THAT(plugin_folders({}, prefix.path() / "bin" / "caddie"), ElementsAre(installed));
  EXPECT_THAT(plugin_folders({}, prefix.path() / "links" / "caddie"), ElementsAre(installed));
  EXPECT_THAT(plugin_folders({}, prefix.path() / "nowhere"), IsEmpty());
  ::setenv("CADDIE_PLUGIN_PATH", ":/one::/two:", 1);
  EXPECT_THAT(plugin_folders({"/mine"}, prefix.path() / "bin" / "caddie"),
              ElementsAre("/mine", "/one", "/two", installed));
  ::unsetenv("CADDIE_PLUGIN_PATH");
}

}  // namespace
}  // namespace caddie::plugins
