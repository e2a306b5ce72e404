// Running small graphs on the reference executor in tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/graph/executor.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph::testing {

using Numbers = std::vector<double>;
using Named = std::map<std::string, Numbers>;

// Ties all leaves to the given numbers (zeros where none are given) and all outputs to memory, runs once, and returns
// outputs and leaves (as they are after the run) by name. A failure is a test failure and gives an empty map.
Named run(const Graph& graph, const Named& leaves, Precision precision = Precision::f64, const RunKey& key = {});

// Pseudo-random numbers in [low, high), the same for the same seed on every machine.
Numbers random_numbers(std::size_t count, std::uint64_t seed, double low = -1, double high = 1);

void expect_near(const Numbers& got, const Numbers& wanted, double tolerance, const std::string& what);

Attributes ints(std::initializer_list<std::pair<const char*, std::vector<std::int64_t>>> entries);

}  // namespace caddie::graph::testing
