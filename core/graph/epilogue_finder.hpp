// Finds epilogues of products in a graph. Inside core/graph only.
#pragma once

#include <optional>
#include <vector>

#include "core/graph/epilogue.hpp"
#include "core/graph/fusion_readers.hpp"

namespace caddie::graph {

class EpilogueFinder {
 public:
  EpilogueFinder(const Graph& graph, const FusionRules& rules, const ValueViews& views, const Readers& readers)
      : graph_(graph), rules_(rules), views_(views), readers_(readers) {}

  // Ways to make the elementwise node's value as a result of a product, the most comprehensive first. What stands
  // between the product and the value is read by nobody else, but for what an activation is taken of (`before`) and
  // what is made of that. Addends are in memory in any case, or can be results of products themselves.
  [[nodiscard]] std::vector<Epilogue> find(std::uint32_t node) const;

 private:
  [[nodiscard]] std::optional<Epilogue> linear_form(Value value) const;
  [[nodiscard]] std::optional<Epilogue> norm_form(Value value) const;
  [[nodiscard]] std::optional<Epilogue> sum_form(std::uint32_t node) const;
  [[nodiscard]] std::optional<Epilogue> sum_of(std::uint32_t node, std::size_t side) const;
  [[nodiscard]] std::optional<Epilogue> scaled_form(std::uint32_t node) const;
  [[nodiscard]] std::optional<Epilogue> inner_form(const View& operand, std::uint32_t reader) const;
  [[nodiscard]] std::optional<Epilogue> activated_form(std::uint32_t node) const;
  [[nodiscard]] std::optional<Epilogue> sloped_form(std::uint32_t node) const;
  [[nodiscard]] bool add_term(Epilogue& form, View term, double sign, std::uint32_t reader) const;
  [[nodiscard]] bool is_bias_of(const Epilogue& form, const View& term) const;
  [[nodiscard]] bool is_in_memory(const View& term, std::uint32_t reader) const;

  const Graph& graph_;
  const FusionRules& rules_;
  const ValueViews& views_;
  const Readers& readers_;
};

}  // namespace caddie::graph
