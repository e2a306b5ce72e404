// Golden cases of graph builders: blocks, optimizers and test-time strategies, averagers.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runner/check/builds.hpp"
#include "runner/check/failure.hpp"
#include "runner/check/golden.hpp"
#include "runner/check/plain_model.hpp"

namespace caddie::check {

using nlohmann::json;

namespace {

int mode_of(GoldenCase& test) {
  static constexpr const char* names[] = {"train", "evaluate", "calibrate", "adapt"};
  const std::string mode = test.value("mode", "train").get<std::string>();
  for (int i = 0; i < 4; ++i)
    if (mode == names[i]) return i;
  test.fail(fmt::format("the mode \"{}\" is none of train, evaluate, calibrate, adapt", mode));
}

plugins::Dims dims_of(GoldenCase& test, const json& dims) {
  plugins::Dims made;
  made.layers = 1;
  const auto whole = [](const json& value) { return value.get<std::int64_t>(); };
  for (const auto& [key, value] : dims.items()) {
    if (key == "vocab")
      made.vocab = whole(value);
    else if (key == "dim")
      made.dim = whole(value);
    else if (key == "heads")
      made.heads = whole(value);
    else if (key == "kv_heads")
      made.kv_heads = whole(value);
    else if (key == "head_dim")
      made.head_dim = whole(value);
    else if (key == "layers")
      made.layers = value.get<std::int32_t>();
    else if (key == "bos")
      made.bos = value.get<std::int32_t>();
    else
      test.fail(
          fmt::format("\"dims\" has no key \"{}\"; known are vocab, dim, heads, kv_heads, head_dim, layers, bos", key));
  }
  return made;
}

// "gate" stands for the one parameter whose path ends with ".gate".
std::string path_of(GoldenCase& test, const Session& session, const std::string& name) {
  std::vector<std::string> found;
  std::vector<std::string> all;
  for (const auto* list : {&session.built().parameters, &session.built().states}) {
    for (const plugins::TensorDeclaration& tensor : *list) {
      all.push_back(tensor.path);
      if (tensor.path == name) return name;
      if (tensor.path.ends_with("." + name)) found.push_back(tensor.path);
    }
  }
  if (found.size() == 1) return found.front();
  test.fail(
      fmt::format("\"{}\" names {} of the tensors {}", name, found.empty() ? "none" : "several", fmt::join(all, ", ")));
}

void set_tensors(GoldenCase& test, Session& session, const json& values) {
  for (const auto& [name, value] : values.items())
    session.set(path_of(test, session, name), array_from_json(value).values);
}

// States that start as the parameter does.
void set_copies(Session& session, const std::vector<double>& parameter) {
  for (const plugins::TensorDeclaration& state : session.built().states)
    if (state.initialiser.kind == CADDIE_INIT_COPY) session.set(state.path, parameter);
}

}  // namespace

void golden_block(Subject& subject, GoldenCase& test, const json& config) {
  HookRun run;
  run.hook = test.at("hook").get<std::string>();
  run.part = test.value("part", "").get<std::string>();
  run.dims = dims_of(test, test.value("dims", json::object()));
  run.request.mode = mode_of(test);
  run.request.progress = test.value("progress", run.request.mode == CADDIE_MODE_TRAIN ? 0 : 1).get<double>();
  run.request.scale = test.value("scale", run.request.mode == CADDIE_MODE_TRAIN ? 1 : 0).get<double>();
  for (const json& input : test.at("inputs")) run.inputs.push_back(array_from_json(input));
  const json wires = test.value("wires", json::object());
  for (const auto& [name, value] : wires.items()) run.wires.emplace(name, array_from_json(value));
  if (!run.inputs.empty() && run.inputs[0].shape.rank() >= 2) {
    run.request.batch = run.inputs[0].shape[0];
    run.request.context = run.inputs[0].shape[1];
    if (run.dims.dim == 0 && run.inputs[0].shape.rank() >= 3) run.dims.dim = run.inputs[0].shape[2];
  }
  run.visits = test.value("visits", json::array({0})).get<std::vector<int>>();
  run.encoder = test.value("encoder", 0).get<int>();
  run.visit = test.value("visit", 0).get<int>();
  if (run.visit >= static_cast<int>(run.visits.size())) test.fail("\"visit\" is none of the \"visits\"");
  for (const int layer : run.visits) run.dims.layers = std::max(run.dims.layers, layer + 1);
  const json& outputs = test.at("outputs");
  run.outputs = outputs.size();

  const plugins::Object object = subject.make_or_fail(config);
  Session session = hook_session(with_plain_blocks({subject.attach(object, run.dims)}), run);
  set_tensors(test, session, test.value("parameters", json::object()));
  set_tensors(test, session, test.value("states", json::object()));
  session.run(test.value("step", 0).get<std::int64_t>());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string name = "out" + std::to_string(i);
    test.expect(fmt::format("output {}", i), real(session.shape(name), session.get(name)), outputs[i]);
  }
}

void golden_bank(Subject& subject, GoldenCase& test, const json& config) {
  const plugins::Object object = subject.make_or_fail(config);
  const Array parameter = test.array("parameter");
  const bool is_ttt = plugins::short_interface(subject.plugin().interface_id) == "ttt";
  if (is_ttt) {
    caddie_ttt_plan plan{};
    plan.struct_size = sizeof plan;
    const caddie_eval_info info = {sizeof info, 0, 100'000, 64};
    must(subject.calls().run("plan()", [&](caddie_error* error) {
      return object.table<caddie_ttt>().plan(object.abi(), &info, &plan, error);
    }));
  }
  Session session(build_update(
                      object.instance(),
                      [&](caddie_build* build, const caddie_update* update, caddie_value* out, caddie_error* error) {
                        return subject.calls().hook("update()", [&] {
                          return is_ttt
                                     ? object.table<caddie_ttt>().update(object.abi(), build, update, out, error)
                                     : object.table<caddie_optimizer>().update(object.abi(), build, update, out, error);
                        });
                      },
                      parameter.shape, test.value("role", "matrix").get<std::string>()),
                  {}, 0);
  session.set("bank", parameter.values);
  set_copies(session, parameter.values);
  set_tensors(test, session, test.value("states", json::object()));
  const json& steps = test.at("steps");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    session.set("gradient", array_from_json(steps[i].at("gradient")).values);
    session.set("scale", {steps[i].value("scale", 1.0)});
    caddie_step at = step_at(static_cast<std::int64_t>(i), steps[i].value("scale", 1.0));
    at.steps = static_cast<std::int64_t>(steps.size());
    at.fraction = static_cast<double>(i) / static_cast<double>(steps.size());
    session.run(at);
    test.expect(fmt::format("the parameter after step {}", i), real(parameter.shape, session.get("bank")),
                steps[i].at("parameter"));
  }
}

void golden_averager(Subject& subject, GoldenCase& test, const json& config) {
  const plugins::Object object = subject.make_or_fail(config);
  const auto& table = object.table<caddie_averager>();
  const json& weights = test.at("weights");
  if (weights.empty())
    test.fail("\"weights\" is empty: a list with the weights before the first step and after every step");
  const Array first = array_from_json(weights[0]);
  Session accumulate(build_accumulate(
                         object.instance(),
                         [&](caddie_build* build, caddie_value parameter, caddie_error* error) {
                           return subject.calls().hook("accumulate()", [&] {
                             return table.accumulate(object.abi(), build, "bank", parameter, error);
                           });
                         },
                         first.shape),
                     {}, 0);
  plugins::BuildResult end = build_finish(
      object.instance(),
      [&](caddie_build* build, caddie_value parameter, caddie_value current, caddie_value* out, caddie_error* error) {
        return subject.calls().hook(
            "finish()", [&] { return table.finish(object.abi(), build, "bank", parameter, current, out, error); });
      },
      first.shape);
  const graph::Value final = end.wire("final");
  Session finish(std::move(end), {{"final", final}}, 0);
  set_copies(accumulate, first.values);
  const json scales = test.value("scales", json::array());
  for (std::size_t i = 1; i < weights.size(); ++i) {
    caddie_step at = step_at(static_cast<std::int64_t>(i - 1), i - 1 < scales.size() ? scales[i - 1].get<double>() : 1);
    at.steps = static_cast<std::int64_t>(weights.size() - 1);
    at.fraction = static_cast<double>(i - 1) / static_cast<double>(weights.size() - 1);
    accumulate.set("bank", array_from_json(weights[i]).values);
    accumulate.run(at);
  }
  const std::vector<double> last = array_from_json(weights.back()).values;
  finish.set("bank", last);
  finish.set("current", last);
  for (const plugins::TensorDeclaration& state : finish.built().states)
    finish.set(state.path, accumulate.get(state.path));
  finish.run(0);
  test.expect("the average", real(first.shape, finish.get("final")), test.at("average"));
}

}  // namespace caddie::check
