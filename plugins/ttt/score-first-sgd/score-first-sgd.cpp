// Score-first test-time training: the validation stream in chunks; each chunk is scored, then trained on, so that later
// chunks are scored by a model that has seen the text before them (openai/parameter-golf PR #461, #549, #1413, #1716;
// dynamic evaluation, Krause et al. 2017, arXiv:1709.07432).
//
//   chunk c of K: rows of T targets from its start, `epochs` passes in batches of `rows`
//   lr_c = lr/2 (1 + cos(pi c / max(K-1, 1)))
//   v <- momentum v + g,  w <- w - lr_c v        g clipped to norm `clip`; v is kept over the whole stream
//
// Nothing is scored after the last chunk, so it is not trained on.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct ScoreFirstSgd : TttStrategy {
  static constexpr Identity identity{.id = "score-first-sgd",
                                     .summary = "SGD on each chunk of the validation stream after it is scored",
                                     .citation = "Krause et al. 2017, arXiv:1709.07432; openai/parameter-golf PR #1716",
                                     .reads = CADDIE_READS_VALIDATION_TOKENS};

  Number lr{this, "lr", 0.005, "learning rate of the first chunk", range(0, 1000)};
  Number momentum{this, "momentum", 0.9, "how much of the last direction stays", range(0, 1)};
  Integer epochs{this, "epochs", 3, "passes over a chunk", range(0, 1000)};
  Integer chunk{this, "chunk", 32768, "targets of a chunk", at_least(1)};
  Number clip{this, "clip", 1.0, "largest norm of the gradient; 0: no limit", range(0, 1e9)};
  Integer rows{this, "rows", 32, "rows of a gradient step", range(1, 65536)};
  Integer length{this, "length", 0, "targets of a row; 0: the model's context", at_least(0)};
  Integer freeze_first{this, "freeze_first", 0, "layers from the first on that stay as they are",
                       at_least(0)};

  void plan(const EvalInfo& info, TttPlan& plan) const override {
    const int64_t T = length > 0 ? length.value() : info.context;
    if (chunk < T) {
      throw Failure("a \"chunk\" of " + std::to_string(chunk.value()) + " targets holds no row of " + std::to_string(T) +
                    "; make it at least as long as a row");
    }
    plan.chunk_targets = chunk;
    plan.rows = std::min<int64_t>(rows, chunk / T);
    plan.context = T;
    plan.clip_norm = clip;
    context_ = T;
  }

  [[nodiscard]] bool adapts(const TensorInfo& tensor) const override {
    return tensor.layer < 0 || tensor.layer >= freeze_first;
  }

  Value update(Graph& g, const Bank&, Value parameter, Value gradient, Value scale) const override {
    const Value old_velocity = g.state("velocity", gradient.shape());
    const Value velocity = momentum * old_velocity + gradient;
    g.set_state(old_velocity, velocity);
    return parameter - lr * scale * velocity;
  }

  void adapt(const Chunk& scored, Adaptation& adaptation) override {
    if (scored.index + 1 >= scored.count) return;
    std::vector<int64_t> starts;
    for (int64_t row = 0; row < scored.targets / context_; ++row) {
      starts.push_back(scored.first_target + row * context_);
    }
    const double scale = share_of(scored.index, scored.count);
    const auto batch = static_cast<std::size_t>(rows.value());
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
      for (std::size_t at = 0; at < starts.size(); at += batch) {
        const auto from = starts.begin() + static_cast<std::ptrdiff_t>(at);
        const auto to = starts.begin() + static_cast<std::ptrdiff_t>(std::min(at + batch, starts.size()));
        adaptation.step({from, to}, scale);
      }
    }
  }

 private:
  [[nodiscard]] static double share_of(int64_t index, int64_t count) {
    const double over = static_cast<double>(index) / static_cast<double>(std::max<int64_t>(count - 1, 1));
    return 0.5 * (1 + std::cos(3.14159265358979323846 * over));
  }

  mutable int64_t context_ = 1;  // of a row; known once the plan is made
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ScoreFirstSgd)
