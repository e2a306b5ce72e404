#include "core/train/averaging.hpp"

#include "core/plugins/call.hpp"

namespace caddie::train {

using graph::Value;

namespace {

// One bank through every averager. Those that hand on what they were given are added to `without_effect`.
Result<Value> build_finish(plugins::Build& build, const std::vector<const plugins::Object*>& averagers,
                           const std::string& bank, Value parameter, std::vector<std::string>* without_effect) {
  Value current = parameter;
  for (const plugins::Object* averager : averagers) {
    build.set_instance(averager->instance());
    build.set_state_prefix(bank);
    caddie_error error = plugins::fresh_error();
    caddie_value out = 0;
    const caddie_code code = plugins::guarded(error, [&] {
      return averager->table<caddie_averager>().finish(averager->abi(), plugins::to_abi(&build), bank.c_str(),
                                                       parameter, current, &out, &error);
    });
    if (auto done = check_build(code, error, build, averager->instance()); !done) return done.error();
    if (out == current && without_effect != nullptr) without_effect->push_back(averager->instance());
    current = out;
  }
  return current;
}

}  // namespace

Result<std::vector<std::string>> averagers_without_effect(const ParameterStore& parameters,
                                                          const std::vector<const plugins::Object*>& averagers,
                                                          const UpdateOptions& options) {
  std::vector<std::string> names;
  plugins::Build build = bank_build(options.dims);
  for (const Bank& bank : parameters.banks()) {
    if (bank.owner == kNoOwner) continue;
    const auto finished = build_finish(build, averagers, bank.name, build.declare_bank(bank.name, bank.shape()), &names);
    if (!finished) return finished.error();
    break;  // what an averager does, it does to every bank
  }
  return names;
}

Result<std::vector<graph::BufferPtr>> averaged_values(graph::Executor& executor, const ParameterStore& parameters,
                                                      StateStore& states,
                                                      const std::vector<const plugins::Object*>& averagers,
                                                      const caddie_step& step, const UpdateOptions& options) {
  std::vector<graph::BufferPtr> values;
  for (const Bank& bank : parameters.banks()) values.push_back(bank.values);
  if (averagers.empty()) return values;

  plugins::Build build = bank_build(options.dims);
  for (const Bank& bank : parameters.banks()) {
    if (bank.owner == kNoOwner) continue;
    const Value parameter = build.declare_bank(bank.name, bank.shape());
    const auto current = build_finish(build, averagers, bank.name, parameter, nullptr);
    if (!current) return current.error();
    build.graph().output("final/" + bank.name, *current);
  }
  if (auto status = build.status(); !status) return status.error();
  const plugins::BuildResult result = build.take();
  if (auto done = states.add(result.states, parameters, options.seed); !done) return done.error();
  auto program = executor.compile(result.graph);
  if (!program) return program.error();
  ScalarInputs scalars(executor);
  if (auto done = scalars.add(**program, result.scalars); !done) return done.error();
  if (auto done = scalars.set(step); !done) return done.error();
  if (auto done = states.bind(**program, result.states); !done) return done.error();
  for (std::size_t i = 0; i < parameters.banks().size(); ++i) {
    const Bank& bank = parameters.banks()[i];
    if (bank.owner == kNoOwner) continue;
    auto buffer = executor.allocate(bank.values->size_bytes());
    if (!buffer) return buffer.error();
    values[i] = *buffer;
    if (auto done = (*program)->bind(bank.name, {bank.values, 0}); !done) return done.error();
    if (auto done = (*program)->bind("final/" + bank.name, {*buffer, 0}); !done) return done.error();
  }
  if (auto done = (*program)->run({}); !done) return done.error();
  if (auto done = executor.synchronize(); !done) return done.error();
  return values;
}

}  // namespace caddie::train
