#include "runner/pipeline/model_parts.hpp"

#include <fmt/format.h>

#include <thread>

#include "core/comm/launch.hpp"
#include "core/cpu/cpu_executor.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/isa.hpp"
#include "runner/pipeline/cuda_library.hpp"

namespace caddie::pipeline {
namespace {

int mode_of(const std::string& phase) {
  if (phase == "train") return CADDIE_MODE_TRAIN;
  if (phase == "evaluate") return CADDIE_MODE_EVALUATE;
  if (phase == "calibrate") return CADDIE_MODE_CALIBRATE;
  return CADDIE_MODE_ADAPT;
}

}  // namespace

Result<plugins::Dims> model_dims(const manifest::Manifest& manifest, int vocab) {
  const manifest::ModelSettings& model = manifest.model;
  if (model.vocab < vocab) {
    return Error{Code::argument, "/model/vocab", fmt::format("is {}, but the tokenizer of the data has {} tokens; give at least as many rows",
                                                             model.vocab, vocab)};
  }
  plugins::Dims dims;
  dims.vocab = model.vocab;
  dims.dim = model.dim;
  dims.heads = model.heads;
  dims.kv_heads = model.kv_heads;
  dims.head_dim = model.head_dim;
  dims.layers = model.layers;
  return dims;
}

Result<plugins::Model> make_model(const manifest::Manifest& manifest, const plugins::Dims& dims,
                                  const std::vector<plugins::Object>& blocks) {
  std::vector<plugins::BlockEntry> entries;
  for (std::size_t i = 0; i < manifest.blocks.size(); ++i) {
    const manifest::HostKeys& host = manifest.blocks[i].host;
    plugins::BlockEntry entry;
    entry.object = &blocks[i];
    entry.layers = host.layers;
    entry.at = host.at;
    for (const std::string& phase : host.phases) entry.modes.push_back(mode_of(phase));
    entries.push_back(std::move(entry));
  }
  return plugins::Model::attach(dims, entries);
}

int thread_count(const manifest::ComputeSettings& compute) {
  return compute.threads > 0 ? compute.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::string without_effect(const manifest::ComputeSettings& compute) {
  if (compute.precision != "bf16") return {};
  if (compute.backend == "reference") return "compute.precision bf16 changes nothing: the reference computes in fp32";
  if (compute.backend != "cpu" || cpu::takes_narrow(cpu::Factors::bf16)) return {};
  return fmt::format("compute.precision bf16 changes nothing: this processor does not multiply bfloat16 numbers faster (kernels for {}), "
                     "so products were in fp32", cpu::name(cpu::active_isa()));
}

Result<std::unique_ptr<graph::Executor>> make_executor(const manifest::ComputeSettings& compute, bool profile) {
  graph::ExecutorOptions options;
  options.threads = thread_count(compute);
  options.profile = profile;
  if (const auto launch = comm::find_launch()) options.device = launch->local_rank;
  if (compute.precision == "bf16") options.precision = graph::Precision::bf16;
  if (compute.backend == "reference") return graph::make_reference_executor(options);
  if (compute.backend == "cpu") return cpu::make_cpu_executor(options);
  if (compute.backend == "cuda") return make_cuda_executor(options);
  return Error{Code::unsupported, "/compute/backend", fmt::format("this build has no backend \"{}\"; use \"cpu\"", compute.backend)};
}

}  // namespace caddie::pipeline
