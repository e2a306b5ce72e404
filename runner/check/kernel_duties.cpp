#include "runner/check/kernel_duties.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/cpu/custom_check.hpp"
#include "runner/check/failure.hpp"

namespace caddie::check {

void KernelDuties::expect(const graph::Graph& graph) {
  const cpu::CustomReport report = cpu::check_custom_kernels(graph);
  if (!report.failures.empty()) throw Failure(report.failures.front().message());
  kernels_.insert(report.kernels.begin(), report.kernels.end());
}

std::string KernelDuties::sentence() const {
  if (kernels_.empty()) throw Skip("brings no kernels of its own");
  return fmt::format("{}: as their references say, and their gradients", fmt::join(kernels_, ", "));
}

}  // namespace caddie::check
