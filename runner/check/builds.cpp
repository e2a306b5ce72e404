#include "runner/check/builds.hpp"

#include <algorithm>

#include "core/graph/emitter.hpp"
#include "runner/check/failure.hpp"

namespace caddie::check {

using graph::LeafKind;
using graph::Value;
using plugins::Build;

namespace {

const std::vector<plugins::BlockInstance> kNoBlocks;

Value leaf(graph::Graph& graph, const std::string& name, const Array& array) {
  return graph.leaf(LeafKind::input, name, array.dtype, array.shape);
}

// Sum of the values with irregular weights; a scalar that depends on every element.
Value probe(graph::Graph& graph, const std::vector<Value>& values) {
  const graph::Emitter emit{graph};
  Value total = emit.scalar(0);
  int salt = 100;
  for (const Value value : values) {
    if (value == 0 || graph.dtype(value) != graph::DType::f32) continue;
    const graph::Shape shape = graph.shape(value);
    graph::Attributes weights;
    weights.set("values", wave(shape, salt++).values)
        .set("shape", graph::to_axes(shape))
        .set("dtype", std::int64_t{CADDIE_F32});
    const Value weighted = emit.mul(value, graph.emit(graph::Op::constant, {}, std::move(weights)));
    total = emit.add(total, emit.reduce(graph::Op::reduce_sum, weighted, {}, false));
  }
  return total;
}

void begin_bank(Build& build, const std::string& instance) {
  build.set_instance(instance);
  build.set_state_prefix("bank");
}

void must_be(caddie_code code, const caddie_error& error, const std::string& where) {
  if (code != CADDIE_OK) throw Failure(plugins::to_error(code, error, where).message());
}

}  // namespace

Session hook_session(const std::vector<plugins::BlockInstance>& blocks, const HookRun& run, const Machine& machine) {
  plugins::Dims dims = run.dims;
  dims.layers = std::max(dims.layers, 1);
  Build build(dims, run.request, &blocks);
  build.set_visits(run.visits, run.encoder);
  for (const auto& [name, array] : run.wires) build.set_wire(name, leaf(build.graph(), "wire." + name, array));
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < run.inputs.size(); ++i) {
    inputs.push_back(leaf(build.graph(), "in" + std::to_string(i), run.inputs[i]));
  }
  build.enter_visit(run.visit);
  const std::vector<Value> made = build.run_hook(run.hook, run.part, inputs, run.outputs);
  must(build.status());
  std::map<std::string, Value> outputs;
  for (std::size_t i = 0; i < made.size(); ++i) outputs["out" + std::to_string(i)] = made[i];
  const Value loss = probe(build.graph(), made);
  Session session(build.take(), outputs, loss, machine);
  for (const auto& [name, array] : run.wires) session.set("wire." + name, array.values);
  for (std::size_t i = 0; i < run.inputs.size(); ++i) session.set("in" + std::to_string(i), run.inputs[i].values);
  return session;
}

Session model_session(plugins::BuildResult built, const Machine& machine) {
  std::map<std::string, Value> outputs;
  for (const char* name : {"logits", "nll", "lse", "entropy"}) outputs[name] = built.wire(name);
  const Value loss = built.wire("loss");
  return {std::move(built), outputs, loss, machine};
}

Session model_session(const plugins::Model& model, const plugins::BuildRequest& request, const Machine& machine) {
  return model_session(value_or_fail(model.build(request)), machine);
}

plugins::BuildResult build_update(const std::string& instance, const UpdateFunction& make, const graph::Shape& shape,
                                  const std::string& role) {
  Build build({}, {}, &kNoBlocks);
  caddie_update update = {};
  update.struct_size = sizeof update;
  update.parameter = build.declare_bank("bank", shape);
  update.gradient = build.graph().leaf(LeafKind::input, "gradient", graph::DType::f32, shape);
  update.scale = build.graph().leaf(LeafKind::input, "scale", graph::DType::f32, {});
  update.bank = "bank";
  update.role = role.c_str();
  begin_bank(build, instance);
  Value next = 0;
  caddie_error error = plugins::fresh_error();
  must_be(make(plugins::to_abi(&build), &update, &next, &error), error, instance);
  must(build.status());
  if (!build.graph().is_valid(next)) throw Failure("update() reports success and gives no new parameter");
  build.graph().update(update.parameter, next);
  must(build.status());
  return build.take();
}

plugins::BuildResult build_accumulate(const std::string& instance, const AccumulateFunction& accumulate,
                                      const graph::Shape& shape) {
  Build build({}, {}, &kNoBlocks);
  const Value bank = build.declare_bank("bank", shape);
  begin_bank(build, instance);
  caddie_error error = plugins::fresh_error();
  must_be(accumulate(plugins::to_abi(&build), bank, &error), error, instance);
  must(build.status());
  return build.take();
}

plugins::BuildResult build_finish(const std::string& instance, const FinishFunction& finish,
                                  const graph::Shape& shape) {
  Build build({}, {}, &kNoBlocks);
  const Value bank = build.declare_bank("bank", shape);
  const Value current = build.graph().leaf(LeafKind::input, "current", graph::DType::f32, shape);
  begin_bank(build, instance);
  Value final = 0;
  caddie_error error = plugins::fresh_error();
  must_be(finish(plugins::to_abi(&build), bank, current, &final, &error), error, instance);
  must(build.status());
  if (!build.graph().is_valid(final)) throw Failure("finish() reports success and gives no weights");
  build.set_wire("final", final);
  return build.take();
}

}  // namespace caddie::check
