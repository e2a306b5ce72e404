#include "runner/pipeline/stage_store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"

namespace caddie::pipeline {

std::string stage_key(const std::string& stage, const nlohmann::json& reads) { return sha256_hex(stage + "\n" + reads.dump()); }

std::filesystem::path StageStore::path(const std::string& stage, const std::string& key) const {
  return folder_ / stage / key.substr(0, 32);
}

bool StageStore::has(const std::string& stage, const std::string& key) const {
  std::error_code code;
  return std::filesystem::exists(path(stage, key) / "inputs.json", code);
}

Result<std::filesystem::path> StageStore::make(const std::string& stage, const std::string& key, const nlohmann::json& reads,
                                               const std::function<Result<void>(const std::filesystem::path&)>& make) const {
  const std::filesystem::path final_path = path(stage, key);
  std::filesystem::path temporary = final_path;
  temporary += fmt::format(".partial-{}", ::getpid());
  std::error_code code;
  std::filesystem::remove_all(temporary, code);
  if (auto made = make_folder(temporary); !made) return made.error();
  auto done = make(temporary);
  if (done) done = write_atomically(temporary / "inputs.json", reads.dump(2) + "\n");
  if (!done) {
    std::filesystem::remove_all(temporary, code);
    return done.error();
  }
  std::filesystem::rename(temporary, final_path, code);
  if (code && has(stage, key)) {  // another process finished the same stage first
    std::filesystem::remove_all(temporary, code);
    return final_path;
  }
  if (code) {
    const std::string reason = code.message();
    std::filesystem::remove_all(temporary, code);
    return Error{Code::io, final_path.string(), fmt::format("cannot put the finished stage in place: {}", reason)};
  }
  return final_path;
}

}  // namespace caddie::pipeline
