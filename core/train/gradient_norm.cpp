#include "core/train/gradient_norm.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "core/graph/emitter.hpp"

namespace caddie::train {

using graph::DType;
using graph::LeafKind;
using graph::Op;
using graph::Value;

namespace {

// Members whose squares one operation sums.
struct Sum {
  std::int64_t members = 1;
  std::int64_t elements = 0;  // of a member
  graph::BufferView gradients;
};

// On the host each member by itself: how a sum is ordered depends on the shape it is part of. Devices, where every sum
// is a launch, take a range at once; there the last bits may depend on how members are dealt.
std::vector<Sum> sums_of(const ParameterStore& parameters, const std::vector<MemberRange>& share) {
  std::vector<Sum> sums;
  for (const MemberRange& range : share) {
    const Bank& bank = parameters.banks()[range.bank];
    const std::int64_t elements = bank.member_shape.elements();
    const auto bytes = static_cast<std::size_t>(elements) * sizeof(float);
    const bool on_host = bank.gradients->host_data() != nullptr;
    const std::int64_t at_a_time = on_host ? 1 : range.count;
    for (std::int64_t member = range.first; member < range.first + range.count; member += at_a_time) {
      sums.push_back({at_a_time, elements, {bank.gradients, static_cast<std::size_t>(member) * bytes}});
    }
  }
  return sums;
}

std::string leaf_name(std::size_t sum) { return fmt::format("gradient/{}", sum); }
std::string output_name(std::size_t sum) { return fmt::format("squares/{}", sum); }

graph::Graph graph_of(const std::vector<Sum>& sums) {
  graph::Graph graph;
  const graph::Emitter emit{graph};
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const graph::Shape shape{sums[i].members, sums[i].elements};
    const Value gradient = graph.leaf(LeafKind::input, leaf_name(i), DType::f32, shape);
    graph.output(output_name(i), emit.reduce(Op::reduce_sum, emit.mul(gradient, gradient), {1}, false));
  }
  return graph;
}

std::size_t members_of(const std::vector<MemberRange>& share) {
  std::int64_t count = 0;
  for (const MemberRange& range : share) count += range.count;
  return static_cast<std::size_t>(count);
}

}  // namespace

Result<GradientNorm> GradientNorm::make(graph::Executor& executor, const ParameterStore& parameters,
                                        const Shares& shares, const Peers& peers) {
  GradientNorm norm;
  norm.executor_ = &executor;
  norm.peers_ = peers;
  for (const auto& share : shares) norm.bytes_of_ranks_.push_back(members_of(share) * sizeof(float));
  const std::vector<Sum> sums = sums_of(parameters, shares[static_cast<std::size_t>(peers.rank())]);
  if (sums.empty()) return norm;
  auto program = executor.compile(graph_of(sums));
  if (!program) return program.error();
  norm.program_ = std::move(*program);
  auto squares = executor.allocate(norm.bytes_of_ranks_[static_cast<std::size_t>(peers.rank())]);
  if (!squares) return squares.error();
  norm.squares_ = *squares;
  std::size_t at = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (auto done = norm.program_->bind(leaf_name(i), sums[i].gradients); !done) return done.error();
    if (auto done = norm.program_->bind(output_name(i), {norm.squares_, at}); !done) return done.error();
    at += static_cast<std::size_t>(sums[i].members) * sizeof(float);
  }
  return norm;
}

Result<double> GradientNorm::compute() {
  const auto total = std::accumulate(bytes_of_ranks_.begin(), bytes_of_ranks_.end(), std::size_t{0});
  std::vector<float> all(total / sizeof(float));
  const auto bytes = std::as_writable_bytes(std::span(all));
  const auto rank = static_cast<std::size_t>(peers_.rank());
  const auto before = std::accumulate(bytes_of_ranks_.begin(), bytes_of_ranks_.begin() + peers_.rank(), std::size_t{0});
  const auto own = bytes.subspan(before, bytes_of_ranks_[rank]);
  if (program_) {
    if (auto done = program_->run({}); !done) return done.error();
    if (auto done = executor_->download(own, {squares_, 0}); !done) return done.error();
  }
  if (peers_.size() > 1) {
    if (auto done = peers_.processes->all_gather(own, bytes, bytes_of_ranks_); !done) return done.error();
  }
  return std::sqrt(std::accumulate(all.begin(), all.end(), 0.0));
}

}  // namespace caddie::train
