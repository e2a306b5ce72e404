#include "runner/pipeline/evaluate_stage.hpp"

#include <algorithm>

#include "core/base/file.hpp"

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;

// Rows of one scoring call: about as many tokens as training runs at once.
std::int64_t scoring_rows(const manifest::Manifest& manifest) {
  const std::int64_t tokens = static_cast<std::int64_t>(manifest.train.batch) / manifest.train.accumulate * manifest.train.context;
  return std::clamp<std::int64_t>(tokens / manifest.model.context, 1, 64);
}

score::EvaluationParts evaluation_parts(const EvaluateStage& stage, const std::vector<train::HostTensor>& weights) {
  score::EvaluationParts parts;
  parts.model = stage.model;
  parts.weights = &weights;
  parts.evaluator = stage.evaluator;
  parts.strategy = stage.strategy;
  parts.tokens = &stage.dataset->validation();
  parts.bytes = &stage.dataset->byte_table();
  return parts;
}

score::EvaluationOptions evaluation_options(const EvaluateStage& stage) {
  score::EvaluationOptions options;
  options.context = stage.manifest->model.context;
  options.rows = scoring_rows(*stage.manifest);
  options.seed = static_cast<std::uint64_t>(stage.manifest->seed);
  options.subject = stage.subject;
  return options;
}

Json report_json(const score::EvaluationReport& report) {
  return {{"nll", report.totals.nll},
          {"targets", report.totals.targets},
          {"bytes", report.totals.bytes},
          {"bits_per_byte", report.totals.bits_per_byte()},
          {"nats_per_token", report.totals.nats_per_token()},
          {"declared_targets", report.targets},
          {"windows", report.windows},
          {"chunks", report.chunks},
          {"adaptations", report.adaptations},
          {"tokens_run", report.tokens_run},
          {"score_seconds", report.score_seconds},
          {"adapt_seconds", report.adapt_seconds},
          {"ledger_digest", report.ledger_digest},
          {"remarks", report.remarks}};
}

}  // namespace

Result<score::EvaluationReport> run_evaluation(const EvaluateStage& stage, const std::vector<train::HostTensor>& weights,
                                               const std::filesystem::path& output) {
  score::EvaluationOptions options = evaluation_options(stage);
  options.ledger = output / kLedgerFile;
  const auto report = score::evaluate(*stage.executor, evaluation_parts(stage, weights), options,
                                      [&](const score::EvaluationProgress& progress) {
                                        stage.reporter->evaluate(stage.evaluator->instance(), progress);
                                      });
  if (!report) return report.error();
  if (auto done = write_atomically(output / kEvaluationReport, report_json(*report).dump(2) + "\n"); !done) return done.error();
  return report;
}

Result<score::EvaluationReport> read_evaluation_report(const std::filesystem::path& folder) {
  const auto text = read_text(folder / kEvaluationReport);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return Error{Code::format, (folder / kEvaluationReport).string(), "is no JSON object"};
  score::EvaluationReport report;
  report.totals.nll = json.value("nll", 0.0);
  report.totals.targets = json.value("targets", std::int64_t{0});
  report.totals.bytes = json.value("bytes", std::int64_t{0});
  report.targets = json.value("declared_targets", std::int64_t{0});
  report.windows = json.value("windows", std::int64_t{0});
  report.chunks = json.value("chunks", std::int64_t{1});
  report.adaptations = json.value("adaptations", std::uint64_t{0});
  report.tokens_run = json.value("tokens_run", std::int64_t{0});
  report.score_seconds = json.value("score_seconds", 0.0);
  report.adapt_seconds = json.value("adapt_seconds", 0.0);
  report.ledger_digest = json.value("ledger_digest", "");
  for (const Json& remark : json.value("remarks", Json::array())) {
    if (remark.is_string()) report.remarks.push_back(remark.get<std::string>());
  }
  return report;
}

Result<QuickLook> quick_look(const EvaluateStage& stage, const std::vector<train::HostTensor>& weights) {
  score::EvaluationParts parts = evaluation_parts(stage, weights);
  parts.evaluator = nullptr;
  parts.strategy = nullptr;
  score::EvaluationOptions options = evaluation_options(stage);
  options.max_targets = kQuickTargets;
  const auto report = score::evaluate(*stage.executor, parts, options, {});
  if (!report) return report.error();
  return QuickLook{report->totals.bits_per_byte(), stage.dataset->validation().size() - 1 > kQuickTargets};
}

}  // namespace caddie::pipeline
