// The plain GPT of the benchmarks: learned positions, LayerNorm, attention, GELU MLP (4x), biases, tied head, AdamW;
// the model of GPT-2, in the parameter order of its published C version, so that other programs can be given the same
// weights. Weights and tokens are made here and handed over as files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/executor.hpp"

namespace caddie::bench {

struct GptSizes {
  std::int64_t layers = 4, dim = 256, heads = 4, context = 512, vocab = 1024, batch = 8;
};

struct GptOptions {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, decay = 0.01;
};

// One kind of parameter, stacked over the layers where `stacked`.
struct GptBank {
  std::string name;
  graph::Shape shape;  // of one layer
  std::int64_t count = 1;
  bool stacked = false;
};

std::vector<GptBank> gpt_banks(const GptSizes& sizes);
// All parameters, bank after bank.
std::vector<float> gpt_weights(const GptSizes& sizes);
// Batches of [B, T + 1] tokens with something to learn: a fixed successor of every token, with some noise.
std::vector<std::int32_t> gpt_tokens(const GptSizes& sizes, std::int64_t batches);
// 2 for each multiply-add of the products of forward and backward, causal attention counted once below the diagonal.
double gpt_flops_per_token(const GptSizes& sizes);

// Inputs "tokens", "targets"; outputs "loss" and "gradient/..." of every parameter.
Result<graph::Graph> gpt_gradient_graph(const GptSizes& sizes);
// AdamW of whole banks. Input "corrections": 1 / (1 - beta^t) of both moments.
Result<graph::Graph> gpt_update_graph(const GptSizes& sizes);

// Training steps on an executor: a program for the gradients and one for the update of the banks.
class GptTrainer {
 public:
  static Result<std::unique_ptr<GptTrainer>> make(graph::Executor& executor, const GptSizes& sizes,
                                                  const std::vector<float>& weights);
  // One step on a batch of [B, T + 1] tokens; the loss before the update.
  Result<float> step(const std::int32_t* tokens);

  [[nodiscard]] graph::Program& gradients() { return *gradients_; }
  [[nodiscard]] graph::Program& update() { return *update_; }

 private:
  explicit GptTrainer(const GptSizes& sizes) : sizes_(sizes) {}
  Result<graph::BufferPtr> bound(graph::Program& program, const std::string& name, std::size_t floats);

  GptSizes sizes_;
  graph::Executor* executor_ = nullptr;
  std::unique_ptr<graph::Program> gradients_;
  std::unique_ptr<graph::Program> update_;
  graph::BufferPtr tokens_, targets_, loss_, corrections_;
  std::int64_t steps_ = 0;
};

}  // namespace caddie::bench
