#include "runner/pipeline/train_stage.hpp"

#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <fstream>
#include <numeric>
#include <optional>

#include "core/base/file.hpp"
#include "core/train/safetensors.hpp"
#include "runner/pipeline/interrupt.hpp"

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
constexpr int kCheckpointsKept = 2;
constexpr std::size_t kLossWindow = 50;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// One JSON object a line, appended as training goes on.
class MetricsFile {
 public:
  // Keeps the lines of steps before `step`: a resumed run writes the others again.
  static Result<MetricsFile> open(const std::filesystem::path& path, std::int64_t step) {
    std::string kept;
    std::error_code code;
    if (step > 0 && std::filesystem::exists(path, code)) {
      const auto text = read_text(path);
      if (!text) return text.error();
      kept = lines_before(*text, step);
    }
    if (auto done = write_atomically(path, std::string_view(kept)); !done) return done.error();
    MetricsFile file;
    file.path_ = path;
    file.stream_.open(path, std::ios::app);
    return file;
  }

  Result<void> append(const train::StepReport& report, double elapsed) {
    const Json line = {{"step", report.step},        {"loss", report.loss.loss}, {"nll", report.loss.nll},
                       {"grad_norm", report.gradient_norm}, {"scale", report.scale},    {"seconds", report.seconds},
                       {"elapsed", elapsed}};
    stream_ << line.dump() << '\n' << std::flush;
    if (!stream_) return Error{Code::io, path_.string(), "cannot be written; is the disk full?"};
    return {};
  }

 private:
  static std::string lines_before(const std::string& text, std::int64_t step) {
    std::string kept;
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t end = text.find('\n', at);
      if (end == std::string::npos) break;  // a line cut short by a kill
      const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end),
                                    nullptr, false);
      const bool before = line.is_object() && line.contains("step") && line["step"].is_number_integer() && line["step"] < step;
      if (before) kept.append(text, at, end + 1 - at);
      at = end + 1;
    }
    return kept;
  }

  std::filesystem::path path_;
  std::ofstream stream_;
};

Result<void> save_checkpoint(const train::Trainer& trainer, const std::filesystem::path& folder) {
  const auto checkpoint = trainer.checkpoint();
  if (!checkpoint) return checkpoint.error();
  if (auto done = train::write_checkpoint(folder, *checkpoint); !done) return done;
  train::prune_checkpoints(folder, kCheckpointsKept);
  return {};
}

Result<void> restore_newest(train::Trainer& trainer, const TrainStage& stage, const std::filesystem::path& folder) {
  std::vector<std::string> skipped;
  const auto checkpoint = train::newest_checkpoint(folder, stage.run_digest, &skipped);
  if (!checkpoint) return checkpoint.error();
  for (const std::string& text : skipped) stage.reporter->note("passed over a checkpoint: " + text);
  if (!*checkpoint) return {};
  if (auto done = trainer.restore(**checkpoint); !done) return done;
  stage.reporter->note(fmt::format("goes on from the checkpoint at step {}", trainer.steps_done()));
  return {};
}

Json report_json(const TrainReport& report) {
  return {{"steps", report.steps},
          {"tokens", report.tokens},
          {"parameters", report.parameters},
          {"seconds", report.seconds},
          {"average_seconds", report.average_seconds},
          {"final_loss", report.final_loss},
          {"tokens_per_second", report.tokens_per_second},
          {"arena_bytes", report.arena_bytes},
          {"activity", train::to_json(report.activity)}};
}

Result<TrainReport> finish(train::Trainer& trainer, const TrainStage& stage, const std::deque<double>& losses,
                           const std::filesystem::path& output) {
  const Clock::time_point start = Clock::now();
  const auto averaged = trainer.averaged_weights();
  if (!averaged) return averaged.error();
  const auto raw = trainer.raw_weights();
  if (!raw) return raw.error();
  if (auto done = train::write_safetensors(output / kAveragedWeights, *averaged); !done) return done.error();
  if (auto done = train::write_safetensors(output / kRawWeights, *raw); !done) return done.error();
  TrainReport report;
  report.steps = trainer.steps_done();
  report.tokens = report.steps * stage.manifest->train.batch * stage.manifest->train.context;
  report.parameters = trainer.parameters().parameter_count();
  report.seconds = trainer.elapsed_seconds();
  report.average_seconds = seconds_since(start);
  if (!losses.empty()) report.final_loss = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  if (report.seconds > 0) report.tokens_per_second = static_cast<double>(report.tokens) / report.seconds;
  report.arena_bytes = static_cast<std::int64_t>(trainer.arena_bytes());
  report.activity = trainer.activity();
  if (auto done = write_atomically(output / kTrainReport, report_json(report).dump(2) + "\n"); !done) return done.error();
  return report;
}

}  // namespace

train::TrainerParts trainer_parts(const TrainStage& stage, const data::TokenStream& tokens) {
  const std::vector<manifest::PluginEntry>& optimizers = stage.manifest->optimizers;
  train::TrainerParts parts;
  parts.model = stage.model;
  for (std::size_t i = 0; i < optimizers.size(); ++i) {
    parts.optimizers.push_back({&stage.objects->optimizers[i], claims_of(optimizers[i])});
  }
  parts.schedule = stage.objects->schedule.get();
  for (const plugins::Object& averager : stage.objects->averagers) parts.averagers.push_back(&averager);
  parts.loader = stage.objects->loader.get();
  parts.tokens = &tokens;
  parts.group = stage.group;
  parts.devices = stage.devices;
  return parts;
}

train::TrainerOptions trainer_options(const TrainStage& stage) {
  const manifest::Manifest& manifest = *stage.manifest;
  train::TrainerOptions options;
  options.batch = manifest.train.batch / manifest.train.accumulate;
  options.context = manifest.train.context;
  options.accumulate = manifest.train.accumulate;
  options.steps = manifest.train.steps;
  if (manifest.budget.train_seconds > 0) options.budget_seconds = manifest.budget.train_seconds - manifest.budget.reserve_seconds;
  options.clip_norm = manifest.train.clip_norm;
  options.seed = static_cast<std::uint64_t>(manifest.seed);
  options.threads = stage.threads;
  std::vector<std::string> globs;
  for (const manifest::AllowedInert& allowed : manifest.allow_inert) globs.push_back(allowed.what);
  options.inert = train::InertAllowance(std::move(globs));
  options.run_digest = stage.run_digest;
  return options;
}

namespace {

bool is_first(const TrainStage& stage) { return stage.group == nullptr || stage.group->rank() == 0; }

// All processes must go on from the same step.
Result<void> check_start(const TrainStage& stage, std::int64_t step) {
  if (stage.group == nullptr) return {};
  std::int64_t first = step;
  if (auto done = comm::agree(*stage.group, first); !done) return done;
  if (first == step) return {};
  return Error{Code::state, stage.run_folder.string(),
               fmt::format("process {} goes on from step {} and process 0 from step {}; all processes must see the same "
                           "folder of runs",
                           stage.group->rank(), step, first)};
}

// A signal reaches every process, but not all between the same two steps: rank 0 decides.
Result<bool> interrupted(const TrainStage& stage) {
  int signal = interrupt_signal();
  if (stage.group != nullptr && stage.group->size() > 1) {
    if (auto done = comm::agree(*stage.group, signal); !done) return done.error();
    set_interrupt_signal(signal);  // what the exit code tells
  }
  return signal != 0;
}

}  // namespace

Result<TrainReport> run_training(const TrainStage& stage, const std::filesystem::path& output) {
  const manifest::Manifest& manifest = *stage.manifest;
  const std::filesystem::path checkpoints = stage.run_folder / "checkpoints";
  auto made = train::Trainer::make(*stage.executor, trainer_parts(stage, stage.dataset->train()), trainer_options(stage));
  if (!made) return made.error();
  train::Trainer& trainer = **made;
  if (auto done = restore_newest(trainer, stage, checkpoints); !done) return done.error();
  if (auto done = check_start(stage, trainer.steps_done()); !done) return done.error();
  std::optional<MetricsFile> metrics;
  if (is_first(stage)) {
    auto file = MetricsFile::open(stage.run_folder / kMetrics, trainer.steps_done());
    if (!file) return file.error();
    metrics = std::move(*file);
  }

  const train::TrainerOptions options = trainer_options(stage);
  std::deque<double> losses;
  while (!trainer.done()) {
    const auto report = trainer.step();
    if (!report) return report.error();
    losses.push_back(report->loss.nll);
    if (losses.size() > kLossWindow) losses.pop_front();
    if (metrics && (report->step % manifest.train.log_every == 0 || trainer.done())) {
      if (auto done = metrics->append(*report, trainer.elapsed_seconds()); !done) return done.error();
    }
    stage.reporter->train({*report, options.steps, trainer.elapsed_seconds(), options.budget_seconds, trainer.fraction()});
    const std::int64_t every = manifest.train.checkpoint_every;
    const bool due = every > 0 && trainer.steps_done() % every == 0 && !trainer.done();
    const auto stop = interrupted(stage);
    if (!stop) return stop.error();
    if (due || *stop) {
      if (auto done = trainer.gather(); !done) return done.error();
    }
    if (is_first(stage) && (due || *stop)) {
      if (auto done = save_checkpoint(trainer, checkpoints); !done) return done.error();
    }
    if (*stop && !trainer.done()) {
      return Error{Code::cancelled, fmt::format("step {}", trainer.steps_done()), "interrupted; a checkpoint is written, `caddie resume` goes on from it"};
    }
  }
  if (auto done = trainer.gather(); !done) return done.error();
  if (!is_first(stage)) return TrainReport();
  return finish(trainer, stage, losses, output);
}

Result<TrainReport> read_train_report(const std::filesystem::path& folder) {
  const auto text = read_text(folder / kTrainReport);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return Error{Code::format, (folder / kTrainReport).string(), "is no JSON object"};
  TrainReport report;
  report.steps = json.value("steps", std::int64_t{0});
  report.tokens = json.value("tokens", std::int64_t{0});
  report.parameters = json.value("parameters", std::int64_t{0});
  report.seconds = json.value("seconds", 0.0);
  report.average_seconds = json.value("average_seconds", 0.0);
  report.final_loss = json.value("final_loss", 0.0);
  report.activity = train::activity_from_json(json.value("activity", Json::array()));
  report.tokens_per_second = json.value("tokens_per_second", 0.0);
  report.arena_bytes = json.value("arena_bytes", std::int64_t{0});
  return report;
}

}  // namespace caddie::pipeline
