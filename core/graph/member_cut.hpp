// Cuts a graph of updates along the members of banks: equal-shaped tensors that stand along the first axis of one leaf.
// What is updated from the elements of its own member alone can be updated by itself, anywhere. Device-independent.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph/graph.hpp"
#include "core/graph/member_parts.hpp"

namespace caddie::graph {

class MemberCut {
 public:
  enum class Kind : std::uint8_t {
    apart,     // no update of the bank reads two members
    whole,     // members meet, but those of this bank alone; so does a bank of one member
    together,  // a value reads this bank and another
  };

  // banks[b] names the leaves with the members of bank b along their first axis: parameters, gradients. What is written
  // to states tells to which bank they belong. Expects a valid graph, which must outlive this.
  MemberCut(const Graph& graph, std::vector<std::vector<std::string>> banks);
  MemberCut(const MemberCut&) = delete;
  MemberCut& operator=(const MemberCut&) = delete;

  [[nodiscard]] Kind kind(std::size_t bank) const;
  // Every element is made from the elements at its own place: no sums, no products.
  [[nodiscard]] bool is_elementwise(std::size_t bank) const { return elementwise_[bank]; }
  // What an update of the bank costs beside others, in elements made; products count their multiplications.
  [[nodiscard]] double work(std::size_t bank) const { return work_[bank]; }
  // The bank's leaves and its states: where members are kept apart, the outermost axis longer than 1 is theirs.
  [[nodiscard]] std::vector<std::string> leaves_of(std::size_t bank) const;

  // The updates of a bank's leaves, for so many of its members at a time: its leaves are that much shorter. All of them
  // where it is whole. Only the leaves that it needs; not for a bank that is together with others.
  [[nodiscard]] Result<Graph> updates_of(std::size_t bank, std::int64_t members) const;
  // All updates that belong to no bank: of banks that are together with others, of counters. To be run after the
  // others, which may read such counters.
  [[nodiscard]] Result<Graph> other_updates() const;

 private:
  [[nodiscard]] Result<Graph> updates_with(int bank, std::int64_t members) const;

  const Graph& graph_;
  std::vector<std::vector<std::string>> banks_;
  MemberParts parts_;
  std::vector<bool> elementwise_;
  std::vector<double> work_;
};

}  // namespace caddie::graph
