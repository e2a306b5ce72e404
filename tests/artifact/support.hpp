// Real plugins and a small model for the tests of artifacts. One thread.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/artifact/artifact.hpp"
#include "test_paths.hpp"

namespace caddie::artifact::test {

inline const plugins::Registry& registry() {
  static const plugins::Registry all =
      plugins::Registry::scan({.folders = {std::string(CADDIE_BUILD_DIR) + "/lib/caddie/plugins", CADDIE_BUILD_DIR "/tests/artifact/fixtures"},
                               .cache_file = {},
                               .scanner = {}});
  return all;
}

inline const plugins::Host& host() {
  static const plugins::Host one(1);
  return one;
}

inline Decoders decoders() { return {&registry(), &host(), {}}; }

// The plugin's defaults with `config` over them.
inline nlohmann::json with_defaults(const plugins::Description& description, const nlohmann::json& config) {
  nlohmann::json full = nlohmann::json::object();
  for (const auto& [key, property] : description.schema.at("properties").items()) full[key] = property.at("default");
  if (!config.is_null()) full.update(config);
  return full;
}

// The objects of a test, which outlive the entries made from them.
class Bench {
 public:
  const plugins::Object& make(const char* interface, const char* id, const std::string& instance,
                              nlohmann::json& config) {
    const plugins::Description* description = registry().find(interface, id);
    if (description == nullptr) throw std::runtime_error(std::string("no plugin ") + id);
    config = with_defaults(*description, config);
    auto object = plugins::Object::create(registry(), interface, id, instance, config, host());
    if (!object) throw std::runtime_error(object.error().message());
    objects_.push_back(std::move(*object));
    return objects_.back();
  }

  QuantizerEntry& quantizer(const char* id, const std::string& instance, nlohmann::json config,
                            const char* claims = "{}") {
    QuantizerEntry entry;
    entry.object = &make("quantizer", id, instance, config);
    entry.config = std::move(config);
    entry.claims = plugins::Claims::from_json(nlohmann::json::parse(claims), instance).value();
    quantizers.push_back(std::move(entry));
    return quantizers.back();
  }

  CompressorEntry& compressor(const char* id, const std::string& instance, nlohmann::json config,
                              std::vector<std::string> streams = {}) {
    CompressorEntry entry;
    entry.object = &make("compressor", id, instance, config);
    entry.config = std::move(config);
    entry.streams = std::move(streams);
    compressors.push_back(std::move(entry));
    return compressors.back();
  }

  std::vector<QuantizerEntry> quantizers;
  std::vector<CompressorEntry> compressors;

 private:
  std::deque<plugins::Object> objects_;
};

inline NamedTensor tensor(std::string name, std::string role, int layer, graph::Shape shape, int salt) {
  NamedTensor out{{std::move(name), std::move(role), layer, shape}, {}};
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    out.data.push_back(static_cast<float>(0.7 * std::sin(1.7 * static_cast<double>(i) + 0.9 * salt + 0.3)));
  }
  return out;
}

// Two layers, a table, gains, a scalar: 13 tensors.
inline std::vector<NamedTensor> small_model() {
  std::vector<NamedTensor> weights;
  weights.push_back(tensor("embed.weight", "embedding", -1, {40, 16}, 1));
  for (int layer = 0; layer < 2; ++layer) {
    const std::string at = "blocks." + std::to_string(layer) + ".";
    weights.push_back(tensor(at + "attn.q.weight", "matrix", layer, {16, 16}, 2 + layer));
    weights.push_back(tensor(at + "attn.proj.weight", "matrix", layer, {16, 16}, 4 + layer));
    weights.push_back(tensor(at + "mlp.up.weight", "matrix", layer, {64, 16}, 6 + layer));
    weights.push_back(tensor(at + "mlp.down.weight", "matrix", layer, {16, 64}, 8 + layer));
    weights.push_back(tensor(at + "attn.gain", "scalar", layer, {4}, 10 + layer));
  }
  weights.push_back(tensor("skip", "scalar", -1, {2, 16}, 12));
  weights.push_back(tensor("temperature", "scalar", -1, {}, 13));
  return weights;
}

// int6 matrices with a correction, an int8 table, the rest in half precision; codes by zstd, the rest by lzma.
inline void standard_stack(Bench& bench) {
  bench.quantizer("int-row", "matrices", {{"bits", 6}, {"floor", "none"}}, R"({"role": "matrix"})");
  bench.quantizer("int-row", "tables", {{"bits", 8}, {"clip", "percentile"}, {"as_published", true}},
                  R"({"role": "embedding"})");
  bench.quantizer("passthrough", "rest", {});
  bench.quantizer("lqer", "fix", {{"rank", 2}, {"group", 16}, {"top", 3}}).over = {"matrices"};
  bench.compressor("zstd", "codes", {{"level", 19}}, {"*.codes"});
  bench.compressor("lzma", "others", {{"format", "raw"}});
}

inline nlohmann::json manifest() {
  return {{"model", {{"dim", 16}, {"layers", 2}, {"rope", 1e-4}}},
          {"blocks", {{"embed", {{"use", "token-embedding"}}}}}};
}

inline Quantized quantized(const Bench& bench, const std::vector<NamedTensor>& weights) {
  auto made = quantize(weights, bench.quantizers, {});
  if (!made) throw std::runtime_error(made.error().message());
  return std::move(*made);
}

inline Written written(const Bench& bench, const Quantized& coded) {
  auto made = write_artifact({&coded, bench.quantizers, bench.compressors, manifest(), {{"seed", 42}}});
  if (!made) throw std::runtime_error(made.error().message());
  return std::move(*made);
}

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "" : result.error().message();
}

}  // namespace caddie::artifact::test
