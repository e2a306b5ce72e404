// A custom kernel for tests: y = x^2 w row by row, x [R, D], w [D], and the many ways of getting it wrong.
#pragma once

#include <atomic>
#include <memory>

#include "core/graph/custom.hpp"
#include "core/graph/emitter.hpp"

namespace caddie::graph::testing {

enum class Wrong {
  nothing,
  value,        // of one element
  gradient,     // of w
  no_gradient,  // refuses one
  unwritten,    // leaves the last element of a row
  overlap,      // writes the row before, too
  cut,          // depends on where its range begins
  outside,      // writes behind the end
  inputs,       // writes to x
  fails,        // with an error
  reference_shape,
  reference_fails
};

class SquareRows final : public CustomKernel {
 public:
  SquareRows(const Shape& x, double factor = 1, Wrong wrong = Wrong::nothing)
      : CustomKernel({"square-rows", {{DType::f32, x}}, x[0], 64}), factor_(factor), wrong_(wrong) {}

  Result<void> compute(const CustomCall& call) const override {
    ++calls;
    if (wrong_ == Wrong::fails) return Error{Code::device, "", "the moon is full"};
    const std::int64_t width = form().outputs[0].shape[1];
    const auto* x = static_cast<const float*>(call.inputs[0]);
    const auto* w = static_cast<const float*>(call.inputs[1]);
    auto* y = static_cast<float*>(call.outputs[0]);
    auto* row = reinterpret_cast<float*>(call.scratch);
    for (std::int64_t r = call.begin; r < call.end; ++r) {
      const std::int64_t written = wrong_ == Wrong::unwritten ? width - 1 : width;
      for (std::int64_t i = 0; i < written; ++i) {
        row[i % 16] = static_cast<float>(factor_) * x[r * width + i];
        y[r * width + i] = row[i % 16] * x[r * width + i] * w[i];
        if (wrong_ == Wrong::cut) y[r * width + i] += static_cast<float>(call.begin);
      }
      if (wrong_ == Wrong::overlap && r > 0)
        y[(r - 1) * width] = static_cast<float>(factor_) * x[(r - 1) * width] * x[(r - 1) * width] * w[0];
    }
    if (wrong_ == Wrong::value && call.begin == 0) y[0] += 0.25F;
    if (wrong_ == Wrong::outside && call.end == form().parts) y[call.end * width] = 1;
    if (wrong_ == Wrong::inputs) const_cast<float*>(x)[0] += 1;
    return {};
  }

  Result<std::vector<Value>> reference(Graph& graph, std::span<const Value> in) const override {
    if (wrong_ == Wrong::reference_fails) return Error{Code::unsupported, "", "not today"};
    const Emitter e{graph};
    if (wrong_ == Wrong::reference_shape) return std::vector<Value>{in[1]};
    return std::vector<Value>{e.scale(e.mul(e.mul(in[0], in[0]), in[1]), factor_)};
  }

  [[nodiscard]] bool differentiable() const override { return wrong_ != Wrong::no_gradient; }

  Result<std::vector<Value>> vjp(Graph& graph, const CustomVjp& given) const override {
    const Emitter e{graph};
    const Value x = given.inputs[0];
    const Value square = wrong_ == Wrong::gradient ? x : e.mul(x, x);
    const Value dw = e.scale(e.reduce(Op::reduce_sum, e.mul(given.adjoints[0], square), {0}, false), factor_);
    const Value dx = e.scale(e.mul(given.adjoints[0], e.mul(x, given.inputs[1])), 2 * factor_);
    return std::vector<Value>{dx, dw};
  }

  [[nodiscard]] bool same_as(const CustomKernel& other) const override {
    const auto* kernel = dynamic_cast<const SquareRows*>(&other);
    return kernel != nullptr && kernel->factor_ == factor_ && kernel->wrong_ == wrong_;
  }

  mutable std::atomic<int> calls = 0;

 private:
  double factor_;
  Wrong wrong_;
};

inline Value square_rows(Graph& graph, Value x, Value w, double factor = 1, Wrong wrong = Wrong::nothing) {
  const std::vector<Value> inputs{x, w};
  return graph.custom(std::make_shared<SquareRows>(graph.shape(x), factor, wrong), inputs);
}

}  // namespace caddie::graph::testing
