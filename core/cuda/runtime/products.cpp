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

cublasLtEpilogue_t epilogue_of(const Product& p) {
  std::uint32_t bits = 0;
  if (p.has_bias) bits |= CUBLASLT_EPILOGUE_BIAS;
  if (p.activation == graph::Activation::relu) bits |= CUBLASLT_EPILOGUE_RELU;
  if (p.activation == graph::Activation::gelu) bits |= p.keeps ? CUBLASLT_EPILOGUE_GELU_AUX : CUBLASLT_EPILOGUE_GELU;
  return bits == 0 ? CUBLASLT_EPILOGUE_DEFAULT : static_cast<cublasLtEpilogue_t>(bits);
}

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

  template <class Value>
  cublasStatus_t set(cublasLtMatmulDescAttributes_t key, const Value& value) const {
    return cublasLtMatmulDescSetAttribute(description, key, &value, sizeof value);
  }
  cublasStatus_t describe() const;
};

Products::~Products() {
  plans_.clear();
  if (handle_ != nullptr) cublasLtDestroy(handle_);
  cudaFree(betas_);
}

Result<std::unique_ptr<Products>> Products::make() {
  std::unique_ptr<Products> made(new Products());
  if (const auto status = cublasLtCreate(&made->handle_); status != CUBLAS_STATUS_SUCCESS) {
    return error_of(status, "starting it");
  }
  constexpr float kBetas[] = {0, 1};
  if (cudaMalloc(reinterpret_cast<void**>(&made->betas_), sizeof kBetas) != cudaSuccess ||
      cudaMemcpy(made->betas_, kBetas, sizeof kBetas, cudaMemcpyHostToDevice) != cudaSuccess) {
    return Error{Code::device, "", "cuBLASLt: no device memory for two factors"};
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

// Transposes, and what happens to the sums. The library's matrices run down columns, so its rows are our columns: a
// bias has one element for each.
cublasStatus_t Products::Plan::describe() const {
  const Product& p = product;
  auto status = set(CUBLASLT_MATMUL_DESC_TRANSA, b.operation);
  if (status == CUBLAS_STATUS_SUCCESS) status = set(CUBLASLT_MATMUL_DESC_TRANSB, a.operation);
  if (status == CUBLAS_STATUS_SUCCESS && p.scaled)
    status = set(CUBLASLT_MATMUL_DESC_POINTER_MODE, std::int32_t{CUBLASLT_POINTER_MODE_DEVICE});
  if (status == CUBLAS_STATUS_SUCCESS) status = set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(p));
  // The search for an algorithm takes the alignment from addresses it does not follow.
  const void* aligned = reinterpret_cast<const void*>(std::uintptr_t{16});
  if (status == CUBLAS_STATUS_SUCCESS && p.has_bias) status = set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, aligned);
  if (status != CUBLAS_STATUS_SUCCESS || !p.keeps) return status;
  status = set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aligned);
  if (status == CUBLAS_STATUS_SUCCESS) status = set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, p.c.row_stride);
  if (status == CUBLAS_STATUS_SUCCESS && p.batch > 1)
    status = set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, p.c.batch_stride);
  return status;
}

// c^T = b^T a^T: the library's first operand is b.
Result<std::unique_ptr<Products::Plan>> Products::make_plan(const Product& p) const {
  auto plan = std::make_unique<Plan>();
  plan->product = p;
  auto status = cublasLtMatmulDescCreate(&plan->description, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->a.make(p.a, p.m, p.k, p.batch);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->b.make(p.b, p.k, p.n, p.batch);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->c.make(p.c, p.m, p.n, p.batch);
  if (status == CUBLAS_STATUS_SUCCESS) status = plan->describe();
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

Result<void> Products::multiply(std::uint32_t number, const ProductMemory& at, cudaStream_t stream) const {
  const Plan& plan = *plans_[number];
  const Product& p = plan.product;
  auto status = CUBLAS_STATUS_SUCCESS;
  if (p.has_bias) status = plan.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, at.bias);
  if (status == CUBLAS_STATUS_SUCCESS && p.keeps)
    status = plan.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, at.before);
  const void* alpha = p.scaled ? static_cast<const void*>(at.scale) : &p.alpha;
  const void* beta = p.scaled ? static_cast<const void*>(betas_ + (p.beta != 0 ? 1 : 0)) : &p.beta;
  const void* addend = at.addend != nullptr ? at.addend : at.c;
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmul(handle_, plan.description, alpha, at.b, plan.b.handle, at.a, plan.a.handle, beta, addend,
                            plan.c.handle, at.c, plan.c.handle, &plan.algorithm, at.workspace, plan.workspace_bytes,
                            stream);
  }
  if (status != CUBLAS_STATUS_SUCCESS) return error_of(status, "a product");
  return {};
}

}  // namespace caddie::cuda
