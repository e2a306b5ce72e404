#include "core/artifact/sizes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace caddie::artifact {
namespace {

// Bits that each byte value of a stream costs. A little is added so that streams of one repeated byte are shared by
// length.
std::array<double, 256> byte_costs(std::span<const std::uint8_t> bytes) {
  std::array<std::int64_t, 256> counts{};
  for (const std::uint8_t byte : bytes) ++counts[byte];
  std::array<double, 256> costs{};
  for (std::size_t value = 0; value < costs.size(); ++value) {
    if (counts[value] == 0) continue;
    costs[value] = 1.0 / 64 - std::log2(static_cast<double>(counts[value]) / static_cast<double>(bytes.size()));
  }
  return costs;
}

double cost_of(std::span<const std::uint8_t> bytes, const std::array<double, 256>& costs) {
  std::array<std::int64_t, 256> counts{};
  for (const std::uint8_t byte : bytes) ++counts[byte];
  double sum = 0;
  for (std::size_t value = 0; value < costs.size(); ++value) sum += static_cast<double>(counts[value]) * costs[value];
  return sum;
}

// The tensors' shares of one stream.
struct Slice {
  std::size_t tensor = 0;
  std::int64_t bytes = 0;
};

std::map<std::string, std::vector<Slice>> slices_of(const Header& header) {
  std::map<std::string, std::vector<Slice>> slices;
  for (std::size_t i = 0; i < header.tensors.size(); ++i) {
    for (const EncodingRecord& encoding : header.tensors[i].encodings) {
      for (const PartRecord& part : encoding.parts) {
        slices[header.quantizers[encoding.quantizer].instance + "." + part.name].push_back({i, part.bytes});
      }
    }
  }
  return slices;
}

void share_among_tensors(const StreamBytes& stream, std::int64_t bytes, const std::vector<Slice>& slices,
                         SizeTable& table) {
  const auto costs = byte_costs(stream.bytes);
  std::vector<double> weights;
  std::span<const std::uint8_t> rest = stream.bytes;
  for (const Slice& slice : slices) {
    weights.push_back(cost_of(rest.first(static_cast<std::size_t>(slice.bytes)), costs));
    rest = rest.subspan(static_cast<std::size_t>(slice.bytes));
  }
  const std::vector<std::int64_t> shares = apportion(bytes, weights);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    SizeRow& row = table.tensors[slices[i].tensor + 1];
    row.raw_bytes += slices[i].bytes;
    row.bytes += shares[i];
  }
}

}  // namespace

CapCheck check_cap(std::int64_t artifact_bytes, std::int64_t code_bytes, std::int64_t cap) {
  const std::int64_t total = artifact_bytes + code_bytes;
  return {total, cap - total, total <= cap};
}

std::vector<std::int64_t> apportion(std::int64_t total, std::span<const double> weights) {
  std::vector<std::int64_t> shares(weights.size());
  if (weights.empty()) return shares;
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::int64_t left = total;
  std::vector<double> remainders(weights.size());
  if (sum > 0) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double exact = static_cast<double>(total) * weights[i] / sum;
      shares[i] = std::min(left, static_cast<std::int64_t>(std::floor(exact)));
      remainders[i] = exact - std::floor(exact);
      left -= shares[i];
    }
  }
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  for (std::size_t i = 0; left > 0 && sum > 0 && i < order.size(); ++i, --left) ++shares[order[i]];
  shares[order.front()] += left;
  return shares;
}

SizeTable attribute_sizes(const Header& header, std::span<const StreamBytes> streams,
                          std::span<const std::int64_t> group_bytes, std::int64_t container_bytes) {
  SizeTable table;
  const SizeRow container{"container", container_bytes, container_bytes};
  table.total = container_bytes;
  table.groups = {container};
  table.streams = {container};
  table.tensors = {container};
  for (const TensorRecord& tensor : header.tensors) table.tensors.push_back({tensor.id.name, 0, 0});
  std::map<std::string, std::size_t> stream_row;
  for (const StreamBytes& stream : streams) {
    stream_row[stream.name] = table.streams.size();
    table.streams.push_back({stream.name, static_cast<std::int64_t>(stream.bytes.size()), 0});
  }
  const auto slices = slices_of(header);
  for (std::size_t g = 0; g < header.groups.size(); ++g) {
    const GroupRecord& group = header.groups[g];
    std::vector<double> weights;
    std::int64_t raw_bytes = 0;
    for (const std::string& name : group.streams) {
      const StreamBytes& stream = streams[stream_row.at(name) - 1];
      weights.push_back(cost_of(stream.bytes, byte_costs(stream.bytes)));
      raw_bytes += static_cast<std::int64_t>(stream.bytes.size());
    }
    const std::vector<std::int64_t> shares = apportion(group_bytes[g], weights);
    for (std::size_t i = 0; i < group.streams.size(); ++i) {
      const std::size_t row = stream_row.at(group.streams[i]);
      table.streams[row].bytes = shares[i];
      share_among_tensors(streams[row - 1], shares[i], slices.at(group.streams[i]), table);
    }
    table.groups.push_back({group.compressor ? group.compressor->instance : "stored", raw_bytes, group_bytes[g]});
    table.total += group_bytes[g];
  }
  return table;
}

}  // namespace caddie::artifact
