#include "core/cuda/runtime/products.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caddie::cuda {
namespace {

constexpr std::size_t kMostWorkspace = std::size_t{32} << 20;

Error error_of(cublasStatus_t status, const char* what) {
  return {Code::device, "", fmt::format("cuBLASLt: {} failed: {}", what, cublasLtGetStatusString(status))};
}

// The library's matrices run down columns; memory [rows, columns] with rows side by side is their transpose.
struct Layout {
  cublasLtMatrixLayout_t handle = nullptr;
  cublasOperation_t operation = CUBLAS_OP_N;

  Layout() = default;
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  ~Layout() {
    if (handle != nullptr) cublasLtMatrixLayoutDestroy(handle);
  }

  // The transpose of the operand [rows, columns] as a matrix of the library, or the operand and an operation.
  cublasStatus_t make(const MatrixOperand& operand, std::int64_t rows, std::int64_t columns, std::int64_t batch) {
    const cudaDataType type = operand.narrow ? CUDA_R_16BF : CUDA_R_32F;
    const bool by_rows = operand.column_stride == 1;
    operation = by_rows ? CUBLAS_OP_N : CUBLAS_OP_T;
    const auto down = static_cast<std::uint64_t>(by_rows ? columns : rows);
    const auto across = static_cast<std::uint64_t>(by_rows ? rows : columns);
    auto status = cublasLtMatrixLayoutCreate(&handle, type, down, across,
                                             by_rows ? operand.row_stride : operand.column_stride);
    const auto count = static_cast<std::int32_t>(batch);
    if (status == CUBLAS_STATUS_SUCCESS && batch > 1) {
      status = cublasLtMatrixLayoutSetAttribute(handle, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
      if (status != CUBLAS_STATUS_SUCCESS) return status;
      status = cublasLtMatrixLayoutSetAttribute(handle, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                &operand.batch_stride, sizeof operand.batch_stride);
    }
    return status;
  }
};

struct Preference {
  cublasLtMatmulPreference_t handle = nullptr;
  ~Preference() {
    if (handle != nullptr) cublasLtMatmulPreferenceDestroy(handle);
  }
  template <class Value>
  cublasStatus_t set(cublasLtMatmulPreferenceAttributes_t key, const Value& value) const {
    return cublasLtMatmulPreferenceSetAttribute(handle, key, &value, sizeof value);
  }
};

}  // namespace

struct Products::Plan {
  Product product;
  cublasLtMatmulDesc_t description = nullptr;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace_bytes = 0;

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    if (description != nullptr) cublasLtMatmulDescDestroy(description);
  }
};

Products::~Products() {
  plans_.clear();
  if (handle_ != nullptr) cublasLtDestroy(handle_);
}

Result<std::unique_ptr<Products>> Products::make() {
  std::unique_ptr<Products> made(new Products());
  if (const auto status = cublasLtCreate(&made->handle_); status != CUBLAS_STATUS_SUCCESS) {
    return error_of(status, "starting it");
  }
  return made;
}

Result<ProductPlan> Products::plan(const Product& product) {
  auto found = std::ranges::find_if(plans_, [&](const auto& plan) { return plan->product == product; });
  if (found == plans_.end()) {
    auto made = make_plan(product);
    if (!made) return made.error();
    plans_.push_back(std::move(*made));
    found = plans_.end() - 1;
  }
  return ProductPlan{static_cast<std::uint32_t>(found - plans_.begin()), (*found)->workspace_bytes};
}

// c^T = b^T a^T: the library's first operand is b.
Result<std::unique_ptr<Products::Plan>> Products::make_plan(const Product& p) const {
  auto plan = std::make_unique<Plan>();
  plan->product = p;
  auto status = cublasLtMatmulDescCreate(&plan->description, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->a.make(p.a, p.m, p.k, p.batch);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->b.make(p.b, p.k, p.n, p.batch);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->c.make(p.c, p.m, p.n, p.batch);
  const auto set = [&](cublasLtMatmulDescAttributes_t key, cublasOperation_t operation) {
    if (status != CUBLAS_STATUS_SUCCESS) return;
    status = cublasLtMatmulDescSetAttribute(plan->description, key, &operation, sizeof operation);
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, plan->b.operation);
  set(CUBLASLT_MATMUL_DESC_TRANSB, plan->a.operation);
  Preference preference;
  if (status == CUBLAS_STATUS_SUCCESS) status = cublasLtMatmulPreferenceCreate(&preference.handle);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t key, const auto& value) {
    if (status == CUBLAS_STATUS_SUCCESS) status = preference.set(key, value);
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
  // Partial sums over k are only added in the workspace, in f32 and in a fixed order.
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.b.alignment);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.a.alignment);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.c.alignment);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.c.alignment);
  if (status != CUBLAS_STATUS_SUCCESS) return error_of(status, "describing a product");
  cublasLtMatmulHeuristicResult_t best{};
  int count = 0;
  status = cublasLtMatmulAlgoGetHeuristic(handle_, plan->description, plan->b.handle, plan->a.handle, plan->c.handle,
                                          plan->c.handle, preference.handle, 1, &best, &count);
  if (status != CUBLAS_STATUS_SUCCESS || count == 0) {
    return Error{Code::device, "",
                 fmt::format("cuBLASLt has no algorithm for the product {} x [{}, {}] [{}, {}] in {}: {}", p.batch, p.m,
                             p.k, p.k, p.n, p.a.narrow ? "bf16" : "f32", cublasLtGetStatusString(status))};
  }
  plan->algorithm = best.algo;
  plan->workspace_bytes = best.workspaceSize;
  return plan;
}

Result<void> Products::multiply(std::uint32_t number, const void* a, const void* b, void* c, void* workspace,
                                cudaStream_t stream) const {
  const Plan& plan = *plans_[number];
  const float one = 1;
  const float beta = plan.product.accumulates ? 1 : 0;
  const auto status = cublasLtMatmul(handle_, plan.description, &one, b, plan.b.handle, a, plan.a.handle, &beta, c,
                                     plan.c.handle, c, plan.c.handle, &plan.algorithm, workspace,
                                     plan.workspace_bytes, stream);
  if (status != CUBLAS_STATUS_SUCCESS) return error_of(status, "a product");
  return {};
}

}  // namespace caddie::cuda
