// Dynamic evaluation with decay: gradient descent on what was scored, and a pull back to the weights as trained
// (Krause et al. 2018, "Dynamic Evaluation of Neural Sequence Models", arXiv:1709.07432, section 4).
//
//   after chunk c is scored, one pass over its rows:   p <- p - lr g + pull (p0 - p)
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct DynamicEvaluation : TttStrategy {
  static constexpr Identity identity{.id = "dynamic-evaluation",
                                     .summary = "gradient descent on scored chunks with a pull to the trained weights",
                                     .citation = "Krause et al. 2018, arXiv:1709.07432",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Number lr{this, "lr", 0.01, "learning rate", range(0, 1000)};
  Number pull{this, "pull", 0.01, "share of the way back to the trained weights, each step", range(0, 1)};
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

  [[nodiscard]] bool adapts(const TensorInfo& tensor) const override { return tensor.role == "matrix"; }

  Value update(Graph& g, const Bank&, Value parameter, Value gradient, Value scale) const override {
    const Value trained = g.state("trained", parameter.shape(), Init::copy_of(parameter));
    return parameter - lr * scale * gradient + pull * (trained - parameter);
  }

  // Only targets of chunks that are scored; after the last one there is nothing left to score.
  void adapt(const Chunk& scored, Adaptation& adaptation) override {
    if (scored.index + 1 >= scored.count) return;
    const int64_t whole = scored.targets / context_;
    for (int64_t row = 0; row < whole; row += rows_) {
      std::vector<int64_t> starts;
      for (int64_t i = row; i < std::min(whole, row + rows_); ++i) starts.push_back(scored.first_target + i * context_);
      adaptation.step(starts, 1);
    }
  }

 private:
  mutable int64_t context_ = 1;  // known once the plan is made
  mutable int64_t rows_ = 1;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(DynamicEvaluation)
