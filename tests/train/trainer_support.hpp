// A training run of the tiny model, with plugins of its own.
#pragma once

#include <deque>

#include "tests/train/support.hpp"

namespace caddie::train::test {

template <class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const std::exception& exception) {
    return exception.what();
  }
  return "";
}

struct PluginUse {
  std::string id;
  json config = json::object();
  std::string name = "";
};

struct OptimizerUse {
  PluginUse plugin;
  plugins::Claims claims = {};
};

inline plugins::Claims roles(std::vector<std::string> list) {
  plugins::Claims claims;
  claims.roles = std::move(list);
  return claims;
}
inline plugins::Claims names(std::vector<std::string> list) {
  plugins::Claims claims;
  claims.names = std::move(list);
  return claims;
}

// A text of sequences that can be learnt: each token follows from the one before it, most of the time.
inline std::vector<data::TokenId> learnable_tokens(std::size_t count) {
  std::vector<data::TokenId> tokens = random_tokens(count, 3);
  for (std::size_t i = 1; i < count; ++i) {
    if (tokens[i] % 4 != 0) tokens[i] = static_cast<data::TokenId>(4 + (tokens[i - 1] * 5 + 3) % (kVocab - 4));
  }
  return tokens;
}

// What trainers are made of. Every make() has fresh plugin objects: nothing is carried from one trainer to the next.
class Training {
 public:
  explicit Training(const std::vector<BlockUse>& blocks = {}, std::unique_ptr<graph::Executor> executor = reference())
      : model(blocks), stream({learnable_tokens(700), learnable_tokens(500)}), executor_(std::move(executor)) {
    options.batch = 4;
    options.context = 8;
    options.steps = 40;
    options.seed = 5;
    options.run_digest = "run";
  }

  // Throws what the host says.
  std::unique_ptr<Trainer> make() {
    const auto keep = [&](const char* interface, const PluginUse& use) -> plugins::Object* {
      objects_.push_back(make_plugin(interface, use.id, use.config, use.name));
      return &objects_.back();
    };
    TrainerParts parts;
    parts.model = &*model;
    for (const OptimizerUse& use : claims) parts.optimizers.push_back({keep("optimizer", use.plugin), use.claims});
    if (!schedule.id.empty()) parts.schedule = keep("schedule", schedule);
    for (const PluginUse& use : averagers) parts.averagers.push_back(keep("averager", use));
    parts.loader = keep("loader", loader);
    parts.tokens = &*stream;
    parts.group = group;
    return value_of(Trainer::make(*executor_, parts, options));
  }

  TinyModel model;
  Stream stream;
  std::vector<OptimizerUse> claims = {{{"sgd", {{"lr", 0.1}}}}};
  PluginUse schedule = {};
  std::vector<PluginUse> averagers;
  PluginUse loader = {"sequential-loader"};
  TrainerOptions options;
  comm::ProcessGroup* group = nullptr;

 private:
  std::unique_ptr<graph::Executor> executor_;
  std::deque<plugins::Object> objects_;
};

}  // namespace caddie::train::test
