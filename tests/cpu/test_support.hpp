// Shared by the tests of the processor's executor: running graphs on it and on the reference, and comparing.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/cpu/cpu_executor.hpp"
#include "core/graph/executor.hpp"
#include "core/graph/graph.hpp"

namespace caddie::cpu::testing {

using graph::DType;
using graph::Graph;
using graph::Shape;
using graph::Value;

// Contents of leaves and outputs by name; f32 and i32 alike as 4-byte words.
using Words = std::vector<std::uint32_t>;
using Contents = std::map<std::string, Words>;

inline Words words_of(const std::vector<float>& values) {
  Words words(values.size());
  std::memcpy(words.data(), values.data(), values.size() * sizeof(float));
  return words;
}
inline Words words_of(const std::vector<std::int32_t>& values) {
  Words words(values.size());
  std::memcpy(words.data(), values.data(), values.size() * sizeof(float));
  return words;
}
inline std::vector<float> floats_of(const Words& words) {
  std::vector<float> values(words.size());
  std::memcpy(values.data(), words.data(), words.size() * sizeof(float));
  return values;
}

struct RunOptions {
  int runs = 1;
  graph::RunKey key{1, 2, 3};
};

// Runs the graph from the leaves' contents; gives outputs, and leaves as they are afterwards.
inline Contents run_on(graph::Executor& executor, const Graph& graph, const Contents& leaves,
                       const RunOptions& options = {}) {
  Contents out;
  auto program = executor.compile(graph);
  EXPECT_TRUE(program) << (program ? "" : program.error().message());
  if (!program) return out;
  std::map<std::string, std::pair<graph::BufferPtr, std::size_t>> buffers;
  const auto tie = [&](const std::string& name, std::size_t elements, const Words* content) {
    auto buffer = executor.allocate(elements * 4);
    ASSERT_TRUE(buffer);
    if (content != nullptr) {
      ASSERT_EQ(content->size(), elements) << name;
      ASSERT_TRUE(executor.upload({*buffer, 0}, std::as_bytes(std::span(*content))));
    }
    const auto bound = (*program)->bind(name, {*buffer, 0});
    ASSERT_TRUE(bound) << bound.error().message();
    buffers[name] = {*buffer, elements};
  };
  for (const graph::Leaf& leaf : graph.leaves()) {
    tie(leaf.name, static_cast<std::size_t>(graph.shape(leaf.value).elements()), &leaves.at(leaf.name));
  }
  for (const graph::Output& output : graph.outputs()) {
    tie(output.name, static_cast<std::size_t>(graph.shape(output.value).elements()), nullptr);
  }
  for (int i = 0; i < options.runs; ++i) {
    const auto ran = (*program)->run(options.key);
    EXPECT_TRUE(ran) << (ran ? "" : ran.error().message());
  }
  for (const auto& [name, held] : buffers) {
    Words words(held.second);
    EXPECT_TRUE(executor.download(std::as_writable_bytes(std::span(words)), {held.first, 0}));
    out[name] = std::move(words);
  }
  return out;
}

inline Contents run_cpu(const Graph& graph, const Contents& leaves, int threads = 2, const RunOptions& options = {},
                        graph::Precision precision = graph::Precision::f32) {
  const auto executor = make_cpu_executor({.threads = threads, .precision = precision});
  return run_on(*executor, graph, leaves, options);
}

inline Contents run_reference(const Graph& graph, const Contents& leaves, const RunOptions& options = {}) {
  const auto executor = graph::make_reference_executor({});
  return run_on(*executor, graph, leaves, options);
}

inline DType type_of(const Graph& graph, const std::string& name) {
  if (const graph::Leaf* leaf = graph.find_leaf(name)) return graph.dtype(leaf->value);
  for (const graph::Output& output : graph.outputs()) {
    if (output.name == name) return graph.dtype(output.value);
  }
  return DType::f32;
}

// Norm of the difference over that of what is expected: one wrong element shows less than a wrong formula.
inline double relative_error(const std::vector<float>& got, const std::vector<float>& expected) {
  double difference = 0;
  double whole = 1e-9;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(expected[i]), 2);
    whole += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / whole);
}
inline double relative_error(const Contents& got, const Contents& expected, const std::string& name) {
  return relative_error(floats_of(got.at(name)), floats_of(expected.at(name)));
}

// i32 equal; f32 within absolute + relative * |expected|, not a number where and only where the reference has one.
inline void expect_close(const Graph& graph, const Contents& actual, const Contents& expected, double absolute,
                         double relative) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, words] : expected) {
    const Words& got = actual.at(name);
    ASSERT_EQ(got.size(), words.size());
    if (type_of(graph, name) == DType::i32) {
      for (std::size_t i = 0; i < words.size(); ++i) {
        ASSERT_EQ(static_cast<std::int32_t>(got[i]), static_cast<std::int32_t>(words[i])) << name << "[" << i << "]\n"
                                                                                          << graph.text();
      }
      continue;
    }
    const auto want = floats_of(words);
    const auto have = floats_of(got);
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (std::isnan(want[i])) {
        ASSERT_TRUE(std::isnan(have[i])) << name << "[" << i << "] is " << have[i] << "\n" << graph.text();
      } else if (std::isinf(want[i])) {
        ASSERT_EQ(have[i], want[i]) << name << "[" << i << "]\n" << graph.text();
      } else {
        ASSERT_NEAR(have[i], want[i], absolute + relative * std::abs(static_cast<double>(want[i])))
            << name << "[" << i << "]\n" << graph.text();
      }
    }
  }
}

inline Words random_floats(std::mt19937& random, std::int64_t count, float low = -2, float high = 2) {
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = draw(random);
  return words_of(values);
}

inline Words random_ints(std::mt19937& random, std::int64_t count, std::int32_t low, std::int32_t high) {
  std::uniform_int_distribution<std::int32_t> draw(low, high);
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  for (std::int32_t& value : values) value = draw(random);
  return words_of(values);
}

inline Contents random_leaves(const Graph& graph, std::mt19937& random, std::int32_t low = -3, std::int32_t high = 9) {
  Contents contents;
  for (const graph::Leaf& leaf : graph.leaves()) {
    const std::int64_t count = graph.shape(leaf.value).elements();
    contents[leaf.name] =
        graph.dtype(leaf.value) == DType::f32 ? random_floats(random, count) : random_ints(random, count, low, high);
  }
  return contents;
}

}  // namespace caddie::cpu::testing
