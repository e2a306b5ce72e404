// A device that runs nothing: it gathers the kernels and products of what is compiled for it. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/cuda/device.hpp"

namespace caddie::cuda::testing {

class ListingDevice final : public Device {
 public:
  bool good_at_activations = true;

  [[nodiscard]] const std::vector<KernelSource>& kernels() const { return kernels_; }
  [[nodiscard]] const std::vector<Product>& products() const { return products_; }

  Result<DeviceMemoryPtr> allocate(std::size_t bytes, const char*) override {
    struct Memory final : DeviceMemory {
      // An address nobody follows.
      explicit Memory(std::size_t size) : DeviceMemory(reinterpret_cast<std::byte*>(std::uintptr_t{4096}), size) {}
    };
    return DeviceMemoryPtr(std::make_shared<Memory>(bytes));
  }
  Result<void> upload(std::byte*, std::span<const std::byte>) override { return {}; }
  Result<void> download(std::span<std::byte>, const std::byte*) override { return {}; }
  Result<void> synchronize() override { return {}; }

  Result<std::vector<KernelId>> load(std::span<const KernelSource> sources) override {
    std::vector<KernelId> ids;
    for (const KernelSource& source : sources) {
      const auto [found, added] = known_.try_emplace(complete_source(source), static_cast<KernelId>(kernels_.size()));
      if (added) kernels_.push_back(source);
      ids.push_back(found->second);
    }
    return ids;
  }
  Result<ProductPlan> plan(const Product& product) override {
    products_.push_back(product);
    return ProductPlan{};
  }
  bool fuses(const Product&) override { return true; }
  [[nodiscard]] bool fuses_activations() const override { return good_at_activations; }

  Result<void> launch(KernelId, std::uint32_t, std::span<std::byte* const>) override { return {}; }
  Result<void> multiply(std::uint32_t, const ProductMemory&) override { return {}; }
  Result<void> copy(std::byte*, const std::byte*, std::size_t) override { return {}; }
  Result<std::unique_ptr<Recording>> record(const std::function<Result<void>()>&) override {
    return std::make_unique<Recording>();
  }
  Result<void> replay(const Recording&) override { return {}; }
  Result<void> mark() override { return {}; }
  Result<std::vector<double>> times() override { return std::vector<double>(); }

 private:
  std::vector<KernelSource> kernels_;
  std::vector<Product> products_;
  std::map<std::string, KernelId> known_;
};

}  // namespace caddie::cuda::testing
