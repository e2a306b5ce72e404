// attention and attention_backward by the tiled kernels. Heads are read where they stand, slices of wider rows
// included.
#include "core/cpu/kernels/attention.hpp"
#include "core/cpu/node_kernels.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

// The kernel aligns the causal mask to the end of the keys, as the operation's causal = 2; equal to 1 for T = S.
bool fits(const Graph& graph, const Node& node) {
  return node.attributes.integer("causal") != 1 || graph.shape(node.inputs[0])[1] == graph.shape(node.inputs[1])[1];
}

bool reads_view(const Graph& graph, const Node& node, std::size_t input, const View& view) {
  if (graph.shape(node.inputs[input]).rank() != 4 || view.bounded) return view.is_dense();
  for (const std::int64_t stride : view.strides) {
    if (stride < 0) return false;
  }
  return view.strides[3] == 1 || view.shape[3] == 1;
}

AttentionShape shape_of(const Graph& graph, const Node& node) {
  const graph::Shape& q = graph.shape(node.inputs[0]);
  const graph::Shape& k = graph.shape(node.inputs[1]);
  AttentionShape shape;
  shape.batch = q[0];
  shape.queries = q[1];
  shape.keys = k[1];
  shape.heads = q[2];
  shape.kv_heads = k[2];
  shape.dim = q[3];
  shape.causal = node.attributes.integer("causal") != 0;
  shape.scale = static_cast<float>(node.attributes.real("scale"));
  return shape;
}

class AttentionSteps : public CpuStep {
 public:
  AttentionSteps(const CompileInput& input, const graph::Step& step, std::size_t segments)
      : inputs_(step.inputs), shape_(shape_of(input.graph, input.graph.nodes()[step.node])) {
    const Node& node = input.graph.nodes()[step.node];
    first_output_ = node.first_output;
    shape_.factors = input.factors;
    for (const View& view : inputs_) narrow_inputs_.push_back(input.narrow[view.base]);
    for (std::uint32_t i = 0; i < node.output_count; ++i) narrow_outputs_.push_back(input.narrow[first_output_ + i]);
    bytes_ = bytes_of_all(input, step);
    has_segments_ = inputs_.size() > segments;
  }
  [[nodiscard]] std::size_t scratch_bytes() const override { return workspace_; }

 protected:
  [[nodiscard]] AttentionShape shape(const RunContext& context) const {
    AttentionShape shape = shape_;
    if (has_segments_) shape.query_segments = shape.key_segments = context.read_i32(inputs_.back());
    return shape;
  }
  [[nodiscard]] HeadsIn heads(const RunContext& context, std::size_t input) const {
    const View& view = inputs_[input];
    HeadsIn heads{nullptr, view.strides[0], view.strides[1], view.strides[2]};
    if (narrow_inputs_[input]) {
      heads.narrow = context.read_narrow(view.base) + view.offset;
    } else {
      heads.data = context.read(view);
    }
    return heads;
  }
  [[nodiscard]] HeadsOut result(const RunContext& context, std::uint32_t output, std::int64_t positions,
                                std::int64_t count) const {
    const std::int64_t row = count * shape_.dim;
    HeadsOut heads{nullptr, positions * row, row, shape_.dim};
    if (narrow_outputs_[output]) {
      heads.narrow = context.write_narrow(first_output_ + output);
    } else {
      heads.data = context.write(first_output_ + output);
    }
    return heads;
  }

  std::vector<View> inputs_;
  std::vector<bool> narrow_inputs_, narrow_outputs_;
  AttentionShape shape_;
  bool has_segments_ = false;
  graph::Value first_output_ = 0;
  std::size_t workspace_ = 0;
  double bytes_ = 0;
};

class ForwardStep final : public AttentionSteps {
 public:
  ForwardStep(const CompileInput& input, const graph::Step& step) : AttentionSteps(input, step, 3) {
    workspace_ = attention_forward_workspace_bytes(shape_, input.threads);
  }
  void run(const RunContext& context) const override {
    AttentionForward call;
    call.shape = shape(context);
    call.q = heads(context, 0);
    call.k = heads(context, 1);
    call.v = heads(context, 2);
    call.y = result(context, 0, shape_.queries, shape_.heads);
    call.lse = context.write(first_output_ + 1);
    attention_forward(call, context.pool, context.scratch);
  }
  [[nodiscard]] StepCost cost() const override { return {"attention", attention_forward_flops(shape_), bytes_}; }
};

class BackwardStep final : public AttentionSteps {
 public:
  BackwardStep(const CompileInput& input, const graph::Step& step) : AttentionSteps(input, step, 6) {
    workspace_ = attention_backward_workspace_bytes(shape_, input.threads);
  }
  void run(const RunContext& context) const override {
    AttentionBackward call;
    call.shape = shape(context);
    call.q = heads(context, 0);
    call.k = heads(context, 1);
    call.v = heads(context, 2);
    call.y = heads(context, 3);
    call.lse = context.read(inputs_[4]);
    call.dy = heads(context, 5);
    call.dq = result(context, 0, shape_.queries, shape_.heads);
    call.dk = result(context, 1, shape_.keys, shape_.kv_heads);
    call.dv = result(context, 2, shape_.keys, shape_.kv_heads);
    attention_backward(call, context.pool, context.scratch);
  }
  [[nodiscard]] StepCost cost() const override { return {"attention", attention_backward_flops(shape_), bytes_}; }
};

}  // namespace

const NodeKernel* attention_kernel(Op op) {
  static const NodeKernel forward{{fits, reads_view, -1},
                                  [](const CompileInput& input, const graph::Step& step) -> CpuStepPtr {
                                    return std::make_unique<ForwardStep>(input, step);
                                  }};
  static const NodeKernel backward{{fits, reads_view, -1},
                                   [](const CompileInput& input, const graph::Step& step) -> CpuStepPtr {
                                     return std::make_unique<BackwardStep>(input, step);
                                   }};
  if (op == Op::attention) return &forward;
  return op == Op::attention_backward ? &backward : nullptr;
}

}  // namespace caddie::cpu
