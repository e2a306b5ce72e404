#include "core/artifact/quantize.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/text.hpp"
#include "core/plugins/call.hpp"

namespace caddie::artifact {
namespace {

using plugins::Object;

const caddie_quantizer& table_of(const Object& object) { return object.table<caddie_quantizer>(); }
bool is_decorator(const QuantizerEntry& entry) { return table_of(*entry.object).decorator != 0; }
const std::string& instance_of(const QuantizerEntry& entry) { return entry.object->instance(); }

std::string place(const Object& object, const TensorId& id) {
  return fmt::format("{} on {}", object.instance(), id.name);
}

// The position of the first value that is not finite, or the size.
std::size_t first_not_finite(std::span<const float> values) {
  const auto at = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  return static_cast<std::size_t>(at - values.begin());
}

Result<void> check_weights(std::span<const NamedTensor> weights) {
  if (weights.empty()) return Error{Code::argument, "quantize", "there are no tensors to quantize"};
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : weights) {
    const TensorId& id = tensor.id;
    if (!names.insert(id.name).second) return Error{Code::argument, id.name, "two tensors have this name"};
    for (const std::int64_t length : id.shape.lengths()) {
      if (length < 1)
        return Error{Code::shape, id.name, fmt::format("has the shape {}; an axis has no length", id.shape.text())};
    }
    if (static_cast<std::int64_t>(tensor.data.size()) != id.shape.elements()) {
      return Error{Code::shape, id.name,
                   fmt::format("has {} values for the shape {}", tensor.data.size(), id.shape.text())};
    }
    const std::size_t bad = first_not_finite(tensor.data);
    if (bad < tensor.data.size()) {
      return Error{Code::argument, id.name,
                   fmt::format("value {} is {}; weights must be finite: did training diverge?", bad, tensor.data[bad])};
    }
  }
  return {};
}

Result<void> check_entries(std::span<const QuantizerEntry> entries) {
  std::vector<std::string> bases;
  std::set<std::string_view> names;
  for (const QuantizerEntry& entry : entries) {
    if (!names.insert(instance_of(entry)).second) {
      return Error{Code::argument, instance_of(entry), "two quantizers have this name"};
    }
    if (!is_decorator(entry)) bases.push_back(instance_of(entry));
  }
  for (const QuantizerEntry& entry : entries) {
    if (!is_decorator(entry) && !entry.over.empty()) {
      return Error{
          Code::argument, instance_of(entry),
          fmt::format("{} is no decorator and stands over nothing; remove \"over\"", entry.object->description().id)};
    }
    for (const std::string& below : entry.over) {
      if (std::find(bases.begin(), bases.end(), below) != bases.end()) continue;
      return Error{Code::argument, instance_of(entry),
                   fmt::format("stands over \"{}\", which is none of the quantizers {}{}", below,
                               fmt::join(bases, ", "), did_you_mean(below, bases))};
    }
  }
  return {};
}

// For each tensor the entry of its base quantizer.
Result<std::vector<std::size_t>> base_owners(std::span<const NamedTensor> weights,
                                             std::span<const QuantizerEntry> entries) {
  std::vector<plugins::TensorKey> keys;
  for (const NamedTensor& tensor : weights) keys.push_back(key_of(tensor.id));
  std::vector<plugins::Claimant> claimants;
  std::vector<std::size_t> entry_of;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (is_decorator(entries[i])) continue;
    claimants.push_back({instance_of(entries[i]), entries[i].claims, entries[i].allow_inert});
    entry_of.push_back(i);
  }
  auto owners = plugins::assign_owners(keys, claimants, "quantizer");
  if (!owners) return Error{owners.error().code, "quantize", owners.error().text};
  for (std::size_t& owner : *owners) owner = entry_of[owner];
  return owners;
}

Result<std::span<const float>> moments_of(const Moments& moments, const TensorId& id) {
  const auto at = moments.find(id.name);
  if (at == moments.end()) return std::span<const float>{};
  const std::int64_t rows = id.shape.rank() < 2 ? 1 : id.shape[0];
  const std::int64_t columns = id.shape.elements() / rows;
  if (static_cast<std::int64_t>(at->second.size()) != columns * columns) {
    return Error{Code::shape, id.name,
                 fmt::format("has second moments of {} values; its {} columns need {}", at->second.size(), columns,
                             columns * columns)};
  }
  return std::span<const float>(at->second);
}

// Calls a plugin's encode; the parts come back sorted by name.
Result<std::vector<Part>> encode(const Object& object, const NamedTensor& tensor, std::span<const float> decoded,
                                 std::span<const float> moments) {
  const caddie_tensor_info info = info_of(tensor.id);
  caddie_quantize_input input{};
  input.struct_size = sizeof input;
  input.weights = tensor.data.data();
  input.decoded = decoded.empty() ? nullptr : decoded.data();
  input.moments = moments.empty() ? nullptr : moments.data();
  input.moments_size = static_cast<std::uint64_t>(std::llround(std::sqrt(static_cast<double>(moments.size()))));
  caddie_parts parts;
  parts.room = max_parts_bytes(tensor.id.shape.elements());
  const std::string where = place(object, tensor.id);
  const auto called = plugins::call_plugin(where, [&](caddie_error* error) {
    return table_of(object).encode(object.abi(), &info, &input, parts_service(), &parts, error);
  });
  if (!parts.problem.empty()) return Error{Code::argument, where, parts.problem};
  if (!called) return called.error();
  std::sort(parts.list.begin(), parts.list.end(), [](const Part& a, const Part& b) { return a.name < b.name; });
  return std::move(parts.list);
}

Result<void> decode_onto(const Object& object, const TensorId& id, const std::vector<Part>& parts,
                         std::vector<float>& values) {
  const caddie_tensor_info info = info_of(id);
  const caddie_parts readable{parts, 0, {}};
  const auto called = plugins::call_plugin(place(object, id), [&](caddie_error* error) {
    return table_of(object).decode(object.abi(), &info, parts_service(), &readable, values.data(), error);
  });
  if (!called) return called;
  const std::size_t bad = first_not_finite(values);
  if (bad < values.size()) {
    return Error{Code::format, place(object, id), fmt::format("decodes to {} at value {}", values[bad], bad)};
  }
  return {};
}

double error_norm(std::span<const float> weights, std::span<const float> decoded) {
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double difference = static_cast<double>(weights[i]) - static_cast<double>(decoded[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

// What is being made, and how to add one encoding to one tensor.
class Work {
 public:
  Work(std::span<const NamedTensor> weights, std::span<const QuantizerEntry> entries, const Moments& moments)
      : weights_(weights), entries_(entries), moments_(moments) {
    for (const NamedTensor& tensor : weights) {
      result_.tensors.push_back({tensor.id, {}});
      result_.decoded.push_back({tensor.id, {}});
    }
    result_.error_norms.resize(weights.size());
  }

  Result<void> add(std::size_t tensor, std::size_t quantizer) {
    const NamedTensor& source = weights_[tensor];
    const Object& object = *entries_[quantizer].object;
    std::vector<float>& values = result_.decoded[tensor].data;
    auto moments = moments_of(moments_, source.id);
    if (!moments) return moments.error();
    auto parts = encode(object, source, values, *moments);
    if (!parts) return parts.error();
    values.resize(source.data.size());
    if (auto decoded = decode_onto(object, source.id, *parts, values); !decoded) return decoded.error();
    result_.error_norms[tensor] = error_norm(source.data, values);
    result_.tensors[tensor].encodings.push_back({quantizer, std::move(*parts)});
    return {};
  }

  // A decorator chooses among the tensors it stands over and corrects them.
  Result<void> decorate(std::size_t quantizer) {
    const QuantizerEntry& entry = entries_[quantizer];
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      const std::string& base = instance_of(entries_[result_.tensors[i].encodings.front().quantizer]);
      const bool below =
          entry.over.empty() || std::find(entry.over.begin(), entry.over.end(), base) != entry.over.end();
      if (below && entry.claims.matches(key_of(weights_[i].id))) candidates.push_back(i);
    }
    auto chosen = choose(entry, candidates);
    if (!chosen) return chosen.error();
    if (chosen->empty() && !entry.allow_inert) {
      return Error{
          Code::argument, instance_of(entry),
          fmt::format("corrects nothing (of {} tensors it stands over); widen \"over\" or its claims, or remove it",
                      candidates.size())};
    }
    for (const std::size_t tensor : *chosen) {
      if (auto added = add(tensor, quantizer); !added) return added;
    }
    return {};
  }

  Quantized take() { return std::move(result_); }

 private:
  Result<std::vector<std::size_t>> choose(const QuantizerEntry& entry,
                                          const std::vector<std::size_t>& candidates) const {
    if (candidates.empty()) return std::vector<std::size_t>{};
    if (table_of(*entry.object).choose == nullptr) {
      return Error{Code::abi, instance_of(entry), "is a decorator without a function that chooses tensors"};
    }
    std::vector<caddie_tensor_info> infos;
    std::vector<double> norms;
    for (const std::size_t i : candidates) {
      infos.push_back(info_of(weights_[i].id));
      norms.push_back(result_.error_norms[i]);
    }
    std::vector<std::uint8_t> flags(candidates.size());
    const auto called = plugins::call_plugin(instance_of(entry), [&](caddie_error* error) {
      return table_of(*entry.object)
          .choose(entry.object->abi(), static_cast<std::uint32_t>(infos.size()), infos.data(), norms.data(),
                  flags.data(), error);
    });
    if (!called) return called.error();
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < flags.size(); ++i) {
      if (flags[i] != 0) chosen.push_back(candidates[i]);
    }
    return chosen;
  }

  std::span<const NamedTensor> weights_;
  std::span<const QuantizerEntry> entries_;
  const Moments& moments_;
  Quantized result_;
};

}  // namespace

Result<Quantized> quantize(std::span<const NamedTensor> weights, std::span<const QuantizerEntry> entries,
                           const Moments& moments) {
  if (auto checked = check_weights(weights); !checked) return checked.error();
  if (auto checked = check_entries(entries); !checked) return checked.error();
  auto owners = base_owners(weights, entries);
  if (!owners) return owners.error();
  Work work(weights, entries, moments);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (auto added = work.add(i, (*owners)[i]); !added) return added.error();
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!is_decorator(entries[i])) continue;
    if (auto decorated = work.decorate(i); !decorated) return decorated.error();
  }
  return work.take();
}

Result<NamedTensor> decode_tensor(const QuantizedTensor& tensor, std::span<const Object* const> objects) {
  NamedTensor out{tensor.id, std::vector<float>(static_cast<std::size_t>(tensor.id.shape.elements()))};
  for (const Encoding& encoding : tensor.encodings) {
    if (auto decoded = decode_onto(*objects[encoding.quantizer], tensor.id, encoding.parts, out.data); !decoded) {
      return decoded.error();
    }
  }
  return out;
}

}  // namespace caddie::artifact
