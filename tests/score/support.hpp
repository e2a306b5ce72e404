// One evaluation of the tiny model, with everything it leaves.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/score/evaluation.hpp"
#include "core/score/ledger.hpp"
#include "tests/train/support.hpp"

namespace caddie::score::test {

using train::test::random_tokens;

struct Setting {
  std::vector<data::TokenId> tokens;
  std::int64_t context = 8;
  std::int64_t rows = 2;
  std::int64_t max_targets = 0;
  const plugins::Object* evaluator = nullptr;
  plugins::Object* strategy = nullptr;
  std::function<void(std::vector<train::HostTensor>&)> change = {};  // of the weights
  std::function<void(const EvaluationProgress&)> progress = {};
};

struct Outcome {
  train::test::TinyModel model;
  std::vector<train::HostTensor> weights;
  EvaluationReport report;
  LedgerContent content;
  std::map<std::int64_t, Record> records;        // by target
  std::map<std::int64_t, std::uint64_t> version; // of the weights, by target

  [[nodiscard]] double nll(std::size_t target) const { return records.at(static_cast<std::int64_t>(target)).nll; }
};

inline std::vector<std::int32_t> ids(const std::vector<data::TokenId>& tokens, std::size_t first, std::size_t count) {
  return {tokens.begin() + static_cast<std::ptrdiff_t>(first),
          tokens.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

// Throws what the host says.
inline Outcome evaluated(const Setting& setting) {
  Outcome run;
  run.weights = run.model.weights();
  if (setting.change) setting.change(run.weights);
  const train::test::Stream stream({setting.tokens});
  const data::ByteTable bytes = train::test::tiny_bytes();
  const train::test::TemporaryFolder folder;
  EvaluationParts parts;
  parts.model = &*run.model;
  parts.weights = &run.weights;
  parts.evaluator = setting.evaluator;
  parts.strategy = setting.strategy;
  parts.tokens = &*stream;
  parts.bytes = &bytes;
  EvaluationOptions options;
  options.context = setting.context;
  options.rows = setting.rows;
  options.max_targets = setting.max_targets;
  options.ledger = folder / "ledger";
  options.subject = "the tiny model";
  const auto executor = train::test::reference();
  run.report = train::test::value_of(evaluate(*executor, parts, options, setting.progress));
  run.content = train::test::value_of(read_ledger(folder / "ledger"));
  for (const Block& block : run.content.blocks) {
    for (const Record& record : block.records) {
      if (!run.records.emplace(record.target, record).second) {
        throw std::runtime_error("a target is in the ledger twice");
      }
      run.version[record.target] = block.version;
    }
  }
  return run;
}

// What the host says where it must not succeed.
inline std::string failed(const Setting& setting) {
  try {
    evaluated(setting);
  } catch (const std::exception& exception) {
    return exception.what();
  }
  return "(no error)";
}

}  // namespace caddie::score::test
