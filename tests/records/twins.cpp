#include "tests/records/twins.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "core/data/shard.hpp"
#include "core/graph/random.hpp"
#include "runner/pipeline/model_parts.hpp"
#include "runner/pipeline/train_stage.hpp"
#include "test_paths.hpp"

namespace caddie::records {
namespace {

namespace fs = std::filesystem;
constexpr int kVocab = 64;
constexpr std::int32_t kBos = 1;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

// A document every few tokens; which token follows which is partly foreseeable.
data::TokenStream make_tokens() {
  static int counter = 0;
  const fs::path file = fs::temp_directory_path() / fmt::format("caddie-twin-{}-{}.bin", ::getpid(), counter++);
  std::vector<data::TokenId> ids;
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < 6000; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto draw = static_cast<unsigned>(state >> 40);
    ids.push_back(static_cast<data::TokenId>(i % 37 == 0 ? kBos : (draw % 3 == 0 ? 2 + draw % 60 : 2 + (ids.back() * 7u) % 60)));
  }
  if (auto done = data::write_shard(file, ids); !done) throw std::runtime_error(done.error().message());
  std::vector<data::Shard> shards;
  shards.push_back(value_of(data::Shard::open(file)));
  fs::remove(file);
  return data::TokenStream(std::move(shards));
}

}  // namespace

const std::vector<std::string>& all_runs() {
  static const std::vector<std::string> runs = {"baseline", "pr-388", "pr-1033", "pr-1130", "pr-1716", "pr-2163"};
  return runs;
}

manifest::Override set(const std::string& text) { return {manifest::Override::Kind::set, text}; }
manifest::Override disable(const std::string& name) { return {manifest::Override::Kind::disable, name}; }
manifest::Override unset(const std::string& path) { return {manifest::Override::Kind::unset, path}; }

const plugins::Registry& registry() {
  static const plugins::Registry scanned = [] {
    plugins::ScanOptions options;
    options.folders = {std::string(CADDIE_BUILD_DIR) + "/lib/caddie/plugins"};
    return plugins::Registry::scan(options);
  }();
  return scanned;
}

manifest::Resolution resolve_manifest(const std::string& file, const std::vector<manifest::Override>& overrides) {
  const std::vector<fs::path> files = {fs::path(CADDIE_SOURCE_DIR) / "manifests" / file};
  const pipeline::RegistryCatalogue catalogue(registry());
  manifest::Resolution resolution = manifest::resolve(files, overrides, catalogue);
  if (!resolution.usable_without_plugins()) throw std::runtime_error(manifest::format_issues(resolution.issues));
  return resolution;
}

manifest::Resolution toy(const std::string& run, std::vector<manifest::Override> overrides, int steps) {
  std::vector<manifest::Override> small = {set("model.dim=16"),   set("model.heads=4"),      set("model.kv_heads=2"),
                                           set("model.head_dim=4"), set("model.context=32"), set("data.tokenizer.vocab=64"),
                                           set("model.vocab=64"), set("train.batch=2"),      set("train.context=32"),
                                           set("blocks.rope.dims=4"), set("compute.threads=1"), set(fmt::format("train.steps={}", steps))};
  const std::string file = "records/small/" + run + ".json";
  const manifest::Resolution plain = resolve_manifest(file);
  for (const manifest::PluginEntry& block : plain.manifest.blocks) {
    if (block.config.contains("window")) small.push_back(set("blocks." + block.name + ".window=6"));
  }
  overrides.insert(overrides.begin(), small.begin(), small.end());
  return resolve_manifest(file, overrides);
}

Twin::Twin(const manifest::Resolution& resolution, std::unique_ptr<graph::Executor> executor)
    : resolution_(resolution), executor_(std::move(executor)), tokens_(make_tokens()) {
  const manifest::Manifest& manifest = resolution_.manifest;
  objects_ = value_of(pipeline::create_objects(manifest, registry(), host_));
  const plugins::Dims dims = value_of(pipeline::model_dims(manifest, kVocab));
  model_ = std::make_unique<plugins::Model>(value_of(pipeline::make_model(manifest, dims, objects_.blocks)));
  if (executor_ == nullptr) executor_ = value_of(pipeline::make_executor(manifest.compute));
}

void Twin::start() {
  pipeline::TrainStage stage;
  stage.executor = executor_.get();
  stage.manifest = &resolution_.manifest;
  stage.model = model_.get();
  stage.objects = &objects_;
  trainer_ = value_of(train::Trainer::make(*executor_, pipeline::trainer_parts(stage, tokens_), pipeline::trainer_options(stage)));
}

train::StepReport Twin::step() { return value_of(trainer_->step()); }

}  // namespace caddie::records
