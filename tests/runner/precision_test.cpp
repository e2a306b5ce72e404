// Precision that has no effect on a machine is not passed over in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cpu/kernels/isa.hpp"
#include "runner/doctor/machine.hpp"
#include "runner/pipeline/model_parts.hpp"

namespace caddie::pipeline {
namespace {

using testing::HasSubstr;

std::string said_of(const std::string& backend, const std::string& precision) {
  manifest::ComputeSettings compute;
  compute.backend = backend;
  compute.precision = precision;
  return without_effect(compute);
}

TEST(Precision, ThatChangesNothingIsNamed) {
  const cpu::Isa before = cpu::active_isa();
  for (const cpu::Isa isa : cpu::available_isas()) {
    ASSERT_TRUE(cpu::set_active_isa(isa));
    const bool rounds = isa == cpu::Isa::avx512_bf16 || isa == cpu::Isa::amx;
    EXPECT_EQ(said_of("cpu", "bf16").empty(), rounds) << cpu::name(isa);
    if (!rounds) {
      EXPECT_THAT(said_of("cpu", "bf16"), HasSubstr(cpu::name(isa)));
    }
    EXPECT_EQ(said_of("cpu", "fp32"), "");
    EXPECT_THAT(doctor::find_processor().text, HasSubstr(rounds ? "bf16 is faster" : "bf16 computes in fp32"));
  }
  cpu::set_active_isa(before);
  EXPECT_THAT(said_of("reference", "bf16"), HasSubstr("reference"));
  EXPECT_EQ(said_of("cuda", "bf16"), "");
}

}  // namespace
}  // namespace caddie::pipeline
