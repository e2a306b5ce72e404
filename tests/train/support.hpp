// A tiny model, its data and its plugins, for tests of training and scoring. Mistakes are thrown as std::runtime_error
// with the host's message. One thread.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/byte_table.hpp"
#include "core/data/token_stream.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/plugins/object.hpp"
#include "core/train/banks.hpp"
#include "core/train/trainer.hpp"

namespace caddie::train::test {

using nlohmann::json;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}
inline void must(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message());
}
// The message of a result that must be an error.
template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "(no error)" : result.error().message();
}

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<graph::Executor> reference();

// A plugin of the build tree or a fixture, over its defaults.
plugins::Object make_plugin(std::string_view interface, std::string_view id, const json& config = json::object(),
                            std::string instance = "");

struct BlockUse {
  std::string id;
  json config = json::object();
  std::string name = "";
};

constexpr int kVocab = 32;

// Two layers of attention and MLP over 8 channels and 32 tokens.
class TinyModel {
 public:
  explicit TinyModel(const std::vector<BlockUse>& more = {});
  [[nodiscard]] const plugins::Model& operator*() const { return *model_; }
  [[nodiscard]] const plugins::Model* operator->() const { return &*model_; }

  // Irregular values for every parameter.
  [[nodiscard]] std::vector<HostTensor> weights(std::uint64_t seed = 1) const;

 private:
  std::vector<plugins::Object> objects_;
  std::optional<plugins::Model> model_;
};

// The logits [T, V] of one row, with these weights, on the reference executor.
std::vector<std::vector<double>> direct_logits(const TinyModel& model, const std::vector<HostTensor>& weights,
                                               const std::vector<std::int32_t>& tokens);
// -log p of each target, from those.
std::vector<double> direct_nll(const TinyModel& model, const std::vector<HostTensor>& weights,
                               const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& targets);

// Tokens in shards on disk.
class Stream {
 public:
  explicit Stream(const std::vector<std::vector<data::TokenId>>& shards);
  [[nodiscard]] const data::TokenStream& operator*() const { return stream_; }
  [[nodiscard]] const data::TokenStream* operator->() const { return &stream_; }

 private:
  TemporaryFolder folder_;
  data::TokenStream stream_;
};

// Tokens in [4, kVocab), the same for the same seed.
std::vector<data::TokenId> random_tokens(std::size_t count, unsigned seed);

// Pieces of one to four bytes, some with a leading space.
data::ByteTable tiny_bytes();

}  // namespace caddie::train::test
