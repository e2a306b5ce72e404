// Finished stages by content address: a stage's key is the digest of everything it reads, so two runs that share the key share
// the result. A stage is a folder that appears whole or not at all. Any thread; several processes may share a store.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/result.hpp"

namespace caddie::pipeline {

// SHA-256 over the canonical text of what a stage reads; the name keeps stages of different kinds apart.
std::string stage_key(const std::string& stage, const nlohmann::json& reads);

class StageStore {
 public:
  explicit StageStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path path(const std::string& stage, const std::string& key) const;
  [[nodiscard]] bool has(const std::string& stage, const std::string& key) const;

  // Runs `make` on a fresh temporary folder and puts it in place. When another process was faster, its result stays.
  // `reads` is kept as inputs.json, so that one can see later why a stage was made.
  Result<std::filesystem::path> make(const std::string& stage, const std::string& key, const nlohmann::json& reads,
                                     const std::function<Result<void>(const std::filesystem::path&)>& make) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace caddie::pipeline
