#include "core/score/scorer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/graph/emitter.hpp"
#include "core/graph/narrow.hpp"
#include "core/graph/passes.hpp"
#include "core/train/gradient_program.hpp"

namespace caddie::score {

double Totals::nats_per_token() const { return targets == 0 ? 0 : nll / static_cast<double>(targets); }
double Totals::bits_per_byte() const { return bytes == 0 ? 0 : data::bits_per_byte(nll, bytes); }

Positions usual_positions(std::span<const Window> windows, std::int64_t rows, std::int64_t context) {
  constexpr std::int64_t kBatchesForProgram = 4;
  const Positions whole{0, context};
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> times;
  for (const Window& window : windows) ++times[{window.score_first - window.first, window.score_count}];
  if (times.empty()) return whole;
  const auto most = std::ranges::max_element(times, {}, [](const auto& entry) { return entry.second; });
  if (most->second < kBatchesForProgram * rows || 2 * most->first.second > context) return whole;
  return {most->first.first, most->first.second};
}

Scorer::Scorer(graph::Executor& executor, Vault& vault, Ledger& ledger, const data::ByteTable& bytes)
    : executor_(&executor), vault_(&vault), ledger_(&ledger), bytes_(&bytes) {}

Result<std::unique_ptr<Scorer>> Scorer::make(graph::Executor& executor, const plugins::Model& model,
                                             const train::ParameterStore& parameters, std::int64_t rows,
                                             std::int64_t context, Positions usual, Vault& vault, Ledger& ledger,
                                             const data::ByteTable& bytes) {
  auto self = std::unique_ptr<Scorer>(new Scorer(executor, vault, ledger, bytes));
  self->rows_ = rows;
  self->context_ = context;
  const auto cells = static_cast<std::size_t>(rows * context);
  self->tokens_.assign(cells, 0);
  self->targets_.assign(cells, 0);
  for (graph::BufferPtr* buffer : {&self->tokens_buffer_, &self->targets_buffer_}) {
    auto made = executor.allocate(cells * sizeof(std::int32_t));
    if (!made) return made.error();
    *buffer = *made;
  }
  if (usual.count < context) {
    if (auto done = self->add_network(model, parameters, usual); !done) return done.error();
  }
  if (auto done = self->add_network(model, parameters, {0, context}); !done) return done.error();
  return self;
}

Result<void> Scorer::add_network(const plugins::Model& model, const train::ParameterStore& parameters,
                                 Positions positions) {
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_EVALUATE;
  request.batch = rows_;
  request.context = context_;
  auto build = model.build(request);
  if (!build) return build.error();
  if (!build->states.empty()) {
    return Error{Code::unsupported, build->states.front().path,
                 "is a state that changes while scoring; scores would depend on their order"};
  }
  const graph::Emitter e{build->graph};
  build->graph.output("nll", e.slice_axis(build->wire("nll"), 1, positions.first, positions.count));
  auto fused = graph::fuse_linear_cross_entropy(build->graph);
  if (fused) fused = graph::narrow(*fused);
  if (!fused) return fused.error();
  auto program = executor_->compile(*fused);
  if (!program) return program.error();
  Network network{positions, std::move(*program), train::ScalarInputs(*executor_), nullptr};
  if (auto done = train::bind_parameters(*network.program, *build, parameters); !done) return done;
  if (auto done = network.scalars.add(*network.program, build->scalars); !done) return done;
  caddie_step end = {};  // scalars are those of the end of the run
  end.struct_size = sizeof end;
  end.fraction = 1;
  if (auto done = network.scalars.set(end); !done) return done;
  auto nll = executor_->allocate(static_cast<std::size_t>(rows_ * positions.count) * sizeof(float));
  if (!nll) return nll.error();
  network.nll = *nll;
  if (auto done = network.program->bind("tokens", {tokens_buffer_, 0}); !done) return done;
  if (auto done = network.program->bind("targets", {targets_buffer_, 0}); !done) return done;
  if (auto done = network.program->bind("nll", {network.nll, 0}); !done) return done;
  networks_.push_back(std::move(network));
  return {};
}

bool Scorer::Network::gives(const Window& window) const {
  const std::int64_t first = window.score_first - window.first;
  return first >= positions.first && first + window.score_count <= positions.first + positions.count;
}

Scorer::Network& Scorer::network_for(const Window& window) {
  return networks_.front().gives(window) ? networks_.front() : networks_.back();
}

Result<void> Scorer::score(std::span<const Window> windows, std::uint64_t version) {
  while (!windows.empty()) {
    Network& network = network_for(windows.front());
    std::size_t count = 1;
    while (count < std::min(windows.size(), static_cast<std::size_t>(rows_)) && &network_for(windows[count]) == &network) {
      ++count;
    }
    if (auto done = run_batch(network, windows.first(count), version); !done) return done;
    windows = windows.subspan(count);
  }
  return {};
}

Result<void> Scorer::fill(std::span<const Window> windows) {
  // Short windows are padded on the right, which a causal model's scored positions never see.
  std::ranges::fill(tokens_, 0);
  std::ranges::fill(targets_, 0);
  for (std::size_t row = 0; row < windows.size(); ++row) {
    const auto at = row * static_cast<std::size_t>(context_);
    const auto length = static_cast<std::size_t>(windows[row].length);
    auto done = vault_->window(windows[row].first, std::span(tokens_).subspan(at, length),
                               std::span(targets_).subspan(at, length));
    if (!done) return done;
  }
  if (auto done = executor_->upload({tokens_buffer_, 0}, std::as_bytes(std::span(tokens_))); !done) return done;
  return executor_->upload({targets_buffer_, 0}, std::as_bytes(std::span(targets_)));
}

Result<void> Scorer::run_batch(Network& network, std::span<const Window> windows, std::uint64_t version) {
  if (auto done = fill(windows); !done) return done;
  if (auto done = network.program->run({}); !done) return done;
  const auto count = static_cast<std::size_t>(network.positions.count);
  std::vector<float> nll(static_cast<std::size_t>(rows_) * count);
  if (auto done = executor_->download(std::as_writable_bytes(std::span(nll)), {network.nll, 0}); !done) return done;
  Block block;
  block.version = version;
  for (std::size_t row = 0; row < windows.size(); ++row) {
    const std::span<const float> scores = std::span<const float>(nll).subspan(row * count, count);
    if (auto done = seal(windows[row], row, scores, network.positions, block); !done) return done;
    tokens_run_ += windows[row].length;
  }
  return ledger_->seal(block);
}

Result<void> Scorer::seal(const Window& window, std::size_t row, std::span<const float> nll, Positions positions,
                          Block& block) {
  for (std::int64_t target = window.score_first; target < window.score_first + window.score_count; ++target) {
    const std::int64_t position = target - window.first;
    const std::size_t cell = row * static_cast<std::size_t>(context_) + static_cast<std::size_t>(position);
    const double score = static_cast<double>(nll[static_cast<std::size_t>(position - positions.first)]);
    if (!std::isfinite(score)) {
      return Error{Code::state, fmt::format("target {}", target),
                   fmt::format("has the score {}; the weights give no distribution here", score)};
    }
    if (auto done = vault_->seal(target); !done) return done;
    const auto bytes = static_cast<std::uint32_t>(
        bytes_->target_bytes(static_cast<data::TokenId>(targets_[cell]), static_cast<data::TokenId>(tokens_[cell])));
    block.records.push_back({target, score, bytes});
    add(score, bytes);
  }
  return {};
}

// Neumaier's compensated sum.
void Scorer::add(double nll, std::uint32_t bytes) {
  const double sum = sum_ + nll;
  compensation_ += std::fabs(sum_) >= std::fabs(nll) ? (sum_ - sum) + nll : (nll - sum) + sum_;
  sum_ = sum;
  totals_.nll = sum_ + compensation_;
  ++totals_.targets;
  totals_.bytes += bytes;
}

}  // namespace caddie::score
