#include "core/score/scorer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/graph/passes.hpp"
#include "core/train/gradient_program.hpp"

namespace caddie::score {

double Totals::nats_per_token() const { return targets == 0 ? 0 : nll / static_cast<double>(targets); }
double Totals::bits_per_byte() const { return bytes == 0 ? 0 : data::bits_per_byte(nll, bytes); }

Scorer::Scorer(graph::Executor& executor, Vault& vault, Ledger& ledger, const data::ByteTable& bytes)
    : executor_(&executor), vault_(&vault), ledger_(&ledger), bytes_(&bytes), scalars_(executor) {}

Result<std::unique_ptr<Scorer>> Scorer::make(graph::Executor& executor, const plugins::Model& model,
                                             const train::ParameterStore& parameters, std::int64_t rows,
                                             std::int64_t context, Vault& vault, Ledger& ledger,
                                             const data::ByteTable& bytes) {
  auto self = std::unique_ptr<Scorer>(new Scorer(executor, vault, ledger, bytes));
  self->rows_ = rows;
  self->context_ = context;
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_EVALUATE;
  request.batch = rows;
  request.context = context;
  auto build = model.build(request);
  if (!build) return build.error();
  if (!build->states.empty()) {
    return Error{Code::unsupported, build->states.front().path,
                 "is a state that changes while scoring; scores would depend on their order"};
  }
  build->graph.output("nll", build->wire("nll"));
  const auto fused = graph::fuse_linear_cross_entropy(build->graph);
  if (!fused) return fused.error();
  auto program = executor.compile(*fused);
  if (!program) return program.error();
  self->program_ = std::move(*program);
  if (auto done = train::bind_parameters(*self->program_, *build, parameters); !done) return done.error();
  if (auto done = self->scalars_.add(*self->program_, build->scalars); !done) return done.error();
  caddie_step end = {};  // scalars are those of the end of the run
  end.struct_size = sizeof end;
  end.fraction = 1;
  if (auto done = self->scalars_.set(end); !done) return done.error();

  const auto cells = static_cast<std::size_t>(rows * context);
  self->tokens_.assign(cells, 0);
  self->targets_.assign(cells, 0);
  const auto tie = [&](const char* name, graph::BufferPtr& buffer) -> Result<void> {
    auto made = executor.allocate(cells * sizeof(float));
    if (!made) return made.error();
    buffer = *made;
    return self->program_->bind(name, {buffer, 0});
  };
  if (auto done = tie("tokens", self->tokens_buffer_); !done) return done.error();
  if (auto done = tie("targets", self->targets_buffer_); !done) return done.error();
  if (auto done = tie("nll", self->nll_buffer_); !done) return done.error();
  return self;
}

Result<void> Scorer::score(std::span<const Window> windows, std::uint64_t version) {
  while (!windows.empty()) {
    const std::size_t count = std::min(windows.size(), static_cast<std::size_t>(rows_));
    if (auto done = run_batch(windows.first(count), version); !done) return done;
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

Result<void> Scorer::run_batch(std::span<const Window> windows, std::uint64_t version) {
  if (auto done = fill(windows); !done) return done;
  if (auto done = program_->run({}); !done) return done;
  std::vector<float> nll(tokens_.size());
  if (auto done = executor_->download(std::as_writable_bytes(std::span(nll)), {nll_buffer_, 0}); !done) return done;
  Block block;
  block.version = version;
  for (std::size_t row = 0; row < windows.size(); ++row) {
    const std::span<const float> scores = std::span<const float>(nll).subspan(row * static_cast<std::size_t>(context_));
    if (auto done = seal(windows[row], row, scores, block); !done) return done;
    tokens_run_ += windows[row].length;
  }
  return ledger_->seal(block);
}

Result<void> Scorer::seal(const Window& window, std::size_t row, std::span<const float> nll, Block& block) {
  for (std::int64_t target = window.score_first; target < window.score_first + window.score_count; ++target) {
    const auto position = static_cast<std::size_t>(target - window.first);
    const std::size_t cell = row * static_cast<std::size_t>(context_) + position;
    const double score = static_cast<double>(nll[position]);
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
