#include "core/cuda/epilogue_step.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

using graph::Activation;
using graph::View;

EpilogueStep::EpilogueStep(const CompileInput& input, const graph::Step& step) : input_(input) {
  if (step.epilogue) {
    epilogue_ = *step.epilogue;
  } else {
    epilogue_.result = input.graph.nodes()[step.node].first_output;
  }
}

double EpilogueStep::bytes() const {
  std::int64_t each = input_.width(epilogue_.result);
  if (has(epilogue_.addend)) each += input_.width(epilogue_.addend.base);
  if (epilogue_.before != 0) each += input_.width(epilogue_.before);
  return static_cast<double>(each * input_.graph.shape(epilogue_.result).elements());
}

Place EpilogueStep::elements(graph::Value value, std::int64_t at) const {
  return value == 0 ? Place{} : input_.place(value).behind(at * input_.width(value));
}

// As the library reads it: of the result's type.
Place EpilogueStep::bias_place() const {
  const View& bias = epilogue_.bias;
  const bool copied = input_.is_narrow(epilogue_.result) && !input_.is_narrow(bias.base);
  return copied ? Place{Space::shadow, bias.base, bias.offset * 2} : input_.place(bias);
}

void EpilogueStep::set(Product& product, const Parts& parts) const {
  product.alpha = static_cast<float>(epilogue_.alpha);
  product.scaled = has(epilogue_.scale);
  if (has(epilogue_.addend) && parts.addend) product.beta = static_cast<float>(epilogue_.beta);
  product.has_bias = has(epilogue_.bias) && parts.bias;
  if (!parts.activation) return;
  product.activation = epilogue_.activation;
  product.keeps = epilogue_.before != 0;
}

EpilogueStep::Parts EpilogueStep::library_parts(const Product& plain) const {
  const auto has_type = [&](graph::Value value) {
    return input_.is_narrow(value) == input_.is_narrow(epilogue_.result);
  };
  Parts parts;
  parts.addend = !has(epilogue_.addend) || has_type(epilogue_.addend.base);
  const bool typed = input_.is_narrow(epilogue_.result) || !input_.is_narrow(epilogue_.bias.base);
  parts.bias = !has(epilogue_.bias) || (typed && alignment_of(bias_place()) == 16);
  const bool keeps = epilogue_.before == 0 || (has_type(epilogue_.before) && plain.n % 8 == 0);
  parts.activation = parts.addend && parts.bias && keeps;
  Product asked = plain;
  set(asked, parts);
  if ((asked.has_bias || asked.activation != Activation::none) && !input_.device.fuses(asked)) {
    parts.bias = !has(epilogue_.bias);
    parts.activation = epilogue_.activation == Activation::none;
  }
  return parts;
}

void EpilogueStep::add_to(ProductCommand& call, const Parts& parts, std::int64_t at) const {
  set(call.product, parts);
  if (call.product.scaled) call.scale = input_.place(epilogue_.scale);
  if (call.product.beta != 0) call.addend = elements(epilogue_.addend.base, at);
  if (call.product.has_bias) call.bias = bias_place();
  if (call.product.keeps) call.before = elements(epilogue_.before, at);
}

void EpilogueStep::add_rest(CudaStep& step, const Parts& done, std::int64_t columns) const {
  const Parts rest{false, !done.addend && has(epilogue_.addend), !done.bias && has(epilogue_.bias),
                   !done.activation && epilogue_.activation != Activation::none};
  if (!rest.addend && !rest.bias && !rest.activation) return;
  const std::int64_t elements = input_.graph.shape(epilogue_.result).elements();
  Defines defines;
  defines.index(elements).set("ELEMENTS", elements).set("N", columns).set("C_T", input_.type(epilogue_.result));
  std::vector<Place> places{input_.place(epilogue_.result)};
  define(rest, defines, places, 0);
  const auto pointers = static_cast<std::uint32_t>(places.size());
  step.launch({"epilogue", defines.before("epilogue"), pointers, 256, 0, false}, ceil_div(elements, 256),
              std::move(places));
}

void EpilogueStep::define(const Parts& parts, Defines& defines, std::vector<Place>& places, std::int64_t at) const {
  const auto pointer = [&](graph::Value value, const Place& place, const char* index) {
    places.push_back(place);
    return fmt::format("({}*)at.p[{}] + ({})", input_.type(value), places.size() - 1, index);
  };
  std::string x = "(x)";
  if (parts.factor && has(epilogue_.scale)) {
    x += fmt::format(" * load({})", pointer(epilogue_.scale.base, input_.place(epilogue_.scale), "0"));
  } else if (parts.factor && epilogue_.alpha != 1) {
    defines.real("ALPHA", epilogue_.alpha);
    x += " * ALPHA";
  }
  if (parts.addend && has(epilogue_.addend)) {
    defines.real("BETA", epilogue_.beta);
    const graph::Value addend = epilogue_.addend.base;
    x += fmt::format(" + BETA * load({})", pointer(addend, elements(addend, at), "e"));
  }
  if (parts.bias && has(epilogue_.bias)) {
    x += fmt::format(" + load({})", pointer(epilogue_.bias.base, input_.place(epilogue_.bias), "n"));
  }
  if (parts.activation && epilogue_.before != 0) {
    x = fmt::format("stored({}, {})", pointer(epilogue_.before, elements(epilogue_.before, at), "e"), x);
  }
  if (parts.activation && epilogue_.activation == Activation::relu) x = fmt::format("op_max({}, 0.0f)", x);
  if (parts.activation && epilogue_.activation == Activation::gelu) x = fmt::format("op_gelu({})", x);
  defines.set("EPILOGUE(x, e, n)", fmt::format("({})", x));
}

namespace {

// Kept in f32 whatever else is narrow.
bool is_wide(const graph::Graph& graph, graph::Value value) {
  const graph::Op op = graph.node_of(value).op;
  return op == graph::Op::leaf || op == graph::Op::constant || graph::is_reduction(op) ||
         std::ranges::any_of(graph.updates(), [&](const graph::Update& update) {
           graph::Value from = update.value;
           while (from != value && graph::moves_only(graph, graph.node_of(from))) from = graph.node_of(from).inputs[0];
           return from == value;
         });
}

}  // namespace

// The library has no squared ReLU; slopes are left to groups. It wants addends of the result's type, and beta beside a
// factor in memory is 0 or 1.
bool takes_epilogue(const graph::Graph& graph, const graph::Epilogue& e, bool narrows, const Device& device) {
  const graph::Op op = graph.nodes()[e.product].op;
  if (op != graph::Op::dot && op != graph::Op::linear) return false;
  if (e.activation != Activation::none && !device.fuses_activations()) return false;
  if (e.activation == Activation::squared_relu || e.slope_at.base != 0) return false;
  if (e.addend.base == 0) return true;
  if (e.scale.base != 0 && e.beta != 1) return false;
  return !narrows || is_wide(graph, e.addend.base) == is_wide(graph, e.result);
}

}  // namespace caddie::cuda
