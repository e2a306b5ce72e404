#include "core/train/gradient_exchange.hpp"

#include <algorithm>

namespace caddie::train {
namespace {

std::size_t gradient_elements(const ParameterStore& store) {
  std::size_t count = 0;
  for (const Bank& bank : store.banks())
    if (bank.gradients) count += bank.gradients->size_bytes() / sizeof(float);
  return count;
}

// Calls body with each owned bank's gradients and their part of `values`.
template <class Body>
Result<void> for_each_bank(const ParameterStore& store, std::span<float> values, Body&& body) {
  for (const Bank& bank : store.banks()) {
    if (!bank.gradients) continue;
    const std::size_t count = bank.gradients->size_bytes() / sizeof(float);
    if (auto done = body(graph::BufferView{bank.gradients, 0}, values.first(count)); !done) return done;
    values = values.subspan(count);
  }
  return {};
}

}  // namespace

GradientExchange::GradientExchange(graph::Executor& executor, const ParameterStore& store, comm::ProcessGroup& group)
    : executor_(&executor), store_(&store), group_(&group) {
  const auto size = static_cast<std::size_t>(group.size());
  const std::size_t share = (gradient_elements(store) + size - 1) / size;
  all_.resize(size * share);
  received_.resize(size * share);
  sum_.resize(share);
}

Result<void> GradientExchange::download() {
  return for_each_bank(*store_, all_, [&](const graph::BufferView& bank, std::span<float> values) {
    return executor_->download(std::as_writable_bytes(values), bank);
  });
}

Result<void> GradientExchange::upload() {
  return for_each_bank(*store_, all_, [&](const graph::BufferView& bank, std::span<float> values) {
    return executor_->upload(bank, std::as_bytes(values));
  });
}

Result<void> GradientExchange::add(int round) {
  if (auto done = download(); !done) return done;
  const auto sent = std::as_bytes(std::span(all_));
  if (auto done = group_->all_to_all(sent, std::as_writable_bytes(std::span(received_))); !done) return done;
  auto next = received_.cbegin();
  for (int rank = 0; rank < group_->size(); ++rank, next += static_cast<std::ptrdiff_t>(sum_.size())) {
    if (round == 0 && rank == 0) {
      std::copy_n(next, sum_.size(), sum_.begin());
    } else {
      std::transform(sum_.cbegin(), sum_.cend(), next, sum_.begin(), std::plus<>());
    }
  }
  return {};
}

Result<void> GradientExchange::finish() {
  const auto own = std::as_bytes(std::span(sum_));
  if (auto done = group_->all_gather(own, std::as_writable_bytes(std::span(all_))); !done) return done;
  return upload();
}

}  // namespace caddie::train
