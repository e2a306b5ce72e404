// One evaluation from weights to bits per byte: plan, score chunk by chunk, adapt between chunks where a strategy is
// given. One thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/byte_table.hpp"
#include "core/data/token_stream.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/plugins/object.hpp"
#include "core/score/scorer.hpp"
#include "core/train/banks.hpp"

namespace caddie::score {

struct EvaluationParts {
  const plugins::Model* model = nullptr;
  const std::vector<train::HostTensor>* weights = nullptr;
  const plugins::Object* evaluator = nullptr;  // nullptr: windows of the context, end to end
  plugins::Object* strategy = nullptr;  // nullptr: the weights stay as they are
  const data::TokenStream* tokens = nullptr;
  const data::ByteTable* bytes = nullptr;
};

struct EvaluationOptions {
  std::int64_t context = 0;
  std::int64_t rows = 8;          // windows in one run of the program
  std::int64_t max_targets = 0;   // 0: all; else the first so many (a quick look, marked as such)
  std::uint64_t seed = 0;
  std::filesystem::path ledger;   // empty: scores are sealed but not kept
  std::string subject;            // digests of what is scored, kept in the ledger
};

struct EvaluationProgress {
  std::int64_t scored = 0, targets = 0;
  Totals totals;
};

struct EvaluationReport {
  Totals totals;
  std::int64_t targets = 0;        // declared; equals totals.targets unless the plan leaves some out
  std::int64_t windows = 0;
  std::int64_t chunks = 1;
  std::uint64_t adaptations = 0;   // gradient steps
  std::int64_t tokens_run = 0;     // through the network for scoring
  double score_seconds = 0;
  double adapt_seconds = 0;
  std::string ledger_digest;
  std::vector<std::string> remarks;
};

// All targets of the stream: tokens - 1, so that the tail counts too.
Result<EvaluationReport> evaluate(graph::Executor& executor, const EvaluationParts& parts,
                                  const EvaluationOptions& options,
                                  const std::function<void(const EvaluationProgress&)>& progress);

}  // namespace caddie::score
