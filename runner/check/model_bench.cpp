#include "runner/check/model_bench.hpp"

#include <fmt/format.h>

#include <cmath>

#include "runner/check/failure.hpp"
#include "runner/check/plain_model.hpp"

namespace caddie::check {
namespace {

struct Size {
  plugins::Dims dims;
  std::int64_t batch, context;
};

plugins::Dims dims_of(std::int64_t vocab, std::int64_t dim, std::int64_t heads, std::int64_t kv_heads,
                      std::int32_t layers) {
  plugins::Dims dims;
  dims.vocab = vocab;
  dims.dim = dim;
  dims.heads = heads;
  dims.kv_heads = kv_heads;
  dims.head_dim = dim / heads;
  dims.layers = layers;
  return dims;
}

const std::vector<Size>& sizes() {
  // Narrow and shallow, deep, wide, both: what the float64 reference does in moments.
  static const std::vector<Size> all = {{dims_of(11, 8, 2, 1, 4), 2, 6},
                                        {dims_of(11, 8, 2, 1, 12), 2, 6},
                                        {dims_of(23, 64, 2, 1, 4), 2, 12},
                                        {dims_of(23, 64, 2, 1, 12), 1, 16}};
  return all;
}

}  // namespace

std::size_t ModelBench::size_count() { return sizes().size(); }

void ModelBench::attach(Subject& subject, const nlohmann::json& config, const plugins::Dims& dims) {
  model_.reset();
  object_ = subject.make_or_fail(config);
  model_ = plugins::Model::of(dims, with_plain_blocks({subject.attach(*object_, dims)}));
}

ModelBench::ModelBench(Subject& subject, const nlohmann::json& config, std::size_t smallest) {
  std::string first;
  for (std::size_t i = smallest; i < sizes().size(); ++i) {
    const Size& size = sizes()[i];
    attach(subject, config, size.dims);
    batch_ = size.batch;
    context_ = size.context;
    const auto built = model_->build(request(CADDIE_MODE_TRAIN));
    if (built) return;
    if (first.empty()) first = built.error().message();
  }
  if (!subject.refusal().empty()) throw Skip(subject.refusal());
  throw Failure("builds in no model that was tried: " + first);
}

ModelBench::ModelBench(Subject& subject, const nlohmann::json& config, const plugins::Dims& dims, std::int64_t batch,
                       std::int64_t context)
    : batch_(batch), context_(context) {
  attach(subject, config, dims);
}

plugins::BuildRequest ModelBench::request(int mode) const {
  plugins::BuildRequest request;
  request.mode = mode;
  request.batch = batch_;
  request.context = context_;
  if (mode != CADDIE_MODE_TRAIN) {
    request.progress = 1;
    request.scale = 0;
  }
  return request;
}

plugins::BuildResult ModelBench::build(const plugins::BuildRequest& request) const {
  return value_or_fail(model_->build(request));
}

std::vector<Variation> ModelBench::variations() const {
  const plugins::BuildRequest train = request(CADDIE_MODE_TRAIN);
  std::vector<Variation> all = {{"train", train},
                                {"evaluate", request(CADDIE_MODE_EVALUATE)},
                                {"calibrate", request(CADDIE_MODE_CALIBRATE)},
                                {"adapt", request(CADDIE_MODE_ADAPT)}};
  all.push_back({"train with segments", train});
  all.back().request.segments = true;
  const plugins::BuildResult first = build(train);
  if (!first.progress_thresholds.empty() || !first.scale_thresholds.empty()) {
    all.push_back({"train at the end", train});
    all.back().request.progress = 1;
    all.back().request.scale = 0;
  }
  return all;
}

void fill_irregular(Session& session, const plugins::Dims& dims) {
  int salt = 1;
  for (const plugins::TensorDeclaration& tensor : session.built().parameters) {
    std::vector<double> values = session.get(tensor.path);
    const std::vector<double> moved = wave(tensor.shape, salt++, 0.11).values;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += moved[i];
    session.set(tensor.path, values);
  }
  const auto whole_numbers = [&](const char* leaf, std::int64_t below, std::size_t step) {
    if (!session.has(leaf)) return;
    std::vector<double> values = session.get(leaf);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<double>((i * step + i * i / 3 + 1) % static_cast<std::size_t>(below));
    session.set(leaf, values);
  };
  whole_numbers("tokens", dims.vocab, 3);
  whole_numbers("targets", dims.vocab, 5);
  if (session.has("segments")) {
    std::vector<double> segments = session.get("segments");
    for (std::size_t i = 0; i < segments.size(); ++i) segments[i] = std::floor(static_cast<double>(i) / 4);
    session.set("segments", segments);
  }
}

Session ModelBench::session(const plugins::BuildRequest& request, const Machine& machine) const {
  Session session = model_session(build(request), machine);
  fill_irregular(session, dims());
  return session;
}

}  // namespace caddie::check
