// The scorer: runs windows through the model, takes each target's score itself, seals it, and only then frees the
// token. One thread. Executor, model, weights, vault and ledger must outlive it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/byte_table.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/score/ledger.hpp"
#include "core/score/plan.hpp"
#include "core/score/vault.hpp"
#include "core/train/banks.hpp"
#include "core/train/states.hpp"

namespace caddie::score {

// Sums over sealed targets. Doubles are exact for the byte counts and good to 1e-12 for the scores: compensated
// summation.
struct Totals {
  double nll = 0;           // nats
  std::int64_t targets = 0;
  std::int64_t bytes = 0;

  [[nodiscard]] double nats_per_token() const;
  // Sum of nll / (ln 2 * bytes): evaluation.md calls it bpb.
  [[nodiscard]] double bits_per_byte() const;
};

// Positions [first, first + count) of a window.
struct Positions {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// The positions that most windows score, where they are enough windows and few enough positions for a program of its own;
// else the whole context.
Positions usual_positions(std::span<const Window> windows, std::int64_t rows, std::int64_t context);

class Scorer {
 public:
  // Programs for windows of `rows` x `context`: one that scores all positions, and, where `usual` is less than that, one
  // that computes no more than these scores need.
  static Result<std::unique_ptr<Scorer>> make(graph::Executor& executor, const plugins::Model& model,
                                              const train::ParameterStore& parameters, std::int64_t rows,
                                              std::int64_t context, Positions usual, Vault& vault, Ledger& ledger,
                                              const data::ByteTable& bytes);

  // Scores these windows with the weights as they are (`version` counts adaptations) and seals the scores.
  Result<void> score(std::span<const Window> windows, std::uint64_t version);
  [[nodiscard]] const Totals& totals() const { return totals_; }
  [[nodiscard]] std::int64_t tokens_run() const { return tokens_run_; }

 private:
  // A compiled model that gives the scores of some positions.
  struct Network {
    Positions positions;
    std::unique_ptr<graph::Program> program;
    train::ScalarInputs scalars;
    graph::BufferPtr nll;

    [[nodiscard]] bool gives(const Window& window) const;
  };

  Scorer(graph::Executor& executor, Vault& vault, Ledger& ledger, const data::ByteTable& bytes);
  Result<void> add_network(const plugins::Model& model, const train::ParameterStore& parameters, Positions positions);
  // The one with the least work that gives the window's scores.
  [[nodiscard]] Network& network_for(const Window& window);
  Result<void> run_batch(Network& network, std::span<const Window> windows, std::uint64_t version);
  Result<void> fill(std::span<const Window> windows);
  // `nll` are the scores of this row of the batch, of the network's positions.
  Result<void> seal(const Window& window, std::size_t row, std::span<const float> nll, Positions positions, Block& block);
  void add(double nll, std::uint32_t bytes);

  graph::Executor* executor_;
  Vault* vault_;
  Ledger* ledger_;
  const data::ByteTable* bytes_;
  std::vector<Network> networks_;  // the whole context last
  graph::BufferPtr tokens_buffer_, targets_buffer_;
  std::vector<std::int32_t> tokens_, targets_;
  std::int64_t rows_ = 0, context_ = 0;
  Totals totals_;
  double sum_ = 0, compensation_ = 0;
  std::int64_t tokens_run_ = 0;
};

}  // namespace caddie::score
