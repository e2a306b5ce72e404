// The small twins of the records at toy dimensions, on tokens made here, so that a whole training step takes
// milliseconds. Mistakes are thrown as std::runtime_error with the host's message. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/data/token_stream.hpp"
#include "core/train/trainer.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::records {

const std::vector<std::string>& all_runs();  // "baseline", "pr-388", ...

// A manifest of manifests/ with overrides; every issue but a missing plugin is thrown.
manifest::Resolution resolve_manifest(const std::string& file, const std::vector<manifest::Override>& overrides = {});
manifest::Override set(const std::string& text);
manifest::Override disable(const std::string& name);
manifest::Override unset(const std::string& path);

const plugins::Registry& registry();

// Model, optimizers, loader and trainer of a resolved twin.
class Twin {
 public:
  // On the manifest's own backend, or on the executor given.
  explicit Twin(const manifest::Resolution& resolution, std::unique_ptr<graph::Executor> executor = nullptr);

  // Makes the trainer, which checks owners and what is inert.
  void start();
  train::StepReport step();
  [[nodiscard]] train::Trainer& trainer() { return *trainer_; }
  [[nodiscard]] const plugins::Model& model() const { return *model_; }
  [[nodiscard]] const manifest::Manifest& manifest() const { return resolution_.manifest; }

 private:
  manifest::Resolution resolution_;
  plugins::Host host_{1};
  pipeline::Objects objects_;
  std::unique_ptr<plugins::Model> model_;
  std::unique_ptr<graph::Executor> executor_;
  data::TokenStream tokens_;
  std::unique_ptr<train::Trainer> trainer_;
};

// manifests/records/<run>.json at toy dimensions, trained `steps` steps in all.
manifest::Resolution toy(const std::string& run, std::vector<manifest::Override> overrides = {}, int steps = 40);

}  // namespace caddie::records
