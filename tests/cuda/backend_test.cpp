// The backend as a manifest asks for it.
#include <gtest/gtest.h>

#include "runner/pipeline/model_parts.hpp"

namespace caddie::cuda::testing {
namespace {

// Without the library beside the program, without a driver or without a GPU: one sentence that says what to do.
TEST(CudaBackend, IsMadeOrRefusedWithASentence) {
  manifest::ComputeSettings compute;
  compute.backend = "cuda";
  compute.precision = "bf16";
  const auto executor = pipeline::make_executor(compute);
  if (executor) {
    EXPECT_EQ((*executor)->name(), "cuda");
    return;
  }
  EXPECT_EQ(executor.error().code, Code::unsupported);
  EXPECT_EQ(executor.error().where, "/compute/backend");
  EXPECT_NE(executor.error().text.find("\"cpu\""), std::string::npos) << executor.error().text;
}

}  // namespace
}  // namespace caddie::cuda::testing
