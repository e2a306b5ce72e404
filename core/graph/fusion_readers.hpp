// Who reads what once views are known. Inside core/graph only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/graph/fusion_views.hpp"

namespace caddie::graph {

struct Reader {
  std::uint32_t node = 0;
  bool in_order = false;  // reads the whole value, element e at its own element e
  friend bool operator==(const Reader&, const Reader&) = default;
};

class Readers {
 public:
  Readers(const Graph& graph, const std::vector<bool>& live, const ValueViews& views);

  // Whether the node runs at all: no leaf, constant or view, and needed.
  [[nodiscard]] bool is_run(std::uint32_t node) const { return is_run_[node]; }
  // Whether a group makes it element by element.
  [[nodiscard]] bool is_fusible(std::uint32_t node) const;
  // Nodes that read a value with memory.
  [[nodiscard]] const std::vector<Reader>& of(Value value) const { return readers_[value]; }
  // An output or an update reads the value.
  [[nodiscard]] bool is_kept(Value value) const { return kept_[value]; }
  // The one node that reads the value, where it is one and nothing else does.
  [[nodiscard]] std::optional<std::uint32_t> only(Value value) const;

  // From now on `node` reads `value`, somehow.
  void add(std::uint32_t node, Value value) { readers_[value].push_back({node, false}); }
  // From now on `node` reads nothing it read before the first add(); what nobody needs then does not run.
  void drop(std::uint32_t node);

 private:
  [[nodiscard]] std::vector<Value> read_by(std::uint32_t node) const;

  const Graph& graph_;
  const ValueViews& views_;
  std::vector<bool> is_run_;
  std::vector<bool> kept_;                    // by value
  std::vector<std::vector<Reader>> readers_;  // by value
};

}  // namespace caddie::graph
