#include "tests/graph/run.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

namespace caddie::graph::testing {
namespace {

template <class Element>
void store(void* memory, const Numbers& numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i) static_cast<Element*>(memory)[i] = static_cast<Element>(numbers[i]);
}

template <class Element>
Numbers load(const void* memory, std::size_t count) {
  Numbers numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<double>(static_cast<const Element*>(memory)[i]);
  return numbers;
}

struct Tied {
  std::string name;
  Value value;
  BufferPtr buffer;
};

}  // namespace

Named run(const Graph& graph, const Named& leaves, Precision precision, const RunKey& key) {
  const auto executor = make_reference_executor({.precision = precision});
  auto program = executor->compile(graph);
  EXPECT_TRUE(program.ok()) << program.error().message();
  if (!program) return {};
  std::vector<Tied> tied;
  const auto tie = [&](const std::string& name, Value value) {
    const auto count = static_cast<std::size_t>(graph.shape(value).elements());
    auto buffer = executor->allocate(count * executor->element_bytes(graph.dtype(value)));
    const auto bound = (*program)->bind(name, {*buffer, 0});
    EXPECT_TRUE(bound.ok()) << bound.error().message();
    tied.push_back({name, value, *buffer});
  };
  const bool wide = precision == Precision::f64;
  for (const Leaf& leaf : graph.leaves()) {
    tie(leaf.name, leaf.value);
    const auto given = leaves.find(leaf.name);
    if (given == leaves.end()) continue;
    EXPECT_EQ(static_cast<std::int64_t>(given->second.size()), graph.shape(leaf.value).elements()) << leaf.name;
    if (static_cast<std::int64_t>(given->second.size()) != graph.shape(leaf.value).elements()) return {};
    void* memory = tied.back().buffer->host_data();
    if (graph.dtype(leaf.value) == DType::i32) {
      store<std::int32_t>(memory, given->second);
    } else if (wide) {
      store<double>(memory, given->second);
    } else {
      store<float>(memory, given->second);
    }
  }
  for (const Output& output : graph.outputs()) tie(output.name, output.value);
  const auto done = (*program)->run(key);
  EXPECT_TRUE(done.ok()) << done.error().message();
  Named results;
  for (const Tied& each : tied) {
    const void* memory = each.buffer->host_data();
    const auto count = static_cast<std::size_t>(graph.shape(each.value).elements());
    results[each.name] = graph.dtype(each.value) == DType::i32 ? load<std::int32_t>(memory, count)
                         : wide                                ? load<double>(memory, count)
                                                               : load<float>(memory, count);
  }
  return results;
}

Numbers random_numbers(std::size_t count, std::uint64_t seed, double low, double high) {
  std::mt19937_64 generator(seed);
  Numbers numbers(count);
  for (double& number : numbers) number = low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53;
  return numbers;
}

void expect_near(const Numbers& got, const Numbers& wanted, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], tolerance * std::max(1.0, std::abs(wanted[i]))) << what << " [" << i << "]";
  }
}

Attributes ints(std::initializer_list<std::pair<const char*, std::vector<std::int64_t>>> entries) {
  Attributes attributes;
  for (const auto& [key, list] : entries) attributes.set(key, list);
  return attributes;
}

}  // namespace caddie::graph::testing
