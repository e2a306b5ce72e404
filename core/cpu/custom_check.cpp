#include "core/cpu/custom_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "core/cpu/cpu_executor.hpp"
#include "core/cpu/custom_check_parts.hpp"
#include "core/graph/custom.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/random.hpp"

namespace caddie::cpu {
namespace {

using graph::CustomKernel;
using graph::DType;
using graph::Emitter;
using graph::Graph;
using graph::LeafKind;
using graph::Node;
using graph::Value;
using Numbers = std::vector<double>;

// One kernel with the types and shapes of its inputs.
struct Subject {
  std::shared_ptr<const CustomKernel> kernel;
  std::vector<graph::CustomOutput> inputs;

  [[nodiscard]] bool same_as(const Subject& other) const {
    return inputs == other.inputs && kernel->form() == other.kernel->form() && kernel->same_as(*other.kernel);
  }
};

std::string leaf_name(std::size_t input) { return fmt::format("in{}", input); }

// The nodes of a graph that are not among the subjects yet.
void collect(const Graph& graph, std::vector<Subject>& subjects) {
  for (const Node& node : graph.nodes()) {
    if (node.op != graph::Op::custom) continue;
    Subject subject{node.custom, {}};
    for (const Value input : node.inputs) subject.inputs.push_back({graph.dtype(input), graph.shape(input)});
    const auto known = [&](const Subject& other) { return subject.same_as(other); };
    if (std::ranges::none_of(subjects, known)) subjects.push_back(std::move(subject));
  }
}

class Check {
 public:
  Check(const Subject& subject, const CustomCheckOptions& options, CustomReport& report)
      : subject_(subject), options_(options), report_(report) {
    for (std::size_t i = 0; i < subject.inputs.size(); ++i) {
      Numbers numbers(static_cast<std::size_t>(subject.inputs[i].shape.elements()));
      for (std::size_t e = 0; e < numbers.size(); ++e) {
        const double u = graph::uniform_at(options.seed, i, 0, 0, e);
        numbers[e] = subject.inputs[i].dtype == DType::f32 ? static_cast<double>(static_cast<float>(2 * u - 1))
                                                           : std::floor(u * (options.largest_index + 1));
      }
      inputs_.push_back(std::move(numbers));
    }
  }

  // Gives the graph of the gradient: further kernels may stand in it.
  Graph run() {
    if (std::string wrong = wrong_with_parts(*subject_.kernel, subject_.inputs, inputs_); !wrong.empty()) {
      fail(std::move(wrong));
      return {};
    }
    Graph values;
    const std::vector<Value> outputs = emit(values);
    for (std::size_t i = 0; i < outputs.size(); ++i) values.output(fmt::format("output {}", i), outputs[i]);
    const auto exact = run_on(values, graph::Precision::f64);
    const auto fast = run_on(values, graph::Precision::f32);
    if (exact && fast) compare("from its reference", *fast, *exact, values, options_.tolerance);
    return subject_.kernel->differentiable() ? check_gradient() : Graph();
  }

 private:
  void fail(std::string text, Code code = Code::abi) {
    report_.failures.push_back({code, "", fmt::format("custom kernel \"{}\": {}", subject_.kernel->form().name, text)});
  }

  std::vector<Value> emit(Graph& graph) const {
    std::vector<Value> leaves;
    for (std::size_t i = 0; i < subject_.inputs.size(); ++i)
      leaves.push_back(graph.leaf(LeafKind::input, leaf_name(i), subject_.inputs[i].dtype, subject_.inputs[i].shape));
    const Value first = graph.custom(subject_.kernel, leaves);
    std::vector<Value> outputs;
    for (std::uint32_t i = 0; i < subject_.kernel->form().outputs.size(); ++i)
      outputs.push_back(graph.output_of(first, i));
    return outputs;
  }

  // ---- values and gradients ----

  // The outputs of a graph in order: on the reference executor in float64, or on the processor's.
  Result<std::vector<Numbers>> run_on(const Graph& graph, graph::Precision precision) {
    auto ran = run_checked(graph, precision);
    if (!ran) fail(ran.error().text, ran.error().code);
    return ran;
  }

  Result<std::vector<Numbers>> run_checked(const Graph& graph, graph::Precision precision) const {
    const bool exact = precision == graph::Precision::f64;
    const auto executor =
        exact ? graph::make_reference_executor({.precision = precision}) : make_cpu_executor({.threads = 2});
    auto program = executor->compile(graph);
    if (!program) return program.error();
    std::vector<graph::BufferPtr> buffers;
    const auto tie = [&](const std::string& name, Value value, const Numbers* numbers) -> Result<void> {
      const auto elements = static_cast<std::size_t>(graph.shape(value).elements());
      auto buffer = executor->allocate(elements * executor->element_bytes(graph.dtype(value)));
      if (!buffer) return buffer.error();
      for (std::size_t i = 0; numbers != nullptr && i < elements; ++i)
        put(**buffer, i, (*numbers)[i], graph.dtype(value), exact);
      buffers.push_back(*buffer);
      return (*program)->bind(name, {*buffer, 0});
    };
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (auto tied = tie(leaf_name(i), graph.find_leaf(leaf_name(i))->value, &inputs_[i]); !tied) return tied.error();
    }
    buffers.clear();  // the program keeps them
    for (const graph::Output& output : graph.outputs()) {
      if (auto tied = tie(output.name, output.value, nullptr); !tied) return tied.error();
    }
    if (auto done = (*program)->run({}); !done) return done.error();
    std::vector<Numbers> out;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const Value value = graph.outputs()[i].value;
      Numbers numbers(static_cast<std::size_t>(graph.shape(value).elements()));
      for (std::size_t e = 0; e < numbers.size(); ++e) numbers[e] = get(*buffers[i], e, graph.dtype(value), exact);
      out.push_back(std::move(numbers));
    }
    return out;
  }

  static void put(graph::Buffer& buffer, std::size_t at, double number, DType dtype, bool exact) {
    if (exact && dtype == DType::f32) {
      static_cast<double*>(buffer.host_data())[at] = number;
    } else {
      static_cast<std::uint32_t*>(buffer.host_data())[at] = word_of(number, dtype);
    }
  }
  static double get(graph::Buffer& buffer, std::size_t at, DType dtype, bool exact) {
    if (dtype == DType::i32) return static_cast<const std::int32_t*>(buffer.host_data())[at];
    return exact ? static_cast<const double*>(buffer.host_data())[at]
                 : static_cast<double>(static_cast<const float*>(buffer.host_data())[at]);
  }

  void compare(const char* what, const std::vector<Numbers>& got, const std::vector<Numbers>& wanted,
               const Graph& graph, double tolerance) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      double largest = 0;
      for (const double number : wanted[i])
        largest = std::isfinite(number) ? std::max(largest, std::abs(number)) : largest;
      const bool exact = graph.dtype(graph.outputs()[i].value) == DType::i32;
      for (std::size_t e = 0; e < wanted[i].size(); ++e) {
        const double a = got[i][e];
        const double b = wanted[i][e];
        if (a == b || (std::isnan(a) && std::isnan(b))) continue;
        if (!exact && std::abs(a - b) <= tolerance * largest) continue;
        fail(fmt::format("{} differs {} at element {}: {} and {}", graph.outputs()[i].name, what, e, a, b));
        break;
      }
    }
  }

  // d/d inputs of a sum of the outputs with irregular weights.
  Result<Graph> gradient_of(Graph graph, bool decomposed) const {
    const std::vector<Value> outputs = emit(graph);
    const Emitter e{graph};
    Value loss = e.scalar(0);
    for (const Value output : outputs) {
      if (graph.failed() || graph.dtype(output) != DType::f32) continue;
      Numbers weights(static_cast<std::size_t>(graph.shape(output).elements()));
      for (std::size_t i = 0; i < weights.size(); ++i)
        weights[i] = static_cast<double>(static_cast<float>(std::sin(1.3 * static_cast<double>(i) + 0.4)));
      const Value constant = graph.emit(
          graph::Op::constant, {},
          graph::Attributes().set("values", std::move(weights)).set("shape", graph::to_axes(graph.shape(output))));
      loss = e.add(loss, e.reduce(graph::Op::reduce_sum, e.mul(output, constant), {}, false));
    }
    graph.output("loss", loss);
    if (auto good = graph.status(); !good) return good.error();
    if (decomposed) {
      auto parts = graph::decompose(graph);
      if (!parts) return parts.error();
      graph = std::move(*parts);
      loss = graph.outputs()[0].value;
    }
    std::vector<Value> wanted;
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < subject_.inputs.size(); ++i) {
      if (subject_.inputs[i].dtype != DType::f32) continue;
      wanted.push_back(graph.find_leaf(leaf_name(i))->value);
      numbers.push_back(i);
    }
    auto gradients = graph::gradients(graph, loss, wanted);
    if (!gradients) return gradients.error();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const Value gradient = (*gradients)[i] != 0 ? (*gradients)[i] : Emitter{graph}.filled(graph.shape(wanted[i]), 0);
      graph.output(fmt::format("the gradient of input {}", numbers[i]), gradient);
    }
    return graph;
  }

  Graph check_gradient() {
    auto given = gradient_of({}, false);
    auto derived = gradient_of({}, true);
    for (const auto* made : {&given, &derived}) {
      if (!*made) return fail(made->error().text, made->error().code), Graph();
    }
    const auto wanted = run_on(*derived, graph::Precision::f64);
    const auto exact = run_on(*given, graph::Precision::f64);
    const auto fast = run_on(*given, graph::Precision::f32);
    if (!wanted || !exact || !fast) return {};
    const std::size_t before = report_.failures.size();
    compare("from the one of its reference", *exact, *wanted, *given, 1e-8);
    if (report_.failures.size() == before)
      compare("on the processor from the one of its reference", *fast, *wanted, *given, options_.tolerance);
    return std::move(*given);
  }

  const Subject& subject_;
  const CustomCheckOptions& options_;
  CustomReport& report_;
  std::vector<Numbers> inputs_;
};

}  // namespace

CustomReport check_custom_kernels(const Graph& graph, const CustomCheckOptions& options) {
  constexpr std::size_t kMostSubjects = 64;  // kernels whose gradients use further kernels end somewhere
  CustomReport report;
  std::vector<Subject> subjects;
  collect(graph, subjects);
  for (std::size_t i = 0; i < subjects.size() && i < kMostSubjects; ++i) {
    const Subject subject = subjects[i];
    report.kernels.push_back(subject.kernel->form().name);
    collect(Check(subject, options, report).run(), subjects);
  }
  return report;
}

}  // namespace caddie::cpu
