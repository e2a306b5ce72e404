// Random numbers: published vectors of the generator, exactness of the functions, distribution, determinism.
#include "core/graph/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/graph/run.hpp"

namespace caddie::graph::testing {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The known-answer vectors published with Random123 (Salmon et al. 2011) for philox4x32, 10 rounds.
TEST(Random, philox_gives_the_published_vectors) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32_10({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, every_part_of_the_key_matters) {
  std::set<Words> seen;
  for (std::uint64_t i = 0; i < 8; ++i) {
    seen.insert(philox(1 + i, 0, 0, 0, 0));
    seen.insert(philox(1, 1 + i, 0, 0, 0));
    seen.insert(philox(1, 0, 1 + i, 0, 0));
    seen.insert(philox(1, 0, 0, 1 + i, 0));
    seen.insert(philox(1, 0, 0, 0, 1 + i));
    seen.insert(philox(1, 0, 0, 0, (1 + i) << 32));
  }
  EXPECT_EQ(seen.size(), 48U);
}

// Box-Muller by the library's functions in double agrees to the last float bit or its neighbour.
TEST(Random, normal_is_box_muller) {
  for (std::uint64_t block = 0; block < 2000; ++block) {
    const Words words = philox(9, 2, 3, 4, block);
    const auto normals = normal_block(words);
    for (std::size_t i = 0; i < 4; i += 2) {
      const double radius = std::sqrt(-2 * std::log((words[i] + 1.0) / 4294967296.0));
      const double angle = 6.283185307179586 * words[i + 1] / 4294967296.0;
      EXPECT_NEAR(normals[i], radius * std::cos(angle), 6e-8 * radius);
      EXPECT_NEAR(normals[i + 1], radius * std::sin(angle), 6e-8 * radius);
    }
  }
  const auto extreme = normal_block({0, 0, 0xffffffff, 0});
  EXPECT_NEAR(extreme[0], std::sqrt(2 * 32 * std::log(2.0)), 1e-6);
  EXPECT_EQ(extreme[2], 0);
}

TEST(Random, moments_are_right) {
  constexpr int kCount = 200000;
  double mean = 0, square = 0, fourth = 0, uniform = 0, uniform_square = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double n = normal_at(1, 2, 3, 4, i);
    const double u = uniform_at(1, 2, 3, 5, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    mean += n / kCount;
    square += n * n / kCount;
    fourth += n * n * n * n / kCount;
    uniform += u / kCount;
    uniform_square += u * u / kCount;
  }
  EXPECT_NEAR(mean, 0, 0.01);       // about 4 standard errors each
  EXPECT_NEAR(square, 1, 0.013);
  EXPECT_NEAR(fourth, 3, 0.09);
  EXPECT_NEAR(uniform, 0.5, 0.0026);
  EXPECT_NEAR(uniform_square, 1.0 / 3, 0.0027);
}

TEST(Random, bits_never_change) {
  EXPECT_EQ(uniform_at(42, 0, 7, 1234, 5), uniform_block(philox(42, 0, 7, 1234, 1))[1]);
  EXPECT_EQ(normal_at(42, 0, 7, 1234, 6), normal_block(philox(42, 0, 7, 1234, 1))[2]);
  EXPECT_EQ(philox(42, 1, 7, 1234, 3), philox(42, 1, 7, 1234, 3));
}

TEST(Random, scaled_uniform_stays_below_its_end) {
  const float last = 1 - 0x1p-24F;
  EXPECT_LT(scaled_uniform(last, 1, 2), 2);
  EXPECT_LT(scaled_uniform(last, -1, 1), 1);
  EXPECT_EQ(scaled_uniform(0, -3, 1), -3);
  EXPECT_EQ(scaled_uniform(last, 2, 2), 2);
}

Graph two_draws() {
  Graph graph;
  for (const char* name : {"a", "b"}) {
    graph.push_scope(name);
    graph.output(name, graph.emit(Op::random_normal, {}, ints({{"shape", {3, 3}}}).set("mean", 1.0).set("std", 2.0)));
    graph.pop_scope();
  }
  return graph;
}

TEST(Random, operations_repeat_for_a_key_and_differ_between_keys_and_sites) {
  const Graph graph = two_draws();
  const RunKey key{.seed = 5, .stream = 1, .step = 10};
  const Named first = run(graph, {}, Precision::f32, key);
  EXPECT_EQ(first, run(graph, {}, Precision::f32, key));
  EXPECT_EQ(first, run(graph, {}, Precision::f64, key));  // the same bits, held wider
  EXPECT_NE(first.at("a"), first.at("b"));
  for (const RunKey& other : {RunKey{6, 1, 10}, RunKey{5, 2, 10}, RunKey{5, 1, 11}}) {
    EXPECT_NE(first.at("a"), run(graph, {}, Precision::f32, other).at("a"));
  }
  const std::uint64_t site = graph.node_of(graph.outputs()[0].value).site;
  for (std::uint64_t i = 0; i < 9; ++i) EXPECT_EQ(first.at("a")[i], scaled_normal(normal_at(5, 1, 10, site, i), 1, 2));
}

}  // namespace
}  // namespace caddie::graph::testing
