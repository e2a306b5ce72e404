// What is run: plugins found, and blocks attached; runner/check builds and runs.
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

Value leaf(graph::Graph& graph, const std::string& name, const Array& array) {
  return graph.leaf(LeafKind::input, name, array.dtype, array.shape);
}

}  // namespace

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
  Session session(
      check::hook_session(blocks->model->blocks(), {test.hook, test.part, test.inputs, test.outputs, test.wires, dims,
                                                    test.request, test.visits, test.encoder, test.visit}));
  session.keep(blocks);
  return session;
}

Session build_model(const Dims& dims, const std::vector<BlockUse>& uses, const BuildRequest& request) {
  auto blocks = std::make_shared<Blocks>(dims, uses);
  Session session(check::model_session(*blocks->model, request));
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
  const auto& table = optimizer->table<caddie_optimizer>();
  Session session(
      check::build_update(
          optimizer->instance(),
          [&](caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
            return table.update(optimizer->abi(), build, update, parameter, error);
          },
          shape, role),
      {}, 0);
  session.keep(optimizer);
  session.set("scale", {1});
  return session;
}

Session build_accumulate(const std::shared_ptr<Object>& averager, const graph::Shape& shape) {
  const auto& table = averager->table<caddie_averager>();
  Session session(check::build_accumulate(
                      averager->instance(),
                      [&](caddie_build* build, caddie_value parameter, caddie_error* error) {
                        return table.accumulate(averager->abi(), build, "bank", parameter, error);
                      },
                      shape),
                  {}, 0);
  session.keep(averager);
  return session;
}

Session build_finish(const std::shared_ptr<Object>& averager, const graph::Shape& shape) {
  const auto& table = averager->table<caddie_averager>();
  BuildResult built = check::build_finish(
      averager->instance(),
      [&](caddie_build* build, caddie_value parameter, caddie_value current, caddie_value* out, caddie_error* error) {
        return table.finish(averager->abi(), build, "bank", parameter, current, out, error);
      },
      shape);
  const Value final = built.wire("final");
  Session session(std::move(built), {{"final", final}}, 0);
  session.keep(averager);
  return session;
}

void Session::expect_gradients(double tolerance) {
  const check::GradientComparison made = compare_gradients(tolerance, 16);
  for (const check::GradientMismatch& wrong : made.mismatches)
    EXPECT_NEAR(wrong.measured, wrong.expected, tolerance * wrong.size) << "gradient of " << wrong.leaf;
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
