#include "core/train/gradient_exchange.hpp"

#include <algorithm>
#include <functional>
#include <vector>

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

class OrderedExchange final : public GradientExchange {
 public:
  OrderedExchange(graph::Executor& executor, const ParameterStore& store, comm::ProcessGroup& group);
  [[nodiscard]] bool adds_own_first() const override { return false; }
  Result<void> add(int round) override;
  Result<void> finish() override;

 private:
  // Every owned bank's gradient, one after the other, and zeros up to a multiple of the group's size.
  Result<void> download();
  Result<void> upload();

  graph::Executor* executor_;
  const ParameterStore* store_;
  comm::ProcessGroup* group_;
  std::vector<float> all_;       // [size * share]
  std::vector<float> received_;  // [size * share]
  std::vector<float> sum_;       // [share]
  std::vector<std::size_t> sizes_;  // bytes of every rank's share
};

OrderedExchange::OrderedExchange(graph::Executor& executor, const ParameterStore& store, comm::ProcessGroup& group)
    : executor_(&executor), store_(&store), group_(&group) {
  const auto size = static_cast<std::size_t>(group.size());
  const std::size_t share = (gradient_elements(store) + size - 1) / size;
  all_.resize(size * share);
  received_.resize(size * share);
  sum_.resize(share);
  sizes_.assign(size, share * sizeof(float));
}

Result<void> OrderedExchange::download() {
  return for_each_bank(*store_, all_, [&](const graph::BufferView& bank, std::span<float> values) {
    return executor_->download(std::as_writable_bytes(values), bank);
  });
}

Result<void> OrderedExchange::upload() {
  return for_each_bank(*store_, all_, [&](const graph::BufferView& bank, std::span<float> values) {
    return executor_->upload(bank, std::as_bytes(values));
  });
}

Result<void> OrderedExchange::add(int round) {
  if (auto done = download(); !done) return done;
  const auto sent = std::as_bytes(std::span(all_));
  if (auto done = group_->all_to_all(sent, std::as_writable_bytes(std::span(received_)), sizes_); !done) return done;
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

Result<void> OrderedExchange::finish() {
  const auto own = std::as_bytes(std::span(sum_));
  if (auto done = group_->all_gather(own, std::as_writable_bytes(std::span(all_)), sizes_); !done) return done;
  return upload();
}

class DeviceExchange final : public GradientExchange {
 public:
  DeviceExchange(graph::Executor& executor, const ParameterStore& store, comm::DeviceGroup& devices)
      : executor_(&executor), store_(&store), devices_(&devices) {}

  [[nodiscard]] bool adds_own_first() const override { return true; }
  Result<void> add(int) override { return {}; }
  Result<void> finish() override {
    if (auto done = executor_->synchronize(); !done) return done;
    for (const Bank& bank : store_->banks()) {
      if (!bank.gradients) continue;
      auto* const values = static_cast<float*>(bank.gradients->device_data());
      if (auto done = devices_->sum(values, bank.gradients->size_bytes() / sizeof(float)); !done) return done;
    }
    return {};
  }

 private:
  graph::Executor* executor_;
  const ParameterStore* store_;
  comm::DeviceGroup* devices_;
};

}  // namespace

std::unique_ptr<GradientExchange> ordered_exchange(graph::Executor& executor, const ParameterStore& store,
                                                   comm::ProcessGroup& group) {
  return std::make_unique<OrderedExchange>(executor, store, group);
}

std::unique_ptr<GradientExchange> device_exchange(graph::Executor& executor, const ParameterStore& store,
                                                  comm::DeviceGroup& devices) {
  return std::make_unique<DeviceExchange>(executor, store, devices);
}

}  // namespace caddie::train
