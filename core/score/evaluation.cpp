#include "core/score/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/score/adaptation.hpp"

namespace caddie::score {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A run of windows that are scored with one state of the weights.
struct ChunkWindows {
  std::int64_t first_target = 0;
  std::int64_t targets = 0;
  std::vector<Window> windows;
};

// A window belongs to the chunk of its first scored target; one that scores across a border is cut there, so that every
// target is scored before the chunk it is in is trained on.
std::vector<ChunkWindows> split(const Plan& plan, std::int64_t targets, std::int64_t chunk_targets) {
  chunk_targets = std::clamp<std::int64_t>(chunk_targets, 1, std::max<std::int64_t>(targets, 1));
  const std::int64_t count = (targets + chunk_targets - 1) / chunk_targets;
  std::vector<ChunkWindows> chunks(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    chunks[static_cast<std::size_t>(i)].first_target = i * chunk_targets;
    chunks[static_cast<std::size_t>(i)].targets = std::min(chunk_targets, targets - i * chunk_targets);
  }
  for (const Window& window : plan.windows) {
    Window rest = window;
    while (rest.score_count > 0) {
      const std::int64_t chunk = rest.score_first / chunk_targets;
      Window part = rest;
      part.score_count = std::min(rest.score_count, (chunk + 1) * chunk_targets - rest.score_first);
      // Inputs after the last scored target are of no use, and would be targets nobody scored.
      part.length = part.score_first + part.score_count - part.first;
      chunks[static_cast<std::size_t>(chunk)].windows.push_back(part);
      rest.score_first += part.score_count;
      rest.score_count -= part.score_count;
    }
  }
  return chunks;
}

// Where the targets end that the plan scores. What is trained on must be scored: a plan with a hole before that is an
// error.
Result<std::int64_t> scored_end(const Plan& plan, const plugins::Object* strategy) {
  std::int64_t end = 0;
  for (const Window& window : plan.windows) end = std::max(end, window.score_first + window.score_count);
  if (strategy != nullptr && plan.scored < end) {
    return Error{
        Code::argument, strategy->instance(),
        fmt::format(
            "cannot train on the stream: {} of the first {} targets are not scored by the evaluation plan; take "
            "an evaluator that scores every target",
            end - plan.scored, end)};
  }
  return end;
}

std::vector<int> all_frozen(const plugins::BuildResult& build) {
  return std::vector<int>(build.parameters.size(), train::kNoOwner);
}

Result<train::ParameterStore> frozen_store(graph::Executor& executor, const plugins::Model& model,
                                           const std::vector<train::HostTensor>& weights) {
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_EVALUATE;
  const auto build = model.build(request);
  if (!build) return build.error();
  auto store = train::ParameterStore::make(executor, build->parameters, all_frozen(*build), {});
  if (!store) return store.error();
  if (auto done = store->load(weights); !done) return done.error();
  return store;
}

}  // namespace

Result<EvaluationReport> evaluate(graph::Executor& executor, const EvaluationParts& parts,
                                  const EvaluationOptions& options,
                                  const std::function<void(const EvaluationProgress&)>& progress) {
  std::int64_t targets = parts.tokens->size() - 1;
  if (options.max_targets > 0) targets = std::min(targets, options.max_targets);
  auto vault = Vault::make(*parts.tokens, targets);
  if (!vault) return vault.error();
  auto ledger = Ledger::create(options.ledger, options.subject);
  if (!ledger) return ledger.error();
  auto plan = parts.evaluator == nullptr ? Result<Plan>(contiguous_plan(targets, options.context))
                                         : make_plan(*parts.evaluator, targets, options.context);
  if (!plan) return plan.error();

  std::unique_ptr<Adaptation> adaptation;
  if (parts.strategy != nullptr) {
    auto made = Adaptation::make(executor, *parts.model, *parts.strategy, *parts.weights, *vault, options.context,
                                 options.seed);
    if (!made) return made.error();
    adaptation = std::move(*made);
  }
  auto frozen = adaptation ? Result<train::ParameterStore>(train::ParameterStore())
                           : frozen_store(executor, *parts.model, *parts.weights);
  if (!frozen) return frozen.error();
  const auto end = scored_end(*plan, parts.strategy);
  if (!end) return end.error();
  const std::vector<ChunkWindows> chunks = split(*plan, *end, adaptation ? adaptation->chunk_targets() : targets);
  auto scorer = Scorer::make(executor, *parts.model, adaptation ? adaptation->parameters() : *frozen, options.rows,
                             options.context, usual_positions(plan->windows, options.rows, options.context), *vault,
                             **ledger, *parts.bytes);
  if (!scorer) return scorer.error();

  EvaluationReport report;
  report.chunks = static_cast<std::int64_t>(chunks.size());
  constexpr std::size_t kCallsBetweenProgress = 8;
  const std::size_t step = kCallsBetweenProgress * static_cast<std::size_t>(options.rows);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    Clock::time_point start = Clock::now();
    const std::span<const Window> windows = chunks[i].windows;
    for (std::size_t at = 0; at < windows.size(); at += step) {
      const auto part = windows.subspan(at, std::min(step, windows.size() - at));
      if (auto done = (*scorer)->score(part, adaptation ? adaptation->version() : 0); !done) return done.error();
      if (progress) progress({vault->sealed_count(), targets, (*scorer)->totals()});
    }
    report.score_seconds += seconds_since(start);
    if (!adaptation) continue;
    start = Clock::now();
    const auto count = static_cast<std::int64_t>(chunks.size());
    if (auto done =
            adaptation->after_chunk(static_cast<std::int64_t>(i), count, chunks[i].first_target, chunks[i].targets);
        !done) {
      return done.error();
    }
    report.adapt_seconds += seconds_since(start);
  }
  if (auto done = (*ledger)->close(); !done) return done.error();
  report.totals = (*scorer)->totals();
  report.targets = targets;
  report.windows = static_cast<std::int64_t>(plan->windows.size());
  report.adaptations = adaptation ? adaptation->version() : 0;
  report.tokens_run = (*scorer)->tokens_run();
  report.ledger_digest = (*ledger)->digest();
  report.remarks = plan->remarks;
  return report;
}

}  // namespace caddie::score
