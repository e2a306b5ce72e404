// Runs the program `caddie` in a folder of its own.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace caddie::end_to_end {

struct Outcome {
  int exit_code = 0;  // 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

// A temporary folder with a small corpus and a tiny manifest, tiny.json; removed at the end.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  void write(const std::string& name, const std::string& text) const;
  [[nodiscard]] std::string read(const std::filesystem::path& path) const;

  // CADDIE_PLUGIN_PATH of the programs run from now on; empty at first.
  void plugin_path(const std::filesystem::path& folder) { plugin_path_ = folder; }

  // Runs `caddie arguments...` here and waits.
  [[nodiscard]] Outcome caddie(const std::vector<std::string>& arguments) const;
  // The same, but the process gets SIGKILL after so many milliseconds.
  [[nodiscard]] Outcome caddie_killed(const std::vector<std::string>& arguments, int milliseconds, int signal) const;
  // Several processes of it, started by mpirun.
  [[nodiscard]] Outcome caddie_launched(int processes, const std::vector<std::string>& arguments) const;
  // The same with a program between, which is given the command.
  [[nodiscard]] Outcome launched_through(const std::string& wrapper, int processes,
                                         const std::vector<std::string>& arguments) const;
  // `caddie run ... --json -q`, parsed; fails the test when the program fails.
  [[nodiscard]] nlohmann::json run(const std::vector<std::string>& arguments) const;

 private:
  [[nodiscard]] Outcome execute(const std::vector<std::string>& command, int milliseconds, int signal) const;
  std::filesystem::path folder_;
  std::filesystem::path plugin_path_;
};

// Is mpirun there, and was Caddie built with MPI?
bool has_mpi();

}  // namespace caddie::end_to_end
