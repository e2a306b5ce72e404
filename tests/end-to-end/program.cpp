#include "tests/end-to-end/program.hpp"
#include "test_paths.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace caddie::end_to_end {
namespace {

// English-like text with enough repetition that a tiny model learns from it: sentences over a small vocabulary.
std::string corpus() {
  static constexpr const char* subjects[] = {"The cat", "A dog", "The old sailor", "My sister", "The river", "A small bird"};
  static constexpr const char* verbs[] = {"sees", "follows", "remembers", "carries", "finds", "leaves"};
  static constexpr const char* objects[] = {"the harbour", "a stone", "the long road", "an open window", "the winter sun", "a letter"};
  std::string text;
  std::uint32_t state = 12345;
  const auto next = [&](std::uint32_t count) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % count;
  };
  for (int document = 0; document < 600; ++document) {
    for (std::uint32_t sentence = 0; sentence < 4 + next(8); ++sentence) {
      text += fmt::format("{} {} {}. ", subjects[next(6)], verbs[next(6)], objects[next(6)]);
    }
    text += fmt::format("Number {}.\n\n\n", document);
  }
  return text;
}

constexpr const char* kTiny = R"json({
  "extends": ["%STACK%"],
  "name": "tiny",
  "data": { "text": "corpus.txt", "folder": "data", "validation": { "fraction": 0.1 }, "tokenizer": { "vocab": 384 } },
  "model": { "layers": 2, "dim": 32, "heads": 2, "kv_heads": 1, "context": 64 },
  "train": { "batch": 4, "steps": 30, "log_every": 1, "clip": { "norm": 1.0 }, "checkpoint_every": 5 },
  "blocks": {
    "rope": { "dims": 8 },
    "mlp": { "mult": 2 },
    "neftune": { "use": "neftune", "alpha": 2 },
    "zloss": { "use": "z-loss", "weight": 1e-3 },
    "complementary": { "use": "complementary-loss" }
  },
  "optimizers": {
    "matrices": { "use": "muon", "claims": { "role": "matrix" }, "lr": 0.02 },
    "others": { "use": "adamw", "lr": 0.01 }
  },
  "schedule": { "use": "warmdown", "mode": "fraction", "fraction": 0.5 },
  "averagers": { "ema": { "use": "ema", "decay": 0.9 } },
  "loader": { "use": "sequential" },
  "quantize": {
    "matrices": { "use": "int-row", "bits": 6, "claims": { "role": "matrix" } },
    "rest": { "use": "passthrough" },
    "lqer": { "use": "lqer", "rank": 2, "top": 2, "group": 16, "over": ["matrices"] }
  },
  "compress": { "zstd": { "use": "zstd", "level": 3 } },
  "ttt": { "use": "score-first-sgd", "chunk": 1024, "rows": 4, "epochs": 1 },
  "evaluators": { "sliding": { "use": "sliding-window", "stride": 32 } },
  "seed": 7
})json";

const std::string kProgram = CADDIE_BUILD_DIR "/bin/caddie";

std::string content_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace

Workplace::Workplace() {
  static std::atomic<int> counter{0};
  folder_ = std::filesystem::temp_directory_path() / fmt::format("caddie-end-to-end-{}-{}", ::getpid(), counter.fetch_add(1));
  std::filesystem::create_directories(folder_);
  write("corpus.txt", corpus());
  std::string manifest = kTiny;
  const std::string mark = "%STACK%";
  manifest.replace(manifest.find(mark), mark.size(), std::string(CADDIE_SOURCE_DIR) + "/manifests/stacks/transformer.json");
  write("tiny.json", manifest);
}

Workplace::~Workplace() { std::filesystem::remove_all(folder_); }

void Workplace::write(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ / name, std::ios::binary) << text;
}

std::string Workplace::read(const std::filesystem::path& path) const { return content_of(folder_ / path); }

Outcome Workplace::caddie(const std::vector<std::string>& arguments) const { return caddie_killed(arguments, 0, 0); }

Outcome Workplace::caddie_killed(const std::vector<std::string>& arguments, int milliseconds, int signal) const {
  std::vector<std::string> command = {kProgram};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return execute(command, milliseconds, signal);
}

bool has_mpi() {
  return std::filesystem::exists(CADDIE_BUILD_DIR "/lib/caddie/libcaddie_mpi.so") &&
         std::system("command -v mpirun > /dev/null") == 0;
}

Outcome Workplace::caddie_launched(int processes, const std::vector<std::string>& arguments) const {
  return launched_through("", processes, arguments);
}

Outcome Workplace::launched_through(const std::string& wrapper, int processes,
                                    const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {"mpirun", "--oversubscribe", "-n", std::to_string(processes)};
  if (!wrapper.empty()) command.push_back(wrapper);
  command.push_back(kProgram);
  command.insert(command.end(), arguments.begin(), arguments.end());
  return execute(command, 0, 0);
}

Outcome Workplace::execute(const std::vector<std::string>& command, int milliseconds, int signal) const {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::chdir(folder_.c_str()) != 0) ::_exit(127);
    const int out = ::open("stdout.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int err = ::open("stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::setenv("XDG_CACHE_HOME", (folder_ / "cache").c_str(), 1);
    ::setenv("CADDIE_PLUGIN_PATH", plugin_path_.c_str(), 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    std::vector<char*> argv;
    for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execvp(argv.front(), argv.data());
    ::_exit(127);
  }
  if (signal != 0) {
    ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
    ::kill(child, signal);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read("stdout.txt");
  outcome.err = read("stderr.txt");
  return outcome;
}

nlohmann::json Workplace::run(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = {"--json", "-q", "run", "tiny.json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const Outcome outcome = caddie(all);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const nlohmann::json json = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << outcome.out << outcome.err;
  return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace caddie::end_to_end
