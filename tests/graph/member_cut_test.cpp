// What can be updated member by member is, to the same numbers; what cannot is found.
#include "core/graph/member_cut.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "core/graph/emitter.hpp"
#include "core/graph/passes.hpp"
#include "tests/graph/run.hpp"

namespace caddie::graph::testing {
namespace {

constexpr std::int64_t kMembers = 6;
using Kind = MemberCut::Kind;

// One bank "p" [6, 3, 5] with gradient "g", a scalar input "rate" and a counter; states as an update asks for them.
struct Updates {
  Graph graph;
  Emitter e{graph};
  Value p = graph.leaf(LeafKind::parameter, "p", DType::f32, {kMembers, 3, 5});
  Value g = graph.leaf(LeafKind::input, "g", DType::f32, {kMembers, 3, 5});
  Value rate = graph.leaf(LeafKind::input, "rate", DType::f32, {});
  Value count = graph.leaf(LeafKind::state, "count", DType::f32, {});

  Updates() { graph.update(count, e.add(count, e.scalar(1))); }
  Value state(const char* name, const Shape& shape) { return graph.leaf(LeafKind::state, name, DType::f32, shape); }
  Value mean(Value x, Axes axes) { return e.reduce(Op::reduce_sum, x, std::move(axes), true); }
  void set(Value leaf, Value value) { graph.update(leaf, value); }
  void step(Value direction) { set(p, e.sub(p, e.mul(rate, direction))); }
};

Named numbers_of(const Graph& graph) {
  Named leaves;
  for (const Leaf& leaf : graph.leaves()) {
    leaves[leaf.name] = random_numbers(static_cast<std::size_t>(graph.shape(leaf.value).elements()),
                                       leaves.size() + 1, 0.1, 1);
  }
  return leaves;
}

// The leaf's elements of members [first, first + count).
Numbers part(const Numbers& all, std::int64_t first, std::int64_t count) {
  if (count == kMembers) return all;
  const auto each = static_cast<std::ptrdiff_t>(all.size()) / kMembers;
  return {all.begin() + first * each, all.begin() + (first + count) * each};
}

// Runs the updates of bank 0 so many members at a time, then the others.
Named run_in_parts(const Graph& graph, const MemberCut& cut, std::int64_t at_a_time) {
  Named leaves = numbers_of(graph);
  const auto of_bank = cut.leaves_of(0);
  const std::set<std::string> cut_leaves(of_bank.begin(), of_bank.end());
  const auto made = cut.updates_of(0, at_a_time);
  EXPECT_TRUE(made.ok()) << made.error().message();
  EXPECT_TRUE(verify(*made).ok()) << made->text();
  for (std::int64_t first = 0; first < kMembers; first += at_a_time) {
    Named given;
    for (const Leaf& leaf : made->leaves()) {
      const Numbers& all = leaves.at(leaf.name);
      given[leaf.name] = cut_leaves.contains(leaf.name) ? part(all, first, at_a_time) : all;
    }
    for (const auto& [name, numbers] : run(*made, given)) {
      if (!cut_leaves.contains(name)) continue;
      Numbers& all = leaves.at(name);
      if (numbers.size() == all.size()) all = numbers;
      std::ranges::copy(numbers, all.begin() + first * static_cast<std::ptrdiff_t>(all.size()) / kMembers);
    }
  }
  const auto others = cut.other_updates();
  EXPECT_TRUE(others.ok()) << others.error().message();
  Named given;
  for (const Leaf& leaf : others->leaves()) given[leaf.name] = leaves.at(leaf.name);
  for (const auto& [name, numbers] : run(*others, given)) leaves.at(name) = numbers;
  return leaves;
}

struct Apart {
  const char* name;
  bool elementwise;
  std::function<void(Updates&)> build;
};

class KeptApart : public ::testing::TestWithParam<Apart> {};

TEST_P(KeptApart, AnyNumberOfMembersAtATimeGivesTheSame) {
  Updates u;
  GetParam().build(u);
  ASSERT_TRUE(u.graph.status().ok()) << u.graph.status().error().message();
  const MemberCut cut(u.graph, {{"p", "g"}});
  ASSERT_EQ(cut.kind(0), Kind::apart) << u.graph.text();
  EXPECT_EQ(cut.is_elementwise(0), GetParam().elementwise);
  EXPECT_GT(cut.work(0), 0);
  const Named whole = run(u.graph, numbers_of(u.graph));
  for (const std::int64_t at_a_time : {1, 2, 3, 6}) {
    EXPECT_EQ(run_in_parts(u.graph, cut, at_a_time), whole) << at_a_time << " at a time";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Updates, KeptApart,
    ::testing::Values(
        Apart{"plain", true, [](Updates& u) { u.step(u.g); }},
        Apart{"momentum", true,
              [](Updates& u) {
                const Value m = u.state("m", {kMembers, 3, 5});
                const Value fresh = u.e.add(u.e.mul(m, u.count), u.g);
                u.set(m, fresh);
                u.step(u.e.mul(fresh, u.e.filled({kMembers, 3, 5}, 2)));
              }},
        Apart{"snapshots", true,
              [](Updates& u) {
                const Value kept = u.state("kept", {kMembers, 4, 3, 5});
                const Value here = u.graph.emit(Op::eq, {u.e.iota({1, 4, 1, 1}, 1), u.graph.emit(
                    Op::cast, {u.count}, Attributes().set("dtype", std::int64_t{7}))});
                u.set(kept, u.e.where(here, u.e.reshape(u.p, {kMembers, 1, 3, 5}), kept));
                u.step(u.g);
              }},
        Apart{"started again", true,
              [](Updates& u) {
                const Value m = u.state("m", {kMembers, 3, 5});
                u.set(m, u.e.add(m, u.g));
                u.set(u.p, u.e.filled({kMembers, 3, 5}, 0.5));
              }},
        Apart{"products", false,
              [](Updates& u) {
                const Value x = u.e.div(u.g, u.e.op(Op::sqrt, u.mean(u.e.mul(u.g, u.g), {1, 2})));
                const Value gram = u.e.dot(x, x, {0}, {0}, {2}, {2});
                u.step(u.e.dot(gram, x, {0}, {0}, {2}, {1}));
              }},
        Apart{"factored", false,  // a state of rows and one of columns, and norms of rows
              [](Updates& u) {
                const Value rows = u.state("rows", {kMembers, 3});
                const Value columns = u.state("columns", {kMembers, 5});
                const Value row_sums = u.e.add(rows, u.e.reduce(Op::reduce_sum, u.g, {2}, false));
                const Value column_sums = u.e.add(columns, u.e.reduce(Op::reduce_sum, u.g, {1}, false));
                u.set(rows, row_sums);
                u.set(columns, column_sums);
                const Value across = u.e.broadcast(u.e.reshape(column_sums, {kMembers, 1, 5}), {kMembers, 3, 5});
                const Value outer = u.e.mul(u.e.reshape(row_sums, {kMembers, 3, 1}), across);
                u.step(u.graph.emit(Op::rms_norm, {outer}));
              }},
        Apart{"standardised", false,
              [](Updates& u) {
                const Value ones = u.e.filled({5}, 1);
                u.step(u.graph.emit(Op::layer_norm, {u.g, ones, u.e.filled({5}, 0.5)}));
              }},
        Apart{"moved", true,
              [](Updates& u) {
                const Value turned = u.e.transpose(u.g, {2, 0, 1});
                const Value half = u.e.slice(turned, {1, 0, 0}, {4, kMembers, 3});
                const Value back = u.e.transpose(u.e.pad(half, {0, 0, 0}, {1, 0, 0}), {1, 2, 0});
                u.step(u.e.add(back, u.e.reshape(u.e.filled({kMembers * 15}, 3), {kMembers, 3, 5})));
              }}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::ranges::replace(name, ' ', '_');
      return name;
    });

struct Meets {
  const char* name;
  std::function<void(Updates&)> build;
};
class Whole : public ::testing::TestWithParam<Meets> {};

TEST_P(Whole, IsUpdatedAtOnce) {
  Updates u;
  GetParam().build(u);
  ASSERT_TRUE(u.graph.status().ok()) << u.graph.status().error().message();
  const MemberCut cut(u.graph, {{"p", "g"}});
  ASSERT_EQ(cut.kind(0), Kind::whole);
  EXPECT_EQ(run_in_parts(u.graph, cut, kMembers), run(u.graph, numbers_of(u.graph)));
}

INSTANTIATE_TEST_SUITE_P(
    Updates, Whole,
    ::testing::Values(
        Meets{"mean_over_members", [](Updates& u) { u.step(u.e.add(u.g, u.mean(u.g, {0}))); }},
        Meets{"through_a_state",
              [](Updates& u) {
                const Value centre = u.state("centre", {3, 5});
                u.set(centre, u.e.reduce(Op::reduce_sum, u.g, {0}, false));
                u.step(u.e.sub(u.g, centre));
              }},
        Meets{"channels",  // every member is a channel of the others' weights
              [](Updates& u) {
                const Value weight = u.state("channels", {kMembers});
                u.set(weight, u.e.add(weight, u.e.scalar(1)));
                const Value across = u.e.transpose(u.g, {1, 2, 0});
                u.step(u.e.transpose(u.graph.emit(Op::layer_norm, {across, weight, weight}), {2, 0, 1}));
              }},
        Meets{"turned_over", [](Updates& u) { u.step(u.graph.emit(Op::reverse, {u.g}, ints({{"axes", {0}}}))); }},
        Meets{"numbered",  // a rate for every member
              [](Updates& u) {
                u.step(u.e.mul(u.g, u.graph.emit(Op::cast, {u.e.iota({kMembers, 1, 1}, 0)},
                                                 Attributes().set("dtype", std::int64_t{1}))));
              }},
        Meets{"drawn", [](Updates& u) {
                u.step(u.e.add(u.g, u.graph.emit(Op::random_normal, {}, ints({{"shape", {kMembers, 3, 5}}}))));
              }},
        Meets{"listed", [](Updates& u) {
                const Value each = u.state("each", {kMembers, 1, 1});  // counts by itself
                u.set(each, u.e.add(each, u.e.scalar(1)));
                u.step(u.e.mul(u.g, each));
              }},
        Meets{"kept_inside", [](Updates& u) {
                const Value kept = u.state("kept", {4, kMembers, 3, 5});
                u.set(kept, u.e.add(kept, u.p));
                u.step(u.g);
              }},
        Meets{"summed_up", [](Updates& u) {
                u.step(u.graph.emit(Op::cumsum, {u.g}, Attributes().set("axis", std::int64_t{0})));
              }},
        Meets{"by_products", [](Updates& u) {
                const Value flat = u.e.reshape(u.g, {kMembers, 15});
                const Value gram = u.e.dot(flat, flat, {}, {}, {1}, {1});
                u.step(u.e.reshape(u.e.dot(gram, flat, {}, {}, {1}, {0}), {kMembers, 3, 5}));
              }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(MemberCut, OneMemberIsWhole) {
  Graph graph;
  const Value p = graph.leaf(LeafKind::parameter, "p", DType::f32, {1, 4});
  graph.update(p, Emitter{graph}.mul(p, p));
  EXPECT_EQ(MemberCut(graph, {{"p"}}).kind(0), Kind::whole);
}

TEST(MemberCut, BanksThatMeetStayTogether) {
  Graph graph;
  const Emitter e{graph};
  std::vector<Value> banks;
  for (const char* name : {"a", "b", "c"}) {
    banks.push_back(graph.leaf(LeafKind::parameter, name, DType::f32, {2, 3}));
  }
  const Value length = graph.leaf(LeafKind::state, "length", DType::f32, {});
  graph.update(length, e.reduce(Op::reduce_sum, banks[1], {}, false));
  graph.update(banks[0], e.mul(banks[0], length));
  graph.update(banks[1], e.mul(banks[1], banks[1]));
  graph.update(banks[2], e.neg(banks[2]));
  const MemberCut cut(graph, {{"a"}, {"b"}, {"c"}});
  EXPECT_EQ(cut.kind(0), Kind::together);
  EXPECT_EQ(cut.kind(1), Kind::together);
  EXPECT_EQ(cut.kind(2), Kind::apart);
  EXPECT_TRUE(cut.leaves_of(0).empty());
  Named leaves = numbers_of(graph);
  const Named whole = run(graph, leaves);
  const auto others = cut.other_updates();
  ASSERT_TRUE(others.ok()) << others.error().message();
  EXPECT_EQ(others->find_leaf("c"), nullptr);
  leaves.erase("c");
  Named wanted = whole;
  wanted.erase("c");
  EXPECT_EQ(run(*others, leaves), wanted);
}

}  // namespace
}  // namespace caddie::graph::testing
