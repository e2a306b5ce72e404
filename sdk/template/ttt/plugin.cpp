// @ID@: between chunks, gradient descent on the scalars alone: gains, gates and mixing weights, which are few and hard
// to spoil (after Tent: Wang et al. 2021, arXiv:2006.10726).
//
//   after chunk c is scored: one pass over its rows,   p <- p - lr g
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct @CLASS@ : TttStrategy {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "gradient descent on the scalars after each scored chunk",
                                     .citation = "after Wang et al. 2021, arXiv:2006.10726",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Number lr{this, "lr", 0.01, "learning rate", range(0, 1000)};
  Integer chunk{this, "chunk", 16384, "targets of a chunk", at_least(1)};
  Integer rows{this, "rows", 16, "rows of a gradient step", range(1, 65536)};

  void plan(const EvalInfo& info, TttPlan& plan) const override {
    plan.chunk_targets = std::max<int64_t>(chunk, info.context);
    plan.rows = std::min<int64_t>(rows, plan.chunk_targets / info.context);
    plan.context = info.context;
    plan.clip_norm = 1;
    context_ = info.context;
    rows_ = plan.rows;
  }

  [[nodiscard]] bool adapts(const TensorInfo& tensor) const override { return tensor.role == "scalar"; }

  Value update(Graph&, const Bank&, Value parameter, Value gradient, Value scale) const override {
    return parameter - lr * scale * gradient;
  }

  // Only targets of chunks that are scored; after the last one there is nothing left to score.
  void adapt(const Chunk& scored, Adaptation& adaptation) override {
    if (scored.index + 1 >= scored.count) return;
    std::vector<int64_t> starts;
    for (int64_t row = 0; row < scored.targets / context_; ++row)
      starts.push_back(scored.first_target + row * context_);
    for (std::size_t at = 0; at < starts.size(); at += static_cast<std::size_t>(rows_)) {
      const std::size_t end = std::min(starts.size(), at + static_cast<std::size_t>(rows_));
      adaptation.step(
          {starts.begin() + static_cast<std::ptrdiff_t>(at), starts.begin() + static_cast<std::ptrdiff_t>(end)}, 1);
    }
  }

 private:
  mutable int64_t context_ = 1;  // known once the plan is made
  mutable int64_t rows_ = 1;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
