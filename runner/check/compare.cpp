#include "runner/check/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runner/check/failure.hpp"

namespace caddie::check {
namespace {

constexpr double kFloat32Tolerance = 2e-3;

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double apart = 0;
  double size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    apart += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(apart) / (std::sqrt(size) + 1e-3 * std::sqrt(static_cast<double>(a.size())));
}

}  // namespace

Difference largest_difference(Session& a, Session& b, int steps) {
  for (int step = 0; step < steps; ++step) {
    a.run(step);
    b.run(step);
  }
  Difference worst;
  for (const std::string& name : a.names()) {
    if (!b.has(name)) continue;
    const double error = relative_error(a.get(name), b.get(name));
    ++worst.tensors;
    if (!(error <= worst.error)) {
      worst.error = error;
      worst.name = name;
    }
  }
  return worst;
}

std::string expect_executors_agree(const SessionMaker& make, int steps) {
  Session reference = make(kReference);
  Session fast = make(fast_with(1));
  const Difference worst = largest_difference(fast, reference, steps);
  if (!(worst.error <= kFloat32Tolerance)) {
    throw Failure(
        fmt::format("the fast executor and the reference disagree about \"{}\" by {:.1e} (relative); float32 "
                    "explains {:.0e}: a custom kernel, or numbers that cancel",
                    worst.name, worst.error, kFloat32Tolerance));
  }
  return fmt::format("{} tensors, at most {:.0e} apart", worst.tensors, worst.error);
}

std::string expect_threads_agree(const SessionMaker& make, int steps) {
  Session one = make(fast_with(1));
  Session two = make(fast_with(2));
  for (int step = 0; step < steps; ++step) {
    one.run(step);
    two.run(step);
  }
  std::size_t count = 0;
  for (const std::string& name : one.names()) {
    ++count;
    if (!same_bits(one.get(name), two.get(name)))
      throw Failure(fmt::format("\"{}\" has other bits with two threads than with one", name));
  }
  return fmt::format("{} tensors, the same bits with 1 and 2 threads", count);
}

void expect_finite(const Session& session, const std::string& when) {
  for (const std::string& name : session.names()) {
    const std::vector<double> values = session.get(name);
    const auto bad = std::ranges::find_if(values, [](double value) { return !std::isfinite(value); });
    if (bad != values.end())
      throw Failure(fmt::format("\"{}\" has the element {} at {} {}", name, *bad, bad - values.begin(), when));
  }
}

}  // namespace caddie::check
