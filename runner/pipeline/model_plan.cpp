#include "runner/pipeline/model_plan.hpp"

#include <algorithm>

#include "core/plugins/model.hpp"
#include "core/train/owners.hpp"
#include "runner/pipeline/model_parts.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;
using plugins::BuildResult;

Result<std::vector<plugins::Object>> create_each(const std::vector<manifest::PluginEntry>& entries, const plugins::Registry& registry,
                                                 const plugins::Host& host) {
  std::vector<plugins::Object> objects;
  for (const manifest::PluginEntry& entry : entries) {
    auto object = create_object(entry, registry, host);
    if (!object) return object.error();
    objects.push_back(std::move(*object));
  }
  return objects;
}

std::map<std::string, std::map<std::string, Json>> notes_of(const BuildResult& build) {
  std::map<std::string, std::map<std::string, std::map<int, Json>>> said;
  for (const plugins::Note& note : build.notes) {
    Json value = Json::parse(note.json, nullptr, false);
    if (value.is_discarded()) value = note.json;  // a plugin's slip: shown as the text it is
    said[note.instance][note.key][note.visit] = std::move(value);
  }
  std::map<std::string, std::map<std::string, Json>> notes;
  for (const auto& [instance, keys] : said) {
    for (const auto& [key, visits] : keys) {
      const Json& first = visits.begin()->second;
      const bool same = std::ranges::all_of(visits, [&](const auto& visit) { return visit.second == first; });
      if (same) {
        notes[instance][key] = first;
        continue;
      }
      for (const auto& [visit, value] : visits) notes[instance][key][std::to_string(visit)] = value;
    }
  }
  return notes;
}

PlannedPhase phase_of(const BuildResult& build, double progress, std::optional<double> scale) {
  return {progress, scale, build.visits, build.encoder_visits, notes_of(build)};
}

// The builds of the run's phases: at its start, after every threshold of progress, and after those of the learning rate.
Result<std::vector<BuildResult>> build_phases(const plugins::Model& model, plugins::BuildRequest request, ModelPlan& plan) {
  std::vector<BuildResult> builds;
  const auto add = [&](double progress, double scale, std::optional<double> below) -> Result<void> {
    request.progress = progress;
    request.scale = scale;
    auto build = model.build(request);
    if (!build) return build.error();
    plan.phases.push_back(phase_of(*build, progress, below));
    builds.push_back(std::move(*build));
    return {};
  };
  if (auto done = add(0, 1, {}); !done) return done.error();
  const std::set<double> thresholds = builds.front().progress_thresholds;
  for (const double threshold : thresholds) {
    if (threshold <= 0) continue;
    if (auto done = add(threshold, 1, {}); !done) return done.error();
  }
  const std::set<double> scales = builds.back().scale_thresholds;
  if (scales.empty()) return builds;
  if (auto done = add(1, 0, *scales.rbegin()); !done) return done.error();
  return builds;
}

Result<void> count_owners(const manifest::Manifest& manifest, ModelPlan& plan) {
  std::vector<std::string> globs;
  for (const manifest::AllowedInert& allowed : manifest.allow_inert) globs.push_back(allowed.what);
  const train::InertAllowance allowance(std::move(globs));
  std::vector<plugins::Claimant> claimants;
  for (const manifest::PluginEntry& optimizer : manifest.optimizers) {
    claimants.push_back({optimizer.name, claims_of(optimizer), allowance.allows(optimizer.name)});
    plan.optimizers.push_back({optimizer.name, optimizer.use, 0, 0});
  }
  auto owner = train::parameter_owners(plan.parameters, claimants, allowance);
  if (!owner) return owner.error();
  plan.owner = std::move(*owner);
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    const std::int64_t elements = plan.parameters[i].shape.elements();
    plan.parameter_count += elements;
    if (plan.owner[i] < 0) {
      plan.unowned_count += elements;
      continue;
    }
    PlannedOptimizer& optimizer = plan.optimizers[static_cast<std::size_t>(plan.owner[i])];
    ++optimizer.tensors;
    optimizer.parameters += elements;
  }
  return {};
}

}  // namespace

Result<ModelPlan> plan_model(const manifest::Manifest& manifest, const plugins::Registry& registry) {
  const plugins::Host host(static_cast<std::uint64_t>(manifest.seed));
  const auto blocks = create_each(manifest.blocks, registry, host);
  if (!blocks) return blocks.error();
  const auto dims = model_dims(manifest, 0);
  if (!dims) return dims.error();
  const auto model = make_model(manifest, *dims, *blocks);
  if (!model) return model.error();

  ModelPlan plan;
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_TRAIN;
  request.context = manifest.train.context;
  const auto builds = build_phases(*model, request, plan);
  if (!builds) return builds.error();
  plan.parameters = train::joined_parameters(builds->front(), builds->back());
  if (auto done = count_owners(manifest, plan); !done) return done.error();
  return plan;
}

Json to_json(const ModelPlan& plan) {
  Json json = {{"parameters", plan.parameter_count}, {"unowned", plan.unowned_count}};
  Json& optimizers = json["optimizers"] = Json::array();
  for (const PlannedOptimizer& optimizer : plan.optimizers) {
    optimizers.push_back({{"name", optimizer.name}, {"use", optimizer.use}, {"tensors", optimizer.tensors}, {"parameters", optimizer.parameters}});
  }
  Json& phases = json["phases"] = Json::array();
  for (const PlannedPhase& phase : plan.phases) {
    Json entry = {{"from_progress", phase.from_progress},
                  {"encoder", std::vector<int>(phase.visits.begin(), phase.visits.begin() + phase.encoder_visits)},
                  {"decoder", std::vector<int>(phase.visits.begin() + phase.encoder_visits, phase.visits.end())},
                  {"notes", phase.notes}};
    if (phase.below_scale) entry["below_scale"] = *phase.below_scale;
    phases.push_back(std::move(entry));
  }
  Json& tensors = json["tensors"] = Json::array();
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    const plugins::TensorDeclaration& tensor = plan.parameters[i];
    const auto lengths = tensor.shape.lengths();
    tensors.push_back({{"path", tensor.path},
                       {"shape", std::vector<std::int64_t>(lengths.begin(), lengths.end())},
                       {"role", tensor.role},
                       {"optimizer", plan.owner[i] < 0 ? Json() : Json(plan.optimizers[static_cast<std::size_t>(plan.owner[i])].name)}});
  }
  return json;
}

}  // namespace caddie::pipeline
