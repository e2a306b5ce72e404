// Matrix products by cuBLASLt. An algorithm is chosen once for a product and kept: same device, same bits.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/cuda/device.hpp"

namespace caddie::cuda {

class Products {
 public:
  static Result<std::unique_ptr<Products>> make();
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  Result<ProductPlan> plan(const Product& product);
  Result<void> multiply(std::uint32_t plan, const ProductMemory& memory, cudaStream_t stream) const;

 private:
  struct Plan;
  Products() = default;
  Result<std::unique_ptr<Plan>> make_plan(const Product& product) const;

  cublasLtHandle_t handle_ = nullptr;
  std::vector<std::unique_ptr<Plan>> plans_;
  float* betas_ = nullptr;  // 0 and 1 in device memory: alpha and beta are there together or not at all
};

}  // namespace caddie::cuda
