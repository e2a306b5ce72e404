// Two machines, one graph: how far their numbers are apart. One thread.
#pragma once

#include <functional>
#include <string>

#include "runner/check/session.hpp"

namespace caddie::check {

// Makes the same session on a machine, filled and ready to run.
using SessionMaker = std::function<Session(const Machine&)>;

struct Difference {
  std::string name;  // of the output, leaf or gradient that differs most
  double error = 0;  // ||a - b|| / (||b|| + 1e-3 sqrt(n)): relative, absolute where everything is small
  std::size_t tensors = 0;
};

// After one run at each step of 0 .. steps-1: everything readable in both.
Difference largest_difference(Session& a, Session& b, int steps = 1);

// Fails when the fast executor is further from the reference in float64 than float32 explains. A sentence for the
// report.
std::string expect_executors_agree(const SessionMaker& make, int steps = 1);

// Fails unless one and two threads give the same bits. A sentence for the report.
std::string expect_threads_agree(const SessionMaker& make, int steps = 1);

// Fails when an output, a gradient or an updated leaf is not finite after a run.
void expect_finite(const Session& session, const std::string& when);

}  // namespace caddie::check
