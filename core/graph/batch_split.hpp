// Cuts a graph along the batch: one part is run slab by slab on contiguous rows of the inputs, so that what it makes
// stays in the caches, needs a fraction of the memory, and slabs can run side by side.
//
//   shared   what depends on no row of the batch and is more than a leaf, a constant or a view; runs first
//   body     one slab: everything that keeps rows apart, and sums over the rows of the slab
//   tail     what needs the sums over all slabs
//
// Values cross by name. Leaves of the body with the names of leaves of the graph are those leaves, or their slabs.
// Every other leaf of body and tail stands in `crossings`. The rows of a batch must not be mixed in any way but sums;
// otherwise there is no split. Device-independent. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/graph/graph.hpp"

namespace caddie::graph {

struct Crossing {
  enum class Kind {
    shared,   // an output of `shared`, a leaf of body and tail
    given,    // an output of `shared`; the leaf of the body is a slab of it
    partial,  // a state of the body that its slab's sum is written to; the leaf of the tail is the sum over all slabs
    slab,     // a state of the body that its rows are written to; the leaf of the tail is all rows
  };
  Kind kind = Kind::shared;
  std::string name;              // of the leaves
  DType dtype = DType::f32;
  std::int64_t elements = 0;     // of the whole
  bool is_read_by_tail = false;
  std::string output;            // the output of the graph that it is, or empty
};

struct BatchSplit {
  std::int64_t slabs = 1;
  Graph shared, body, tail;
  std::vector<Crossing> crossings;
  std::vector<std::string> split_leaves;  // leaves of the body that are slabs of the graph's leaves
  std::vector<std::string> body_leaves;   // all of the graph's leaves that the body reads
};

struct SplitRules {
  std::int64_t tokens_of_slab = 256;  // at least, where the batch has as many
};

// nullopt where the graph has no batch to split along, or its rows are not kept apart. Expects a simplified graph
// without dead nodes.
std::optional<BatchSplit> split_batch(const Graph& graph, const SplitRules& rules = {});

}  // namespace caddie::graph
