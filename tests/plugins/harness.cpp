// What is run: plugins found, hooks, models, updates and averages built. session.cpp runs them.
#include "tests/plugins/harness.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/graph/emitter.hpp"
#include "test_paths.hpp"

namespace caddie::plugins::test {

using graph::LeafKind;
using graph::Value;
using nlohmann::json;

namespace {

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

void throw_unless_ok(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message());
}

void throw_unless_ok(caddie_code code, const caddie_error& error) {
  if (code != CADDIE_OK) throw std::runtime_error(to_error(code, error, "").message());
}

const Registry& registry() {
  static const Registry found = [] {
    ScanOptions options;
    options.folders = {std::string(CADDIE_BUILD_DIR) + "/lib/caddie/plugins"};
    return Registry::scan(options);
  }();
  return found;
}

const Host& host() {
  static const Host host(1);
  return host;
}

json with_defaults(const Description& plugin, const json& config) {
  const json& properties = plugin.schema.at("properties");
  json full = json::object();
  for (const auto& [key, schema] : properties.items()) full[key] = schema.at("default");
  for (const auto& [key, value] : config.items()) {
    if (!properties.contains(key)) throw std::runtime_error(plugin.id + " has no option \"" + key + "\"");
    full[key] = value;
  }
  return full;
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

Value leaf(graph::Graph& graph, const std::string& name, const Array& array) {
  return graph.leaf(LeafKind::input, name, array.dtype, array.shape);
}

}  // namespace

Array real(graph::Shape shape, std::vector<double> values) { return {shape, std::move(values), graph::DType::f32}; }
Array whole(graph::Shape shape, std::vector<double> values) { return {shape, std::move(values), graph::DType::i32}; }

Array wave(graph::Shape shape, int salt, double size) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    values.push_back(size * std::sin(1.7 * static_cast<double>(i) + 0.9 * salt + 0.3));
  return real(shape, std::move(values));
}

Object make_plugin(std::string_view interface, std::string_view id, const json& config, std::string instance) {
  const Description* plugin = registry().find(interface, id);
  const json full = plugin == nullptr ? config : with_defaults(*plugin, config);
  if (instance.empty()) instance = id;
  return value_or_throw(Object::create(registry(), interface, id, std::move(instance), full, host()));
}

Blocks::Blocks(const Dims& dims, const std::vector<BlockUse>& uses) {
  for (const BlockUse& use : uses) objects.push_back(make_plugin("block", use.id, use.config, use.name));
  std::vector<BlockEntry> entries;
  for (std::size_t i = 0; i < uses.size(); ++i) entries.push_back({&objects[i], uses[i].layers, "", {}});
  model = value_or_throw(Model::attach(dims, entries));
}

Session build_hook(const HookCase& test) {
  Dims dims = test.dims;
  dims.layers = std::max(dims.layers, 1);
  auto blocks = std::make_shared<Blocks>(dims, test.blocks);
  Build build(dims, test.request, &blocks->model->blocks());
  build.set_visits(test.visits, test.encoder);
  for (const auto& [name, array] : test.wires) build.set_wire(name, leaf(build.graph(), "wire." + name, array));
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < test.inputs.size(); ++i) {
    inputs.push_back(leaf(build.graph(), "in" + std::to_string(i), test.inputs[i]));
  }
  build.enter_visit(test.visit);
  const std::vector<Value> made = build.run_hook(test.hook, test.part, inputs, test.outputs);
  throw_unless_ok(build.status());
  std::map<std::string, Value> outputs;
  for (std::size_t i = 0; i < made.size(); ++i) outputs["out" + std::to_string(i)] = made[i];
  const Value loss = probe(build.graph(), made);
  Session session(build.take(), outputs, loss);
  session.keep(blocks);
  for (const auto& [name, array] : test.wires) session.set("wire." + name, array.values);
  for (std::size_t i = 0; i < test.inputs.size(); ++i) session.set("in" + std::to_string(i), test.inputs[i].values);
  return session;
}

Session build_model(const Dims& dims, const std::vector<BlockUse>& uses, const BuildRequest& request) {
  auto blocks = std::make_shared<Blocks>(dims, uses);
  BuildResult built = value_or_throw(blocks->model->build(request));
  std::map<std::string, Value> outputs;
  for (const char* name : {"logits", "nll", "lse", "entropy"}) outputs[name] = built.wire(name);
  const Value loss = built.wire("loss");
  Session session(std::move(built), outputs, loss);
  session.keep(blocks);
  return session;
}

Session build_loss(const std::vector<BlockUse>& uses, const Array& logits, const Array& targets, int mode) {
  Dims dims;
  dims.layers = 1;
  dims.vocab = logits.shape[2];
  auto blocks = std::make_shared<Blocks>(dims, uses);
  BuildRequest request;
  request.mode = mode;
  request.context = logits.shape[1];
  Build build(dims, request, &blocks->model->blocks());
  const Value input = leaf(build.graph(), "in", logits);
  const Value target = leaf(build.graph(), "targets", targets);
  const Value bounded = build.run_hook("logits", "", {input}, 1)[0];
  const std::vector<Value> tokens = build.run_hook("loss.token", "", {bounded, target}, 3);
  throw_unless_ok(build.status());
  const graph::Emitter emit{build.graph()};
  const Value mean =
      emit.scale(emit.reduce(graph::Op::reduce_sum, tokens[0], {}, false), 1.0 / static_cast<double>(request.context));
  const Value loss = build.run_hook("loss.term", "", {mean, tokens[0], tokens[1], tokens[2]}, 1)[0];
  throw_unless_ok(build.status());
  Session session(build.take(), {{"logits", bounded}, {"nll", tokens[0]}, {"lse", tokens[1]}, {"entropy", tokens[2]}},
                  loss);
  session.keep(blocks);
  session.set("in", logits.values);
  session.set("targets", targets.values);
  return session;
}

Session build_update(const std::shared_ptr<Object>& optimizer, const graph::Shape& shape, const std::string& role) {
  static const std::vector<BlockInstance> no_blocks;
  Build build({}, {}, &no_blocks);
  caddie_update update = {};
  update.struct_size = sizeof update;
  update.parameter = build.declare_bank("bank", shape);
  update.gradient = build.graph().leaf(LeafKind::input, "gradient", graph::DType::f32, shape);
  update.scale = build.graph().leaf(LeafKind::input, "scale", graph::DType::f32, {});
  update.bank = "bank";
  update.role = role.c_str();
  build.set_instance(optimizer->instance());
  build.set_state_prefix("bank");
  Value next = 0;
  caddie_error error = fresh_error();
  throw_unless_ok(optimizer->table<caddie_optimizer>().update(optimizer->abi(), to_abi(&build), &update, &next, &error),
                  error);
  throw_unless_ok(build.status());
  build.graph().update(update.parameter, next);
  Session session(build.take(), {}, 0);
  session.keep(optimizer);
  session.set("scale", {1});
  return session;
}

Session build_accumulate(const std::shared_ptr<Object>& averager, const graph::Shape& shape) {
  static const std::vector<BlockInstance> no_blocks;
  Build build({}, {}, &no_blocks);
  const Value bank = build.declare_bank("bank", shape);
  build.set_instance(averager->instance());
  build.set_state_prefix("bank");
  caddie_error error = fresh_error();
  throw_unless_ok(averager->table<caddie_averager>().accumulate(averager->abi(), to_abi(&build), "bank", bank, &error),
                  error);
  throw_unless_ok(build.status());
  Session session(build.take(), {}, 0);
  session.keep(averager);
  return session;
}

Session build_finish(const std::shared_ptr<Object>& averager, const graph::Shape& shape) {
  static const std::vector<BlockInstance> no_blocks;
  Build build({}, {}, &no_blocks);
  const Value bank = build.declare_bank("bank", shape);
  const Value current = build.graph().leaf(LeafKind::input, "current", graph::DType::f32, shape);
  build.set_instance(averager->instance());
  build.set_state_prefix("bank");
  Value final = 0;
  caddie_error error = fresh_error();
  throw_unless_ok(
      averager->table<caddie_averager>().finish(averager->abi(), to_abi(&build), "bank", bank, current, &final, &error),
      error);
  throw_unless_ok(build.status());
  Session session(build.take(), {{"final", final}}, 0);
  session.keep(averager);
  return session;
}

caddie_step step_at(std::int64_t step, double scale) {
  caddie_step at = {};
  at.struct_size = sizeof at;
  at.step = step;
  at.scale = scale;
  return at;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], std::max(tolerance, tolerance / 10 * std::abs(expected[i]))) << "element " << i;
  }
}

std::vector<double> flat(const json& nested) {
  if (!nested.is_array()) return {nested.get<double>()};
  std::vector<double> values;
  for (const json& entry : nested) {
    const std::vector<double> inner = flat(entry);
    values.insert(values.end(), inner.begin(), inner.end());
  }
  return values;
}

}  // namespace caddie::plugins::test
