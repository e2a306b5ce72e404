#include "core/train/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/plugins/call.hpp"
#include "core/train/initial_draw.hpp"
#include "core/train/owners.hpp"

namespace caddie::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<std::string> block_names(const plugins::Model& model) {
  std::vector<std::string> names;
  for (const plugins::BlockInstance& block : model.blocks()) names.push_back(block.name);
  return names;
}

}  // namespace

Trainer::Trainer(graph::Executor& executor, const TrainerParts& parts, const TrainerOptions& options)
    : executor_(&executor),
      parts_(parts),
      options_(options),
      states_(executor),
      watch_(store_),
      shard_tokens_(*parts.tokens, parts.model->dims().bos) {}

Result<std::unique_ptr<Trainer>> Trainer::make(graph::Executor& executor, const TrainerParts& parts,
                                               const TrainerOptions& options) {
  if (options.steps <= 0 && options.budget_seconds <= 0) {
    return Error{Code::argument, "/train",
                 "has neither \"steps\" nor a time budget: the run would never end; give one of them"};
  }
  auto trainer = std::unique_ptr<Trainer>(new Trainer(executor, parts, options));
  if (auto done = trainer->prepare(); !done) return done.error();
  return trainer;
}

Result<void> Trainer::prepare() {
  if (auto done = open_loader(); !done) return done;
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_TRAIN;
  request.batch = options_.batch;
  request.context = options_.context;
  request.segments = segments_;
  const auto first = parts_.model->build(request);
  if (!first) return first.error();
  request.progress = 1;
  request.scale = 0;
  const auto last = parts_.model->build(request);
  if (!last) return last.error();
  request.mode = CADDIE_MODE_EVALUATE;
  const auto evaluation = parts_.model->build(request);
  if (!evaluation) return evaluation.error();
  if (auto done = check_blocks(block_names(*parts_.model), {&*first, &*last, &*evaluation}, options_.inert); !done) {
    return done;
  }
  for (const plugins::BuildResult* build : {&*first, &*last}) {
    progress_thresholds_.insert(build->progress_thresholds.begin(), build->progress_thresholds.end());
    scale_thresholds_.insert(build->scale_thresholds.begin(), build->scale_thresholds.end());
  }
  if (auto done = check_group(*first, *last); !done) return done;
  if (auto done = make_store(*first, *last); !done) return done;
  InitialDraw draw(store_.parameters(), options_.seed, options_.threads);  // while programs are compiled
  if (auto done = enter_phase(fraction(), 1); !done) return done;
  if (auto done = store_.initialise(draw); !done) return done;

  std::vector<UpdateOwner> owners;
  for (const OptimizerEntry& optimizer : parts_.optimizers) owners.push_back(optimizer_owner(*optimizer.object));
  auto update = UpdateProgram::make(*executor_, store_, states_, owners, parts_.averagers, update_options(),
                                    peers());
  if (!update) return update.error();
  update_ = std::move(*update);
  if (ranks() > 1) {
    exchange_ = parts_.devices == nullptr ? ordered_exchange(*executor_, store_, *parts_.group, update_->shares())
                                          : device_exchange(*executor_, store_, *parts_.devices);
  }
  const auto without_effect = averagers_without_effect(store_, parts_.averagers, update_options());
  if (!without_effect) return without_effect.error();
  return check_averagers(*without_effect, options_.inert);
}

// Is this a run that several processes can share?
Result<void> Trainer::check_group(const plugins::BuildResult& first, const plugins::BuildResult& last) const {
  if (ranks() == 1) return {};
  if (options_.accumulate % ranks() != 0) {
    return Error{Code::argument, "/train/accumulate",
                 fmt::format("{} micro-batches a step cannot be shared by {} processes; make it a multiple of {}",
                             options_.accumulate, ranks(), ranks())};
  }
  for (const plugins::BuildResult* build : {&first, &last}) {
    if (build->states.empty()) continue;
    return Error{Code::unsupported, build->states.front().instance,
                 fmt::format("hands {} from one micro-batch to the next, which several processes cannot do; leave it "
                             "out, or train in one process",
                             build->states.front().path)};
  }
  return {};
}

Result<void> Trainer::make_store(const plugins::BuildResult& first, const plugins::BuildResult& last) {
  const std::vector<plugins::TensorDeclaration> parameters = joined_parameters(first, last);
  std::vector<plugins::Claimant> claimants;
  std::vector<std::string> names;
  for (const OptimizerEntry& optimizer : parts_.optimizers) {
    const std::string& instance = optimizer.object->instance();
    claimants.push_back({instance, optimizer.claims, options_.inert.allows(instance)});
    names.push_back(instance);
  }
  const auto owner = parameter_owners(parameters, claimants, options_.inert);
  if (!owner) return owner.error();
  auto store = ParameterStore::make(*executor_, parameters, *owner, names);
  if (!store) return store.error();
  store_ = std::move(*store);
  return {};
}

Result<void> Trainer::open_loader() {
  const auto& table = parts_.loader->table<caddie_loader>();
  caddie_error error = plugins::fresh_error();
  const caddie_code code = plugins::guarded(error, [&] {
    return table.open(parts_.loader->abi(), shard_tokens_.table(), shard_tokens_.abi(), &error);
  });
  if (code != CADDIE_OK) return plugins::to_error(code, error, parts_.loader->instance());
  segments_ = table.has_segments(parts_.loader->abi()) != 0;
  return {};
}

Result<void> Trainer::enter_phase(double progress, double scale) {
  std::vector<bool> phase;
  for (const double threshold : progress_thresholds_) phase.push_back(progress >= threshold);
  for (const double threshold : scale_thresholds_) phase.push_back(scale < threshold);
  if (phase_ == phase) return {};
  GradientProgram::Options options;
  options.request = {CADDIE_MODE_TRAIN, options_.batch, options_.context, segments_, progress, scale};
  options.seed = options_.seed;
  options.accumulate = options_.accumulate;
  auto program = GradientProgram::make(*executor_, *parts_.model, store_, states_, options);
  if (!program) return program.error();
  gradients_ = std::move(*program);
  phase_ = std::move(phase);
  open_probe(options.request);
  if (auto done = check_new_parameters(); !done) return done;
  return clear_gradients(gradients_->without_gradient());
}

// What was trained in an earlier phase may rest in this one; what was never trained must have a gradient.
Result<void> Trainer::check_new_parameters() {
  std::vector<std::string> never;
  for (const std::string& path : gradients_->without_gradient()) {
    if (!trained_.contains(path)) never.push_back(path);
  }
  trained_.insert(gradients_->with_gradient().begin(), gradients_->with_gradient().end());
  return check_gradient_paths(never, options_.inert);
}

// A block whose states have the shape of the batch cannot be probed on a part of it; such a run goes without.
void Trainer::open_probe(const plugins::BuildRequest& request) {
  auto probe = ActivityProbe::make(*executor_, *parts_.model, request, store_, states_, options_.seed);
  probe_ = probe ? std::move(*probe) : nullptr;
  probed_steps_ = 0;
}

Result<void> Trainer::observe(const TokenBatch& batch, const caddie_step& position) {
  if (auto done = watch_.observe(gradients_->with_gradient()); !done) return done;
  if (auto done = watch_.check(options_.inert); !done) return done;
  activity_.take(watch_.squares(), store_.parameters());
  if (!probe_) return {};
  const auto key_step = static_cast<std::uint64_t>(position.step * options_.accumulate);
  const auto hooks = probe_->run(batch, position, {options_.seed, 0, key_step});
  if (!hooks) return hooks.error();
  activity_.take(*hooks);
  if (++probed_steps_ >= GradientWatch::kSteps) probe_.reset();
  return {};
}

std::vector<BlockActivity> Trainer::activity() const { return activity_.blocks(block_names(*parts_.model)); }

Result<void> Trainer::clear_gradients(const std::vector<std::string>& paths) {
  for (const plugins::TensorDeclaration& tensor : store_.parameters()) {
    const bool in_phase = gradients_->build().graph.find_leaf(tensor.path) != nullptr;
    const bool without = std::ranges::find(paths, tensor.path) != paths.end();
    if (!store_.is_owned(tensor.path) || (in_phase && !without)) continue;
    const std::vector<float> zeros(static_cast<std::size_t>(tensor.shape.elements()), 0.0f);
    if (auto done = executor_->upload(store_.gradient(tensor.path), std::as_bytes(std::span(zeros))); !done) {
      return done;
    }
  }
  return {};
}

Result<TokenBatch> Trainer::next_batch() {
  const auto cells = static_cast<std::size_t>(options_.batch * options_.context);
  TokenBatch batch;
  batch.tokens.resize(cells);
  batch.targets.resize(cells);
  if (segments_) batch.segments.resize(cells);
  const caddie_batch request = {sizeof(caddie_batch), 0, options_.batch, options_.context, 0, 1,
                                batch.tokens.data(), batch.targets.data(), segments_ ? batch.segments.data() : nullptr};
  caddie_error error = plugins::fresh_error();
  const caddie_code code = plugins::guarded(
      error, [&] { return parts_.loader->table<caddie_loader>().next(parts_.loader->abi(), &request, &error); });
  if (code != CADDIE_OK) return plugins::to_error(code, error, parts_.loader->instance());
  return batch;
}

double Trainer::fraction() const {
  double fraction = 0;
  if (options_.steps > 0) fraction = static_cast<double>(step_) / static_cast<double>(options_.steps);
  if (options_.budget_seconds > 0) fraction = std::max(fraction, elapsed_seconds_ / options_.budget_seconds);
  return std::min(fraction, 1.0);
}

bool Trainer::done() const {
  if (options_.steps > 0 && step_ >= options_.steps) return true;
  return options_.budget_seconds > 0 && elapsed_seconds_ >= options_.budget_seconds;
}

caddie_step Trainer::position() const {
  caddie_step step = {};
  step.struct_size = sizeof step;
  step.step = step_;
  step.steps = options_.steps;
  step.elapsed_seconds = elapsed_seconds_;
  step.budget_seconds = options_.budget_seconds;
  step.fraction = fraction();
  step.scale = 1;
  if (parts_.schedule != nullptr) {
    step.scale = parts_.schedule->table<caddie_schedule>().scale(parts_.schedule->abi(), &step);
  }
  return step;
}

UpdateOptions Trainer::update_options() const {
  return {options_.clip_norm, options_.seed, parts_.model->dims()};
}

Result<LossReport> Trainer::run_gradients(const caddie_step& position, TokenBatch* first) {
  LossReport mean;
  for (int part = 0; part < options_.accumulate; ++part) {
    // Loaders know nothing of processes here: everybody draws every batch, and runs its own.
    auto batch = next_batch();
    if (!batch) return batch.error();
    if (part % ranks() == rank()) {
      const auto key_step = static_cast<std::uint64_t>(position.step * options_.accumulate + part);
      const int place = exchange_ && !exchange_->adds_own_first() ? 0 : part / ranks();
      if (auto done = gradients_->run(*batch, position, place, {options_.seed, 0, key_step}); !done) {
        return done.error();
      }
    }
    if (part == 0) *first = std::move(*batch);
    if (part % ranks() != ranks() - 1) continue;
    const auto own = gradients_->report();
    if (!own) return own.error();
    if (auto done = end_round(part / ranks(), *own, &mean); !done) return done.error();
  }
  if (exchange_) {
    const bool all = update_->needs_all_gradients() || watch_.looks_at(gradients_->with_gradient());
    if (auto done = exchange_->finish(all); !done) return done.error();
  }
  return mean;
}

Result<void> Trainer::end_round(int round, const LossReport& own, LossReport* mean) {
  std::vector<LossReport> all = {own};
  if (exchange_) {
    if (auto done = exchange_->add(round); !done) return done;
    auto gathered = comm::everybodys(*parts_.group, own);
    if (!gathered) return gathered.error();
    all = std::move(*gathered);
  }
  for (const LossReport& report : all) {
    mean->loss += report.loss / options_.accumulate;
    mean->nll += report.nll / options_.accumulate;
  }
  return {};
}

Result<StepReport> Trainer::step() {
  const Clock::time_point start = Clock::now();
  const caddie_step position = this->position();
  if (!std::isfinite(position.scale)) {
    return Error{Code::argument, "schedule", fmt::format("gave the scale {} at step {}", position.scale, step_)};
  }
  if (auto done = enter_phase(position.fraction, position.scale); !done) return done.error();
  TokenBatch batch;
  const auto loss = run_gradients(position, &batch);
  if (!loss) return loss.error();
  if (!std::isfinite(loss->loss)) {
    return Error{
        Code::state, fmt::format("step {}", step_),
        fmt::format(
            "the loss is {}: the run diverged (learning-rate scale {:.4g}); lower the learning rates or clip gradients",
            loss->loss, position.scale)};
  }
  if (auto done = observe(batch, position); !done) return done.error();
  const graph::RunKey key{options_.seed, 1, static_cast<std::uint64_t>(step_)};
  if (auto done = update_->run(position, key); !done) return done.error();
  const auto norm = update_->gradient_norm();
  if (!norm) return norm.error();

  StepReport report;
  report.step = step_++;
  report.loss = *loss;
  report.gradient_norm = *norm;
  report.scale = position.scale;
  report.seconds = seconds_since(start);
  if (ranks() > 1) {
    if (auto done = comm::agree(*parts_.group, report.seconds); !done) return done.error();
  }
  report.tokens = options_.batch * options_.context * options_.accumulate;
  elapsed_seconds_ += report.seconds;
  return report;
}

Result<void> Trainer::gather() {
  if (gathered_step_ == step_) return {};
  if (auto done = update_->gather_states(); !done) return done;
  gathered_step_ = step_;
  return {};
}

Result<void> Trainer::check_gathered() const {
  if (ranks() == 1 || gathered_step_ == step_) return {};
  return Error{Code::internal, fmt::format("step {}", step_), "states of other processes are asked for before gather()"};
}

Result<Checkpoint> Trainer::checkpoint() const {
  if (auto done = check_gathered(); !done) return done.error();
  Checkpoint checkpoint;
  checkpoint.step = step_;
  checkpoint.elapsed_seconds = elapsed_seconds_;
  checkpoint.run_digest = options_.run_digest;
  const auto take = [&](const std::string& name, const graph::BufferPtr& buffer) -> Result<void> {
    std::vector<std::uint8_t>& section = checkpoint.sections[name];
    section.resize(buffer->size_bytes());
    return executor_->download(std::as_writable_bytes(std::span(section)), {buffer, 0});
  };
  for (const Bank& bank : store_.banks()) {
    if (auto done = take("bank/" + bank.name, bank.values); !done) return done.error();
  }
  for (const auto& [path, entry] : states_.entries()) {
    if (auto done = take(path, entry.buffer); !done) return done.error();
  }
  auto loader = parts_.loader->save();
  if (!loader) return loader.error();
  checkpoint.sections["loader"] = std::move(*loader);
  const nlohmann::json young = {{"phase", phase_.value_or(std::vector<bool>())}, {"probed_steps", probed_steps_}, {"watched", watch_.to_json()}, {"blocks", activity_.to_json()}};
  const std::string activity = young.dump();
  checkpoint.sections["activity"].assign(activity.begin(), activity.end());
  return checkpoint;
}

Result<void> Trainer::restore(const Checkpoint& checkpoint) {
  if (checkpoint.run_digest != options_.run_digest) {
    return Error{Code::state, "checkpoint", "belongs to another run: manifest, data or plugins differ"};
  }
  step_ = gathered_step_ = checkpoint.step;
  elapsed_seconds_ = checkpoint.elapsed_seconds;
  const double scale = position().scale;
  if (auto done = enter_phase(fraction(), scale); !done) return done;  // its states must exist before they are filled
  const auto put = [&](const std::string& name, const graph::BufferPtr& buffer) -> Result<void> {
    const auto section = checkpoint.sections.find(name);
    if (section == checkpoint.sections.end() || section->second.size() != buffer->size_bytes()) {
      return Error{Code::format, "checkpoint",
                   fmt::format("has no section \"{}\" of {} bytes", name, buffer->size_bytes())};
    }
    return executor_->upload({buffer, 0}, std::as_bytes(std::span(section->second)));
  };
  for (const Bank& bank : store_.banks()) {
    if (auto done = put("bank/" + bank.name, bank.values); !done) return done;
  }
  for (const auto& [path, entry] : states_.entries()) {
    if (auto done = put(path, entry.buffer); !done) return done;
  }
  if (auto done = restore_activity(checkpoint); !done) return done;
  const auto loader = checkpoint.sections.find("loader");
  if (loader == checkpoint.sections.end()) return Error{Code::format, "checkpoint", "has no section \"loader\""};
  return parts_.loader->load(loader->second);
}

Result<void> Trainer::restore_activity(const Checkpoint& checkpoint) {
  const auto section = checkpoint.sections.find("activity");
  if (section == checkpoint.sections.end()) return Error{Code::format, "checkpoint", "has no section \"activity\""};
  const auto json = nlohmann::json::parse(section->second.begin(), section->second.end(), nullptr, false);
  const bool fits = !section->second.empty() && section->second.back() == '}' && json.is_object() && json.contains("watched") && json.contains("blocks") && json.contains("probed_steps") &&
                    json["probed_steps"].is_number_integer();
  if (!fits) return Error{Code::format, "checkpoint", "its section \"activity\" is malformed"};
  if (auto done = watch_.load(json["watched"]); !done) return done;
  activity_ = ActivityRecord::from_json(json["blocks"]);
  // Where a phase begins with the next step, its probe has yet to see its first one.
  if (json.value("phase", nlohmann::json()) != nlohmann::json(*phase_)) return {};
  probed_steps_ = json["probed_steps"].get<int>();
  if (probed_steps_ >= GradientWatch::kSteps) probe_.reset();
  return {};
}

Result<std::vector<HostTensor>> Trainer::averaged_weights() {
  if (auto done = check_gathered(); !done) return done.error();
  const auto values = averaged_values(*executor_, store_, states_, parts_.averagers, position(), update_options());
  if (!values) return values.error();
  return store_.download_from(*values);
}

std::size_t Trainer::arena_bytes() const { return gradients_->program_arena() + update_->program_arena(); }

}  // namespace caddie::train
