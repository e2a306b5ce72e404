#include "tests/plugins/abi/trace.hpp"

#include <unistd.h>

#include <stdexcept>

#include "core/artifact/artifact.hpp"
#include "core/score/evaluation.hpp"
#include "test_paths.hpp"
#include "tests/train/trainer_support.hpp"

namespace caddie::abi_test {

namespace fs = std::filesystem;
namespace tt = train::test;
using nlohmann::json;
using tt::must;
using tt::value_of;

namespace {

const plugins::Host& host() {
  static const plugins::Host host(1);
  return host;
}

// The tiny model with one more block.
class Model {
 public:
  explicit Model(const plugins::Object& more) {
    const std::vector<std::pair<const char*, json>> base = {{"token-embedding", {{"init_std", 0.5}}},
                                                            {"rms-norm", {}},
                                                            {"sequential-layer", {}},
                                                            {"plain-residual", {}},
                                                            {"gqa", {}},
                                                            {"mlp", {{"mult", 2}}},
                                                            {"act-relu2", {}},
                                                            {"tied-head", {}},
                                                            {"cross-entropy", {}}};
    for (const auto& [id, config] : base)
      objects_.push_back(tt::make_plugin("block", id, config.is_null() ? json::object() : config));
    std::vector<plugins::BlockEntry> entries;
    for (const plugins::Object& object : objects_) entries.push_back({&object, {}, "", {}});
    entries.push_back({&more, {}, "", {}});
    plugins::Dims dims;
    dims.vocab = tt::kVocab;
    dims.dim = 8;
    dims.heads = 2;
    dims.kv_heads = 1;
    dims.head_dim = 4;
    dims.layers = 2;
    model_ = value_of(plugins::Model::attach(dims, entries));
  }
  [[nodiscard]] const plugins::Model* get() const { return &*model_; }

 private:
  std::vector<plugins::Object> objects_;
  std::optional<plugins::Model> model_;
};

train::TrainerOptions options() {
  train::TrainerOptions options;
  options.batch = 4;
  options.context = 8;
  options.steps = 20;
  options.seed = 5;
  options.run_digest = "abi";
  return options;
}

std::vector<double> train_all(train::Trainer& trainer) {
  std::vector<double> losses;
  while (!trainer.done()) losses.push_back(value_of(trainer.step()).loss.loss);
  return losses;
}

}  // namespace

Files::Files(const std::vector<fs::path>& files) {
  static int counter = 0;
  folder_ = fs::temp_directory_path() / ("caddie-abi-" + std::to_string(::getpid()) + "-" + std::to_string(counter++));
  fs::create_directories(folder_);
  for (const fs::path& file : files) {
    fs::copy_file(file, folder_ / file.filename(), fs::copy_options::overwrite_existing);
    fs::permissions(folder_ / file.filename(), fs::perms::owner_all);
  }
  plugins::ScanOptions scan;
  scan.folders = {folder_};
  scan.scanner = {CADDIE_BUILD_DIR "/tests/plugins/describe_plugins"};
  scan.timeout_seconds = 60;
  registry_ = plugins::Registry::scan(scan);
}

Files::~Files() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

plugins::Object Files::make(const std::string& interface, const std::string& id, const json& config) const {
  for (const plugins::Skipped& skipped : registry_.skipped())
    throw std::runtime_error(skipped.path.string() + ": " + skipped.reason);
  const plugins::Description* plugin = registry_.find(interface, id);
  json full = json::object();
  if (plugin != nullptr) {
    for (const auto& [key, schema] : plugin->schema.at("properties").items()) full[key] = schema.at("default");
  }
  for (const auto& [key, value] : config.items()) full[key] = value;
  return value_of(plugins::Object::create(registry_, interface, id, id, full, host()));
}

Trace trace_of(const fs::path& file) {
  const Files files({file});
  Trace trace;
  const plugins::Object block = files.make("block", "abi-block");
  const plugins::Object optimizer = files.make("optimizer", "abi-optimizer");
  const plugins::Object schedule = files.make("schedule", "abi-schedule");
  const plugins::Object averager = files.make("averager", "abi-averager");
  plugins::Object loader = files.make("loader", "abi-loader");
  const Model model(block);
  const tt::Stream stream({tt::learnable_tokens(700), tt::learnable_tokens(500)});
  const auto executor = tt::reference();

  train::TrainerParts parts;
  parts.model = model.get();
  parts.optimizers = {{&optimizer, {}}};
  parts.schedule = &schedule;
  parts.averagers = {&averager};
  parts.loader = &loader;
  parts.tokens = &*stream;
  const auto trainer = value_of(train::Trainer::make(*executor, parts, options()));
  trace.losses = train_all(*trainer);
  trace.state = value_of(loader.save());
  const std::vector<train::HostTensor> weights = value_of(trainer->averaged_weights());
  std::vector<artifact::NamedTensor> tensors;
  for (const train::HostTensor& tensor : weights) {
    trace.weights.insert(trace.weights.end(), tensor.values.begin(), tensor.values.end());
    tensors.push_back({{tensor.path, tensor.role, tensor.layer, tensor.shape}, tensor.values});
  }

  const plugins::Object quantizer = files.make("quantizer", "abi-quantizer");
  const plugins::Object compressor = files.make("compressor", "abi-compressor");
  const std::vector<artifact::QuantizerEntry> quantizers(1, {&quantizer, {{"number", 0}}, {}, {}, false});
  const std::vector<artifact::CompressorEntry> compressors(1, {&compressor, {{"number", 0}}, {}, false});
  const artifact::Quantized quantized = value_of(artifact::quantize(tensors, quantizers, {}));
  artifact::WriteRequest request;
  request.quantized = &quantized;
  request.quantizers = quantizers;
  request.compressors = compressors;
  request.manifest = json::object();
  request.run = json::object();
  trace.artifact = value_of(artifact::write_artifact(request)).bytes;
  const artifact::Artifact opened = value_of(artifact::Artifact::open(trace.artifact, "abi"));
  const std::vector<artifact::StreamBytes> streams = value_of(opened.unpack({&files.registry(), &host(), {}}));
  trace.artifact.clear();  // its header names the file's digest, which differs between builds
  for (const artifact::StreamBytes& bytes : streams)
    trace.artifact.insert(trace.artifact.end(), bytes.bytes.begin(), bytes.bytes.end());

  const plugins::Object evaluator = files.make("evaluator", "abi-evaluator");
  plugins::Object strategy = files.make("ttt", "abi-ttt");
  const tt::Stream text({tt::learnable_tokens(200)});
  const data::ByteTable bytes = tt::tiny_bytes();
  score::EvaluationParts evaluation;
  evaluation.model = model.get();
  evaluation.weights = &weights;
  evaluation.evaluator = &evaluator;
  evaluation.strategy = &strategy;
  evaluation.tokens = &*text;
  evaluation.bytes = &bytes;
  score::EvaluationOptions evaluate;
  evaluate.context = 8;
  evaluate.rows = 2;
  evaluate.subject = "abi";
  const score::EvaluationReport report = value_of(score::evaluate(*executor, evaluation, evaluate, {}));
  trace.nll = report.totals.nats_per_token();
  trace.adaptations = report.adaptations;
  trace.build_info = value_of(files.registry().load(*files.registry().find("block", "abi-block")))->build_info;
  return trace;
}

std::vector<double> losses_of(const fs::path& block_file, const std::string& block, const fs::path& optimizer_file,
                              const std::string& optimizer) {
  const Files files({block_file, optimizer_file});
  const plugins::Object more = files.make("block", block);
  const plugins::Object update = files.make("optimizer", optimizer);
  plugins::Object loader = tt::make_plugin("loader", "sequential-loader");
  const Model model(more);
  const tt::Stream stream({tt::learnable_tokens(700)});
  const auto executor = tt::reference();
  const plugins::Object rest = tt::make_plugin("optimizer", "sgd", {{"lr", 0.05}});
  train::TrainerParts parts;
  parts.model = model.get();
  parts.optimizers = {{&update, tt::roles({"matrix"})}, {&rest, {}}};
  parts.loader = &loader;
  parts.tokens = &*stream;
  const auto trainer = value_of(train::Trainer::make(*executor, parts, options()));
  return train_all(*trainer);
}

}  // namespace caddie::abi_test
