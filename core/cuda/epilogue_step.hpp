// The epilogue of a product's step: what the library is asked for, and what kernels of our own do.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cuda/step.hpp"

namespace caddie::cuda {

class Defines;

class EpilogueStep {
 public:
  EpilogueStep(const CompileInput& input, const graph::Step& step);

  // The value that is stored: the product's own without an epilogue.
  [[nodiscard]] graph::Value result() const { return epilogue_.result; }
  // Of what the step writes, and of what it reads beside the product's operands.
  [[nodiscard]] double bytes() const;

  // Parts that one or the other does. The factor is always done by who makes the product, and so is an addend that the
  // result is written over.
  struct Parts {
    bool factor = true, addend = true, bias = true, activation = true;
  };
  // What the library takes when it makes products like this one.
  [[nodiscard]] Parts library_parts(const Product& plain) const;
  // These parts of a call of the library whose result begins at element `at`.
  void add_to(ProductCommand& call, const Parts& parts, std::int64_t at) const;
  // The others, for all calls together; results have `columns` columns.
  void add_rest(CudaStep& step, const Parts& done, std::int64_t columns) const;
  // EPILOGUE(x, e, n) of a kernel of our own, with the places it reads and writes; results begin at element `at`.
  void define(const Parts& parts, Defines& defines, std::vector<Place>& places, std::int64_t at) const;

 private:
  void set(Product& product, const Parts& parts) const;
  [[nodiscard]] Place elements(graph::Value value, std::int64_t at) const;
  [[nodiscard]] Place bias_place() const;
  [[nodiscard]] bool has(const graph::View& view) const { return view.base != 0; }

  const CompileInput& input_;
  graph::Epilogue epilogue_;
};

// Whether a product's step does well with the epilogue on the device. `narrows`: at bf16.
bool takes_epilogue(const graph::Graph& graph, const graph::Epilogue& epilogue, bool narrows, const Device& device);

}  // namespace caddie::cuda
