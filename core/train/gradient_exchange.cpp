#include "core/train/gradient_exchange.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "core/train/member_arrays.hpp"

namespace caddie::train {
namespace {

std::vector<MemberArray> gradients_of(const ParameterStore& store) {
  std::vector<MemberArray> gradients;
  for (std::size_t i = 0; i < store.banks().size(); ++i) {
    if (store.banks()[i].gradients) gradients.push_back({i, store.banks()[i].gradients});
  }
  return gradients;
}

class OrderedExchange final : public GradientExchange {
 public:
  OrderedExchange(graph::Executor& executor, const ParameterStore& store, comm::ProcessGroup& group,
                  const Shares& shares)
      : executor_(&executor), group_(&group), gradients_(gradients_of(store), store.banks(), shares),
        own_bytes_(gradients_.bytes_of_ranks()[static_cast<std::size_t>(group.rank())]),
        all_(gradients_.bytes()), received_(own_bytes_ * shares.size()), sum_(own_bytes_ / sizeof(float)) {}

  [[nodiscard]] bool adds_own_first() const override { return false; }

  Result<void> add(int round) override {
    for (int rank = 0; rank < group_->size(); ++rank) {
      if (auto done = gradients_.download(*executor_, rank, gradients_.part(all_, rank)); !done) return done;
    }
    if (auto done = group_->all_to_all(all_, received_, gradients_.bytes_of_ranks()); !done) return done;
    for (int rank = 0; rank < group_->size(); ++rank) add_to_sum(rank, round == 0 && rank == 0);
    return {};
  }

  Result<void> finish(bool all) override {
    const auto own = std::as_bytes(std::span(sum_));
    if (!all) return gradients_.upload(*executor_, group_->rank(), own);
    if (auto done = group_->all_gather(own, all_, gradients_.bytes_of_ranks()); !done) return done;
    for (int rank = 0; rank < group_->size(); ++rank) {
      if (auto done = gradients_.upload(*executor_, rank, gradients_.part(all_, rank)); !done) return done;
    }
    return {};
  }

 private:
  void add_to_sum(int rank, bool is_first) {
    const auto* next = reinterpret_cast<const float*>(received_.data() + static_cast<std::size_t>(rank) * own_bytes_);
    if (is_first) {
      std::copy_n(next, sum_.size(), sum_.begin());
    } else {
      std::transform(sum_.cbegin(), sum_.cend(), next, sum_.begin(), std::plus<>());
    }
  }

  graph::Executor* executor_;
  comm::ProcessGroup* group_;
  MemberArrays gradients_;
  std::size_t own_bytes_;
  std::vector<std::byte> all_;       // the shares of this rank's gradient
  std::vector<std::byte> received_;  // its own share of every rank's
  std::vector<float> sum_;
};

class DeviceExchange final : public GradientExchange {
 public:
  DeviceExchange(graph::Executor& executor, const ParameterStore& store, comm::DeviceGroup& devices)
      : executor_(&executor), store_(&store), devices_(&devices) {}

  [[nodiscard]] bool adds_own_first() const override { return true; }
  Result<void> add(int) override { return {}; }
  Result<void> finish(bool) override {
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
                                                   comm::ProcessGroup& group, const Shares& shares) {
  return std::make_unique<OrderedExchange>(executor, store, group, shares);
}

std::unique_ptr<GradientExchange> device_exchange(graph::Executor& executor, const ParameterStore& store,
                                                  comm::DeviceGroup& devices) {
  return std::make_unique<DeviceExchange>(executor, store, devices);
}

}  // namespace caddie::train
