// Custom kernels on the processor's executor, and the check that finds those that break their promises.
#include <gmock/gmock.h>

#include "core/cpu/custom_check.hpp"
#include "core/graph/gradient.hpp"
#include "tests/cpu/test_support.hpp"
#include "tests/graph/custom_kernel.hpp"

namespace caddie::cpu::testing {
namespace {

using graph::Emitter;
using graph::LeafKind;
using graph::Op;
using graph::testing::square_rows;
using graph::testing::SquareRows;
using graph::testing::Wrong;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kRows = 640;
constexpr std::int64_t kWidth = 72;

struct Example {
  Graph graph;
  Value x = 0, w = 0;
  std::shared_ptr<SquareRows> kernel;
  Contents leaves;

  explicit Example(Wrong wrong = Wrong::nothing, std::int64_t rows = kRows) {
    x = graph.leaf(LeafKind::input, "x", DType::f32, {rows, kWidth});
    w = graph.leaf(LeafKind::parameter, "w", DType::f32, {kWidth});
    kernel = std::make_shared<SquareRows>(graph.shape(x), 1.5, wrong);
    std::vector<float> numbers(static_cast<std::size_t>(rows * kWidth));
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i));
    leaves["x"] = words_of(numbers);
    numbers.resize(kWidth);
    leaves["w"] = words_of(numbers);
  }
  Value use(Value from) {
    const std::vector<Value> inputs{from, w};
    return graph.custom(kernel, inputs);
  }
};

// Between fused groups, behind a view that is not dense, as an output and as an update, with its gradient.
TEST(Custom, RunsAmongOtherOperationsLikeTheReference) {
  Example example;
  const Emitter e{example.graph};
  const Value turned = e.transpose(e.reshape(e.exp(example.x), {kWidth, kRows}), {1, 0});
  const Value y = example.use(turned);
  const Value z = e.op(Op::tanh, e.add(y, example.use(y)));
  example.graph.output("y", y);
  example.graph.output("z", z);
  const Value loss = e.reduce(Op::reduce_sum, e.mul(z, example.x), {}, false);
  const std::vector<Value> wanted{example.x, example.w};
  const auto gradients = graph::gradients(example.graph, loss, wanted);
  ASSERT_TRUE(gradients.ok()) << gradients.error().message();
  example.graph.output("dx", (*gradients)[0]);
  example.graph.update(example.w, e.sub(example.w, e.scale((*gradients)[1], 1e-6)));
  expect_close(example.graph, run_cpu(example.graph, example.leaves), run_reference(example.graph, example.leaves),
               1e-4, 1e-4);
  EXPECT_GT(example.kernel->calls.load(), 2);
}

TEST(Custom, AnyNumberOfThreadsGivesTheSameBits) {
  Example example;
  example.graph.output("y", example.use(example.x));
  const Contents one = run_cpu(example.graph, example.leaves, 1);
  const int calls = example.kernel->calls.load();
  EXPECT_GT(calls, 1);
  for (const int threads : {2, 3, 7}) {
    example.kernel->calls = 0;
    EXPECT_EQ(run_cpu(example.graph, example.leaves, threads), one);
    EXPECT_EQ(example.kernel->calls.load(), calls) << "the cut depends on the threads";
  }
}

TEST(Custom, ItsMemoryIsPlanned) {
  Example example;
  Value y = example.x;
  for (int i = 0; i < 6; ++i) y = example.use(y);
  example.graph.output("y", y);
  const auto executor = make_cpu_executor({.threads = 1});
  const auto program = executor->compile(example.graph);
  ASSERT_TRUE(program.ok());
  const std::size_t one = static_cast<std::size_t>(kRows * kWidth) * sizeof(float);
  EXPECT_LT((*program)->arena_bytes(), 3 * one);  // two are alive at once, not six
}

TEST(Custom, AFailureEndsTheRunWithItsSentence) {
  Example example(Wrong::fails);
  example.graph.push_scope("blocks.2.attn");
  example.graph.output("y", example.use(example.x));
  const auto executor = make_cpu_executor({.threads = 2});
  auto program = executor->compile(example.graph);
  ASSERT_TRUE(program.ok());
  for (const char* name : {"x", "w"}) {
    auto buffer = executor->allocate(static_cast<std::size_t>(kRows * kWidth) * 4);
    ASSERT_TRUE((*program)->bind(name, {*buffer, 0}).ok());
  }
  const auto ran = (*program)->run({});
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().code, Code::device);
  EXPECT_EQ(ran.error().message(), "blocks.2.attn: the moon is full");
}

CustomReport report(Wrong wrong) {
  Example example(wrong, 5);
  example.graph.output("y", example.use(example.x));
  return check_custom_kernels(example.graph);
}

TEST(CustomCheck, AKernelThatKeepsItsDutiesPasses) {
  const CustomReport found = report(Wrong::nothing);
  EXPECT_THAT(found.kernels, ElementsAre("square-rows"));
  EXPECT_THAT(found.failures, IsEmpty()) << found.failures[0].text;
  EXPECT_THAT(report(Wrong::no_gradient).failures, IsEmpty());
}

TEST(CustomCheck, EveryBrokenDutyIsFound) {
  const std::pair<Wrong, const char*> all[] = {
      {Wrong::value, "output 0 differs from its reference at element 0"},
      {Wrong::gradient, "the gradient of input 1 differs from the one of its reference"},
      {Wrong::unwritten, "5 elements of its outputs are never written"},
      {Wrong::overlap, "its parts 0 and 1 write the same element"},
      {Wrong::cut, "its bits depend on how its parts are cut"},
      {Wrong::outside, "it writes behind the end of output 0"},
      {Wrong::inputs, "it writes to its inputs"},
      {Wrong::fails, "the moon is full"},
      {Wrong::reference_shape, "output 0 of its reference is f32 [72]"},
      {Wrong::reference_fails, "not today"},
  };
  for (const auto& [wrong, words] : all) {
    const CustomReport found = report(wrong);
    ASSERT_FALSE(found.failures.empty()) << words;
    EXPECT_THAT(found.failures[0].text, HasSubstr("custom kernel \"square-rows\": "));
    EXPECT_THAT(found.failures[0].text, HasSubstr(words));
  }
}

TEST(CustomCheck, KernelsOfTheSameFormAreCheckedOnce) {
  Example example(Wrong::nothing, 5);
  Value y = example.use(example.x);
  y = example.use(y);
  example.graph.output("y", y);
  const Value half = Emitter{example.graph}.slice(y, {0, 0}, {2, kWidth});
  example.graph.output("z", square_rows(example.graph, half, example.w, 1.5));
  EXPECT_THAT(check_custom_kernels(example.graph).kernels, ElementsAre("square-rows", "square-rows"));
  EXPECT_THAT(check_custom_kernels(Graph()).kernels, IsEmpty());
}

}  // namespace
}  // namespace caddie::cpu::testing
