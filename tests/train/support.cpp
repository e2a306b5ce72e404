#include "tests/train/support.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <random>

#include "core/data/shard.hpp"
#include "core/graph/random.hpp"
#include "core/train/gradient_program.hpp"
#include "test_paths.hpp"

namespace caddie::train::test {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  static int counter = 0;
  path_ = fs::temp_directory_path() / fmt::format("caddie-test-{}-{}", ::getpid(), counter++);
  fs::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::unique_ptr<graph::Executor> reference() { return graph::make_reference_executor({}); }

plugins::Object make_plugin(std::string_view interface, std::string_view id, const json& config, std::string instance) {
  static const plugins::Registry registry = [] {
    plugins::ScanOptions options;
    for (const char* folder : {"/lib/caddie/plugins", "/tests/train/fixtures", "/tests/score/fixtures"}) {
      options.folders.emplace_back(std::string(CADDIE_BUILD_DIR) + folder);
    }
    return plugins::Registry::scan(options);
  }();
  static const plugins::Host host(1);
  json full = json::object();
  if (const plugins::Description* plugin = registry.find(interface, id)) {
    for (const auto& [key, schema] : plugin->schema.at("properties").items()) full[key] = schema.at("default");
  }
  for (const auto& [key, value] : config.items()) full[key] = value;
  if (instance.empty()) instance = id;
  return value_of(plugins::Object::create(registry, interface, id, std::move(instance), full, host));
}

TinyModel::TinyModel(const std::vector<BlockUse>& more) {
  std::vector<BlockUse> uses = {{"token-embedding", {{"init_std", 0.5}}},
                                {"rms-norm"},
                                {"sequential-layer"},
                                {"plain-residual"},
                                {"gqa"},
                                {"mlp", {{"mult", 2}}},
                                {"ortho-init", {{"outputs", "orthogonal-scaled"}, {"min_side", 1}}},
                                {"act-relu2"},
                                {"tied-head"},
                                {"cross-entropy"}};
  uses.insert(uses.end(), more.begin(), more.end());
  for (const BlockUse& use : uses) objects_.push_back(make_plugin("block", use.id, use.config, use.name));
  std::vector<plugins::BlockEntry> entries;
  for (const plugins::Object& object : objects_) entries.push_back({&object, {}, "", {}});
  plugins::Dims dims;
  dims.vocab = kVocab;
  dims.dim = 8;
  dims.heads = 2;
  dims.kv_heads = 1;
  dims.head_dim = 4;
  dims.layers = 2;
  model_ = value_of(plugins::Model::attach(dims, entries));
}

std::vector<HostTensor> TinyModel::weights(std::uint64_t seed) const {
  const plugins::BuildResult build = value_of(model_->build({}));
  std::vector<HostTensor> weights;
  for (const plugins::TensorDeclaration& tensor : build.parameters) {
    HostTensor host{tensor.path, tensor.role, tensor.layer, tensor.shape, {}};
    host.values.resize(static_cast<std::size_t>(tensor.shape.elements()));
    for (std::size_t i = 0; i < host.values.size(); ++i) {
      host.values[i] = 0.5f * graph::normal_at(seed, 9, 0, weights.size() + 1, i);
    }
    weights.push_back(std::move(host));
  }
  return weights;
}

std::vector<std::vector<double>> direct_logits(const TinyModel& model, const std::vector<HostTensor>& weights,
                                               const std::vector<std::int32_t>& tokens) {
  const auto executor = reference();
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_EVALUATE;
  request.context = static_cast<std::int64_t>(tokens.size());
  plugins::BuildResult build = value_of(model->build(request));
  build.graph.output("logits", build.wire("logits"));
  auto program = value_of(executor->compile(build.graph));
  const std::vector<int> frozen(build.parameters.size(), kNoOwner);
  ParameterStore store = value_of(ParameterStore::make(*executor, build.parameters, frozen, {}));
  must(store.load(weights));
  must(bind_parameters(*program, build, store));
  std::vector<float> logits(tokens.size() * kVocab);
  const auto tie = [&](const char* name, std::size_t bytes) {
    const graph::BufferPtr buffer = value_of(executor->allocate(bytes));
    must(program->bind(name, {buffer, 0}));
    return buffer;
  };
  const graph::BufferPtr input = tie("tokens", tokens.size() * sizeof(std::int32_t));
  tie("targets", tokens.size() * sizeof(std::int32_t));
  const graph::BufferPtr output = tie("logits", logits.size() * sizeof(float));
  must(executor->upload({input, 0}, std::as_bytes(std::span(tokens))));
  must(program->run({}));
  must(executor->download(std::as_writable_bytes(std::span(logits)), {output, 0}));
  std::vector<std::vector<double>> rows;
  for (std::size_t at = 0; at < logits.size(); at += kVocab) {
    rows.emplace_back(logits.begin() + static_cast<std::ptrdiff_t>(at),
                      logits.begin() + static_cast<std::ptrdiff_t>(at + kVocab));
  }
  return rows;
}

std::vector<double> direct_nll(const TinyModel& model, const std::vector<HostTensor>& weights,
                               const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& targets) {
  const auto logits = direct_logits(model, weights, tokens);
  std::vector<double> nll;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    double sum = 0;
    for (const double logit : logits[i]) sum += std::exp(logit);
    nll.push_back(std::log(sum) - logits[i].at(static_cast<std::size_t>(targets[i])));
  }
  return nll;
}

Stream::Stream(const std::vector<std::vector<data::TokenId>>& shards) {
  std::vector<data::Shard> opened;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const fs::path path = folder_ / fmt::format("shard_{:06}.bin", i);
    must(data::write_shard(path, shards[i]));
    opened.push_back(value_of(data::Shard::open(path)));
  }
  stream_ = data::TokenStream(std::move(opened));
}

std::vector<data::TokenId> random_tokens(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<data::TokenId> tokens(count);
  for (data::TokenId& token : tokens) token = static_cast<data::TokenId>(4 + random() % (kVocab - 4));
  return tokens;
}

data::ByteTable tiny_bytes() {
  std::vector<data::Piece> pieces(kVocab);
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (id < 4) {
      pieces[id] = {fmt::format("<{}>", id), data::PieceKind::control};
      continue;
    }
    const std::string text(id % 4, 'x');  // may be empty: the bare space
    const bool space = id % 3 == 0 || text.empty();
    pieces[id] = {(space ? std::string(data::kSpaceMark) : "") + text, data::PieceKind::normal};
  }
  return value_of(data::ByteTable::build(pieces, "tiny"));
}

}  // namespace caddie::train::test
