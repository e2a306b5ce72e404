// The quickstart and the records' small twins at toy dimensions: whole training steps (forward, gradients, optimizers,
// averagers) on the CUDA executor under the emulator against the reference executor.
#include <algorithm>
#include <map>

#include "tests/cuda/emulated.hpp"
#include "tests/cuda/listing_device.hpp"
#include "tests/records/twins.hpp"

namespace caddie::cuda::testing {
namespace {

struct Trained {
  std::vector<double> losses;
  std::map<std::string, std::vector<float>> weights;
};

manifest::Resolution toy_quickstart() {
  std::vector<manifest::Override> small;
  for (const char* value : {"model.dim=16", "model.heads=4", "model.kv_heads=2", "model.head_dim=4", "model.layers=2",
                            "model.context=32", "data.tokenizer.vocab=64", "model.vocab=64", "train.batch=2",
                            "train.context=32", "train.steps=4", "blocks.rope.dims=4"}) {
    small.push_back(records::set(value));
  }
  return records::resolve_manifest("quickstart.json", small);
}

Trained trained(const manifest::Resolution& run, std::unique_ptr<graph::Executor> executor, int steps) {
  records::Twin twin(run, std::move(executor));
  twin.start();
  Trained out;
  for (int i = 0; i < steps; ++i) out.losses.push_back(twin.step().loss.loss);
  const auto weights = twin.trainer().raw_weights();
  EXPECT_TRUE(weights) << weights.error().message();
  for (const train::HostTensor& tensor : *weights) out.weights[tensor.path] = tensor.values;
  return out;
}

class Twins : public ::testing::TestWithParam<std::string> {};

TEST_P(Twins, TrainLikeOnTheReference) {
  CADDIE_NEEDS_EMULATOR();
  const int steps = 3;
  const manifest::Resolution run = GetParam() == "quickstart" ? toy_quickstart() : records::toy(GetParam(), {}, 4);
  const Trained expected = trained(run, graph::make_reference_executor({}), steps);
  const Trained got = trained(run, emulated(), steps);
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], expected.losses[i], 2e-4 * std::abs(expected.losses[i])) << "step " << i;
  }
  ASSERT_EQ(got.weights.size(), expected.weights.size());
  for (const auto& [name, values] : expected.weights) {
    EXPECT_LT(relative_error(got.weights.at(name), values), 5e-3) << name;
  }
}

bool trains_by_tensor_cores(const manifest::Resolution& run) {
  const auto device = std::make_shared<ListingDevice>();
  graph::ExecutorOptions options;
  options.precision = graph::Precision::bf16;
  records::Twin twin(run, make_cuda_executor(device, options));
  twin.start();
  return std::ranges::any_of(device->kernels(),
                             [](const KernelSource& kernel) { return kernel.name == "attention_backward_kv_mma"; });
}

// Everything at once in bfloat16, heads wide enough for tensor cores: losses of the first steps within a hundredth.
TEST(TwinInBf16, LossesFollowTheReference) {
  CADDIE_NEEDS_EMULATOR();
  const manifest::Resolution run =
      records::toy("pr-2163", {records::set("model.dim=64"), records::set("model.head_dim=16")}, 4);
  EXPECT_TRUE(trains_by_tensor_cores(run));
  const Trained expected = trained(run, graph::make_reference_executor({}), 2);
  const Trained got = trained(run, emulated(graph::Precision::bf16), 2);
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], expected.losses[i], 0.01 * std::abs(expected.losses[i])) << "step " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Quickstart, Twins, ::testing::Values("quickstart"));
INSTANTIATE_TEST_SUITE_P(Records, Twins, ::testing::ValuesIn(records::all_runs()), [](const auto& each) {
  std::string name = each.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace caddie::cuda::testing
