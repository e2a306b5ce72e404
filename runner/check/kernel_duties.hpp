// Do the custom kernels in what a plugin builds keep their duties (docs/custom-kernels.md)? One thread.
#pragma once

#include <set>
#include <string>

#include "core/graph/graph.hpp"

namespace caddie::check {

class KernelDuties {
 public:
  // Fails with the first duty that a kernel of the graph does not keep.
  void expect(const graph::Graph& graph);
  // What was checked; skips when no graph had a kernel.
  [[nodiscard]] std::string sentence() const;

 private:
  std::set<std::string> kernels_;
};

}  // namespace caddie::check
