#include "runner/pipeline/run.hpp"

#include <fmt/format.h>

#include <chrono>
#include <set>

#include "core/base/file.hpp"
#include "core/base/installation.hpp"
#include "core/base/text.hpp"
#include "core/comm/processors.hpp"
#include "core/cpu/kernels/ceiling.hpp"
#include "core/graph/profiling.hpp"
#include "core/train/safetensors.hpp"
#include "runner/pipeline/artifact_stage.hpp"
#include "runner/pipeline/evaluate_stage.hpp"
#include "runner/pipeline/model_parts.hpp"
#include "runner/pipeline/prepare_stage.hpp"
#include "runner/pipeline/profile_report.hpp"
#include "runner/pipeline/stage_inputs.hpp"
#include "runner/pipeline/stage_store.hpp"
#include "runner/pipeline/train_stage.hpp"

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Puts a stage's file into the run's folder: the same bytes by a hard link, or a copy where that is not possible.
Result<void> place_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code code;
  std::filesystem::remove(to, code);
  std::filesystem::create_hard_link(from, to, code);
  if (!code) return {};
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, code);
  if (code) return Error{Code::io, to.string(), fmt::format("cannot be made from {}: {}", from.string(), code.message())};
  return {};
}

// One run in progress: what the stages share.
class Runner {
 public:
  Runner(const manifest::Resolution& resolution, const plugins::Registry& registry, const RunOptions& options, Reporter& reporter)
      : resolution_(resolution),
        manifest_(resolution.manifest),
        compute_(resolution.manifest.compute),
        registry_(registry),
        options_(options),
        reporter_(reporter),
        folder_(run_folder(resolution, options)),
        store_(options.runs / ".stages"),
        host_(static_cast<std::uint64_t>(manifest_.seed)) {}

  Result<RunResult> run() {
    if (!is_first()) return follow();
    for (const Step step : {&Runner::begin, &Runner::open_inputs, &Runner::wait_for_all, &Runner::open_executor, &Runner::train, &Runner::quantize, &Runner::evaluate, &Runner::finish}) {
      if (auto done = (this->*step)(); !done) return done.error();
    }
    return std::move(result_);
  }

 private:
  using Step = Result<void> (Runner::*)();

  [[nodiscard]] bool is_first() const { return options_.group == nullptr || options_.group->rank() == 0; }
  Result<void> wait_for_all() { return options_.group == nullptr ? Result<void>() : options_.group->wait_for_all(); }

  // What the other processes do: data that rank 0 has prepared, and training.
  Result<RunResult> follow() {
    if (auto done = wait_for_all(); !done) return done.error();
    for (const Step step : {&Runner::open_inputs, &Runner::open_executor, &Runner::follow_training}) {
      if (auto done = (this->*step)(); !done) return done.error();
    }
    return RunResult();
  }

  Result<void> follow_training() {
    bool reused = false;
    if (auto done = comm::agree(*options_.group, reused); !done || reused) return done;
    train_key_ = stage_key("train", train_inputs(resolution_.resolved, manifest_, registry_, dataset_->digest()));
    auto trained = run_training(train_stage(), {});
    return trained ? Result<void>() : Result<void>(trained.error());
  }

  [[nodiscard]] TrainStage train_stage() {
    return {executor_.get(), &manifest_, &*model_,      &objects_,  &*dataset_,
            folder_,         train_key_, options_.group, devices_.get(), thread_count(compute_), &reporter_};
  }

  Result<void> begin() {
    result_.name = manifest_.name;
    result_.digest = resolution_.digest;
    result_.seed = manifest_.seed;
    result_.artifact_cap = manifest_.budget.artifact_bytes;
    if (std::string remark = without_effect(compute_); !remark.empty()) result_.remarks.push_back(std::move(remark));
    std::error_code code;
    std::filesystem::remove(folder_ / kResultFile, code);
    if (options_.fresh) std::filesystem::remove_all(folder_ / "checkpoints", code);
    if (auto done = write_atomically(folder_ / kResolvedFile, std::string_view(resolution_.canonical)); !done) return done;
    return write_atomically(folder_ / kOriginsFile, resolution_.origins.dump(2) + "\n");
  }

  Result<void> open_inputs() {
    const Clock::time_point start = Clock::now();
    reporter_.begin_stage("prepare");
    auto data = open_data(manifest_, reporter_);
    if (!data) return data.error();
    dataset_.emplace(std::move(data->dataset));
    end_stage("prepare", seconds_since(start), !data->prepared).remark =
        fmt::format("{:.2f}M tokens", static_cast<double>(dataset_->train().size()) * 1e-6);

    auto objects = create_objects(manifest_, registry_, host_);
    if (!objects) return objects.error();
    objects_ = std::move(*objects);
    const auto dims = model_dims(manifest_, dataset_->vocab_size());
    if (!dims) return dims.error();
    auto model = make_model(manifest_, *dims, objects_.blocks);
    if (!model) return model.error();
    model_.emplace(std::move(*model));
    return {};
  }

  // After everybody has the data: all take part in what is asked here.
  Result<void> open_executor() {
    if (options_.group != nullptr && compute_.threads == 0) {
      const auto share = comm::share_of_processors(*options_.group);
      if (!share) return share.error();
      compute_.threads = *share;
    }
    auto executor = make_executor(compute_, options_.profile);
    if (!executor) return executor.error();
    executor_ = std::move(*executor);
    if (options_.profile) executor_ = graph::make_profiling_executor(std::move(executor_), profile_);
    return open_devices();
  }

  // Devices that can sum among themselves do; others meet on the hosts.
  Result<void> open_devices() {
    if (options_.group == nullptr || manifest_.compute.backend != "cuda") return {};
    auto devices = comm::open_device_group(*options_.group, program_path());
    if (devices) {
      devices_ = std::move(*devices);
      return {};
    }
    if (devices.error().code != Code::unsupported) return devices.error();
    reporter_.note("gradients go through the memory of the hosts: " + devices.error().text);
    return {};
  }

  Result<void> train() {
    const Json inputs = train_inputs(resolution_.resolved, manifest_, registry_, dataset_->digest());
    train_key_ = stage_key("train", inputs);
    const auto make = [&](const std::filesystem::path& output) -> Result<void> {
      if (auto trained = run_training(train_stage(), output); !trained) return trained.error();
      return place_file(folder_ / kMetrics, output / kMetrics);
    };
    reporter_.begin_stage("train");
    bool reused = is_stored("train", train_key_);
    if (options_.group != nullptr) {
      if (auto done = comm::agree(*options_.group, reused); !done) return done;
    }
    auto path = stage_path("train", train_key_, inputs, make, &reused);
    if (!path) return path.error();
    const auto report = read_train_report(*path);
    if (!report) return report.error();
    if (reused) {
      if (auto done = place_file(*path / kMetrics, folder_ / kMetrics); !done) return done;
    }
    result_.parameters = report->parameters;
    result_.steps = report->steps;
    result_.train_seconds = report->seconds;
    result_.tokens_per_second = report->tokens_per_second;
    result_.final_loss = report->final_loss;
    result_.arena_bytes = report->arena_bytes;
    result_.activity = report->activity;
    StageResult& stage = end_stage("train", report->seconds, reused);
    stage.remark = fmt::format("{} steps", with_separators(report->steps));
    if (manifest_.budget.train_seconds > 0) stage.budget_seconds = manifest_.budget.train_seconds;
    return look_at_training(*path, report->average_seconds, reused);
  }

  // Bits per byte of the raw and of the averaged weights.
  Result<void> look_at_training(const std::filesystem::path& path, double average_seconds, bool reused) {
    const auto raw = train::read_safetensors(path / kRawWeights);
    if (!raw) return raw.error();
    if (auto done = look("train", *raw); !done) return done;
    auto averaged = train::read_safetensors(path / kAveragedWeights);
    if (!averaged) return averaged.error();
    weights_ = std::move(*averaged);
    if (auto done = drop_what_only_training_has(); !done) return done;
    if (manifest_.averagers.empty()) return {};
    reporter_.begin_stage("average");
    end_stage("average", average_seconds, reused);
    return look("average", weights_);
  }

  // Parameters that scoring does not declare (heads for tokens further on) cost no byte of the artifact.
  Result<void> drop_what_only_training_has() {
    plugins::BuildRequest request;
    request.mode = CADDIE_MODE_EVALUATE;
    request.context = manifest_.model.context;
    const auto build = model_->build(request);
    if (!build) return build.error();
    std::set<std::string> needed;
    for (const plugins::TensorDeclaration& tensor : build->parameters) needed.insert(tensor.path);
    const auto dropped = std::erase_if(weights_, [&](const train::HostTensor& tensor) { return !needed.contains(tensor.path); });
    if (dropped > 0) result_.remarks.push_back(fmt::format("{} tensors that only training uses are left out of the artifact", dropped));
    return {};
  }

  Result<void> quantize() {
    if (manifest_.quantize.empty()) {
      result_.remarks.push_back("the manifest has no \"quantize\" section: no artifact was made, the averaged weights are scored");
      return {};
    }
    const Json inputs = artifact_inputs(resolution_.resolved, manifest_, registry_, train_key_);
    const std::string key = stage_key("artifact", inputs);
    reporter_.begin_stage("quantize");
    bool reused = false;
    auto path = stage_path("artifact", key, inputs, [&](const std::filesystem::path& output) -> Result<void> {
      const ArtifactStage stage{&manifest_, &resolution_.resolved, &objects_, &*dataset_};
      auto made = run_artifact(stage, weights_, output);
      if (!made) return made.error();
      return {};
    }, &reused);
    if (!path) return path.error();
    const auto report = read_artifact_report(*path);
    if (!report) return report.error();
    if (auto done = place_file(*path / kArtifactFile, folder_ / kArtifactFile); !done) return done;
    result_.sizes = report->sizes;
    result_.artifact_digest = report->digest;
    end_stage("quantize", report->quantize_seconds, reused);
    end_stage("compress", report->compress_seconds, reused);
    check_size();
    return load_artifact();
  }

  // From here on only what the artifact holds counts.
  Result<void> load_artifact() {
    auto bytes = read_bytes(folder_ / kArtifactFile);
    if (!bytes) return bytes.error();
    const auto artifact = artifact::Artifact::open(std::move(*bytes), (folder_ / kArtifactFile).string());
    if (!artifact) return artifact.error();
    auto weights = decode_artifact(*artifact, registry_, host_);
    if (!weights) return weights.error();
    weights_ = std::move(*weights);
    return look("compress", weights_);
  }

  Result<void> evaluate() {
    for (std::size_t i = 0; i < manifest_.evaluators.size(); ++i) {
      if (auto done = evaluate_with(i); !done) return done;
    }
    if (manifest_.evaluators.empty()) result_.remarks.push_back("the manifest has no \"evaluators\": nothing was scored");
    return {};
  }

  Result<void> evaluate_with(std::size_t index) {
    const manifest::PluginEntry& entry = manifest_.evaluators[index];
    const std::string subject = result_.artifact_digest.empty() ? train_key_ : result_.artifact_digest;
    const Json inputs = evaluate_inputs(manifest_, entry, registry_, subject, dataset_->digest());
    const std::string key = stage_key("evaluate", inputs);
    const std::string name = "evaluate " + entry.name;
    reporter_.begin_stage(name);
    bool reused = false;
    auto path = stage_path("evaluate", key, inputs, [&](const std::filesystem::path& output) -> Result<void> {
      EvaluateStage stage = evaluate_stage();
      stage.evaluator = &objects_.evaluators[index];
      stage.strategy = objects_.ttt.get();
      stage.subject = fmt::format("artifact {} data {}", subject, dataset_->digest());
      auto scored = run_evaluation(stage, weights_, output);
      if (!scored) return scored.error();
      return {};
    }, &reused);
    if (!path) return path.error();
    const auto report = read_evaluation_report(*path);
    if (!report) return report.error();
    if (auto done = place_file(*path / kLedgerFile, folder_ / ("ledger." + entry.name)); !done) return done;
    take_score(name, *report, reused);
    return {};
  }

  void take_score(const std::string& name, const score::EvaluationReport& report, bool reused) {
    const double seconds = report.score_seconds + report.adapt_seconds;
    StageResult& stage = end_stage(name, seconds, reused);
    stage.budget_seconds = manifest_.budget.evaluate_seconds;
    stage.bits_per_byte = report.totals.bits_per_byte();
    if (report.adaptations > 0) stage.remark = fmt::format("{} ttt steps", with_separators(static_cast<std::int64_t>(report.adaptations)));
    result_.bits_per_byte = report.totals.bits_per_byte();
    result_.nats_per_token = report.totals.nats_per_token();
    result_.targets = report.totals.targets;
    result_.target_bytes = report.totals.bytes;
    result_.ledger_digest = report.ledger_digest;
    for (const std::string& remark : report.remarks) result_.remarks.push_back(name + ": " + remark);
    const bool covered = report.totals.targets == report.targets;
    result_.checks.push_back({name + ": coverage", covered,
                              covered ? fmt::format("each of {} targets scored once, before any update that saw it", with_separators(report.targets))
                                      : fmt::format("{} of {} targets scored", with_separators(report.totals.targets), with_separators(report.targets))});
    const double cap = manifest_.budget.evaluate_seconds;
    result_.checks.push_back({name + ": time", seconds <= cap, fmt::format("{:.1f} s of {:.0f} s", seconds, cap)});
  }

  Result<void> finish() {
    if (manifest_.budget.train_seconds > 0) {
      const double cap = manifest_.budget.train_seconds;
      result_.checks.push_back({"train: time", result_.train_seconds <= cap * 1.01, fmt::format("{:.1f} s of {:.0f} s", result_.train_seconds, cap)});
    }
    if (options_.profile) {
      const bool on_processor = manifest_.compute.backend == "cpu";
      const double ceiling = on_processor ? cpu::ceiling_gflops(thread_count(compute_)) : 0;
      if (auto done = write_profile(*profile_, ceiling, folder_); !done) return done;
    }
    return write_atomically(folder_ / kResultFile, to_json(result_).dump(2) + "\n");
  }

  void check_size() {
    const artifact::CapCheck check = artifact::check_cap(result_.sizes.total, 0, manifest_.budget.artifact_bytes);
    result_.checks.push_back({"artifact: size", check.fits,
                              check.fits ? fmt::format("{} B, {} B under the cap", with_separators(check.total), with_separators(check.headroom))
                                         : fmt::format("{} B, {} B over the cap", with_separators(check.total), with_separators(-check.headroom))});
  }

  [[nodiscard]] bool is_stored(const std::string& stage, const std::string& key) const {
    return store_.has(stage, key) && !options_.fresh;
  }

  // The stored stage, or a new one.
  Result<std::filesystem::path> stage_path(const std::string& stage, const std::string& key, const Json& inputs,
                                           const std::function<Result<void>(const std::filesystem::path&)>& make, bool* reused) {
    *reused = is_stored(stage, key);
    if (*reused) return store_.path(stage, key);
    if (options_.fresh) {
      std::error_code code;
      std::filesystem::remove_all(store_.path(stage, key), code);
    }
    return store_.make(stage, key, inputs, make);
  }

  StageResult& end_stage(const std::string& name, double seconds, bool reused) {
    reporter_.end_stage(name, seconds, reused);
    StageResult stage;
    stage.name = name;
    stage.seconds = seconds;
    stage.reused = reused;
    result_.stages.push_back(std::move(stage));
    return result_.stages.back();
  }

  EvaluateStage evaluate_stage() {
    EvaluateStage stage;
    stage.executor = executor_.get();
    stage.manifest = &manifest_;
    stage.model = &*model_;
    stage.dataset = &*dataset_;
    stage.reporter = &reporter_;
    return stage;
  }

  // Scores the weights after the last stage.
  Result<void> look(const std::string& stage, const std::vector<train::HostTensor>& weights) {
    const auto seen = quick_look(evaluate_stage(), weights);
    if (!seen) return seen.error();
    for (StageResult& result : result_.stages) {
      if (result.name != stage) continue;
      result.bits_per_byte = seen->bits_per_byte;
      result.partial = seen->partial;
    }
    return {};
  }

  const manifest::Resolution& resolution_;
  const manifest::Manifest& manifest_;
  manifest::ComputeSettings compute_;  // with the number of threads
  const plugins::Registry& registry_;
  const RunOptions& options_;
  Reporter& reporter_;
  std::filesystem::path folder_;
  StageStore store_;
  plugins::Host host_;
  RunResult result_;
  // Destroyed in reverse: programs before the executor, objects before the host.
  std::shared_ptr<graph::ProfileSink> profile_ = std::make_shared<graph::ProfileSink>();
  std::unique_ptr<graph::Executor> executor_;
  std::unique_ptr<comm::DeviceGroup> devices_;
  Objects objects_;
  std::optional<data::Dataset> dataset_;
  std::optional<plugins::Model> model_;
  std::vector<train::HostTensor> weights_;
  std::string train_key_;
};

}  // namespace

std::filesystem::path run_folder(const manifest::Resolution& resolution, const RunOptions& options) {
  const std::string& name = resolution.manifest.name;
  return options.runs / fmt::format("{}-{}", name.empty() ? "run" : name, resolution.digest.substr(0, 8));
}

Result<RunResult> run(const manifest::Resolution& resolution, const plugins::Registry& registry, const RunOptions& options,
                      Reporter& reporter) {
  return Runner(resolution, registry, options, reporter).run();
}

}  // namespace caddie::pipeline
