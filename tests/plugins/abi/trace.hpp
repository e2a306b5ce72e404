// What a plugin file does, as numbers: the nine plugins of nine.c through training, averaging, an artifact and an
// evaluation with test-time training. Two builds of one source must leave the same trace, bit by bit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/plugins/object.hpp"

namespace caddie::abi_test {

struct Trace {
  std::vector<double> losses;          // of 20 steps
  std::vector<float> weights;          // averaged, behind one another
  std::vector<std::uint8_t> artifact;  // the streams, packed
  std::vector<std::uint8_t> state;     // of the loader
  double nll = 0;                      // of the evaluation, in nats for a token
  std::uint64_t adaptations = 0;
  std::string build_info;
  friend bool operator==(const Trace& a, const Trace& b) {
    return a.losses == b.losses && a.weights == b.weights && a.artifact == b.artifact && a.state == b.state &&
           a.nll == b.nll && a.adaptations == b.adaptations;
  }
};

// Throws what the host says. The file is copied first, so that every call loads it anew.
Trace trace_of(const std::filesystem::path& file);

// 20 steps of the tiny model with a block and an optimizer of these files: the losses.
std::vector<double> losses_of(const std::filesystem::path& block_file, const std::string& block,
                              const std::filesystem::path& optimizer_file, const std::string& optimizer);

// The registry of copies of these files alone, described by the scanner child.
class Files {
 public:
  explicit Files(const std::vector<std::filesystem::path>& files);
  ~Files();
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  [[nodiscard]] const plugins::Registry& registry() const { return registry_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  // Over its defaults; throws what the host says.
  [[nodiscard]] plugins::Object make(const std::string& interface, const std::string& id,
                                     const nlohmann::json& config = nlohmann::json::object()) const;

 private:
  std::filesystem::path folder_;
  plugins::Registry registry_;
};

}  // namespace caddie::abi_test
