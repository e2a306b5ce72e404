#include "core/train/update_program.hpp"

#include <fmt/format.h>

#include "core/graph/emitter.hpp"
#include "core/plugins/call.hpp"

namespace caddie::train {

using graph::DType;
using graph::LeafKind;
using graph::Op;
using graph::Value;

namespace {

constexpr const char* kScale = "host/scale";

std::string gradient_leaf(const Bank& bank) { return "gradient/" + bank.name; }

// Norm over all gradients, added in the order of the banks.
Value norm_of(graph::Graph& graph, const std::vector<Value>& gradients) {
  const graph::Emitter emit{graph};
  Value total = emit.scalar(0);
  for (const Value gradient : gradients) {
    total = emit.add(total, emit.reduce(Op::reduce_sum, emit.mul(gradient, gradient), {}, false));
  }
  return emit.op(Op::sqrt, total);
}

Value clip_factor(graph::Graph& graph, Value norm, double clip_norm) {
  const graph::Emitter emit{graph};
  return emit.op(Op::min, emit.scalar(1), emit.div(emit.scalar(clip_norm), emit.add(norm, emit.scalar(1e-6))));
}

Result<void> check(caddie_code code, const caddie_error& error, const plugins::Build& build, const std::string& where) {
  if (auto status = build.status(); !status) return status.error();
  if (code != CADDIE_OK) return plugins::to_error(code, error, where);
  return {};
}

plugins::Build update_build(const UpdateProgram::Options& options,
                            const std::vector<plugins::BlockInstance>* no_blocks) {
  return {options.dims, plugins::BuildRequest{}, no_blocks};
}

struct BankLeaves {
  const Bank* bank;
  Value parameter;
  Value gradient;
};

Result<Value> build_update(plugins::Build& build, const UpdateOwner& owner, const BankLeaves& leaves, Value gradient,
                           Value scale) {
  build.set_instance(owner.name);
  build.set_state_prefix(leaves.bank->name);
  build.graph().push_scope(owner.name);
  const caddie_update update = {sizeof(caddie_update), leaves.parameter, gradient, scale, leaves.bank->name.c_str(),
                                leaves.bank->role.c_str()};
  caddie_error error = plugins::fresh_error();
  caddie_value fresh = 0;
  const caddie_code code = owner.update(plugins::to_abi(&build), &update, &fresh, &error);
  build.graph().pop_scope();
  if (auto done = check(code, error, build, owner.name); !done) return done.error();
  if (!build.graph().is_valid(fresh) || build.graph().shape(fresh) != build.graph().shape(leaves.parameter)) {
    return Error{Code::shape, owner.name, fmt::format("gave no new parameter of shape {} for the bank {}",
                                                      build.graph().shape(leaves.parameter).text(), leaves.bank->name)};
  }
  return fresh;
}

Result<void> build_averagers(plugins::Build& build, const std::vector<const plugins::Object*>& averagers,
                             const Bank& bank, Value value) {
  for (const plugins::Object* averager : averagers) {
    build.set_instance(averager->instance());
    build.set_state_prefix(bank.name);
    caddie_error error = plugins::fresh_error();
    const auto& table = averager->table<caddie_averager>();
    const caddie_code code = plugins::guarded(error, [&] {
      return table.accumulate(averager->abi(), plugins::to_abi(&build), bank.name.c_str(), value, &error);
    });
    if (auto done = check(code, error, build, averager->instance()); !done) return done;
  }
  return {};
}

// States that copy a bank's parameter name its leaf; the leaf's name is the bank's.
Value bank_leaf(plugins::Build& build, const Bank& bank) { return build.declare_bank(bank.name, bank.shape()); }

}  // namespace

UpdateOwner optimizer_owner(const plugins::Object& optimizer) {
  const plugins::Object* object = &optimizer;
  return {object->instance(),
          [object](caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
            return plugins::guarded(*error, [&] {
              return object->table<caddie_optimizer>().update(object->abi(), build, update, parameter, error);
            });
          }};
}

Result<std::unique_ptr<UpdateProgram>> UpdateProgram::make(graph::Executor& executor, ParameterStore& parameters,
                                                           StateStore& states, const std::vector<UpdateOwner>& owners,
                                                           const std::vector<const plugins::Object*>& averagers,
                                                           const Options& options) {
  auto self = std::unique_ptr<UpdateProgram>(new UpdateProgram(executor));
  const std::vector<plugins::BlockInstance> no_blocks;
  plugins::Build build = update_build(options, &no_blocks);
  graph::Graph& graph = build.graph();
  const Value scale = graph.leaf(LeafKind::input, kScale, DType::f32, {});

  std::vector<BankLeaves> leaves;
  std::vector<Value> gradients;
  for (const Bank& bank : parameters.banks()) {
    if (bank.owner == kNoOwner) continue;
    const Value parameter = bank_leaf(build, bank);
    const Value gradient = graph.leaf(LeafKind::input, gradient_leaf(bank), DType::f32, bank.shape());
    leaves.push_back({&bank, parameter, gradient});
    gradients.push_back(gradient);
  }
  const Value norm = norm_of(graph, gradients);
  graph.output("norm", norm);
  const Value factor = options.clip_norm > 0 ? clip_factor(graph, norm, options.clip_norm) : 0;
  for (const BankLeaves& bank : leaves) {
    const Value gradient = factor == 0 ? bank.gradient : graph.emit(Op::mul, {bank.gradient, factor});
    const auto fresh = build_update(build, owners[static_cast<std::size_t>(bank.bank->owner)], bank, gradient, scale);
    if (!fresh) return fresh.error();
    graph.update(bank.parameter, *fresh);
    build.continue_bank(bank.bank->name, *fresh);
    if (auto done = build_averagers(build, averagers, *bank.bank, *fresh); !done) return done.error();
  }
  if (auto status = build.status(); !status) return status.error();
  const plugins::BuildResult result = build.take();

  if (auto done = states.add(result.states, parameters, options.seed); !done) return done.error();
  auto program = executor.compile(result.graph);
  if (!program) return program.error();
  self->program_ = std::move(*program);
  for (const BankLeaves& bank : leaves) {
    if (auto done = self->program_->bind(bank.bank->name, {bank.bank->values, 0}); !done) return done.error();
    if (auto done = self->program_->bind(gradient_leaf(*bank.bank), {bank.bank->gradients, 0}); !done) {
      return done.error();
    }
  }
  if (auto done = states.bind(*self->program_, result.states); !done) return done.error();
  if (auto done = self->scalars_.add(*self->program_, result.scalars); !done) return done.error();
  if (auto done = self->scalars_.add(*self->program_, std::string(kScale)); !done) return done.error();
  auto norm_buffer = executor.allocate(sizeof(float));
  if (!norm_buffer) return norm_buffer.error();
  self->norm_ = *norm_buffer;
  if (auto done = self->program_->bind("norm", {self->norm_, 0}); !done) return done.error();
  return self;
}

Result<void> UpdateProgram::run(const caddie_step& step, const graph::RunKey& key) {
  if (auto done = scalars_.set(step); !done) return done;
  if (auto done = scalars_.set(kScale, static_cast<float>(step.scale)); !done) return done;
  return program_->run(key);
}

Result<double> UpdateProgram::gradient_norm() const {
  float norm = 0;
  if (auto done = executor_->download(std::as_writable_bytes(std::span(&norm, 1)), {norm_, 0}); !done) {
    return done.error();
  }
  return static_cast<double>(norm);
}

namespace {

// One bank through every averager. Those that hand on what they were given are added to `without_effect`.
Result<Value> build_finish(plugins::Build& build, const std::vector<const plugins::Object*>& averagers, const std::string& bank,
                           Value parameter, std::vector<std::string>* without_effect) {
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
    if (auto done = check(code, error, build, averager->instance()); !done) return done.error();
    if (out == current && without_effect != nullptr) without_effect->push_back(averager->instance());
    current = out;
  }
  return current;
}

}  // namespace

Result<std::vector<std::string>> averagers_without_effect(const ParameterStore& parameters, const std::vector<const plugins::Object*>& averagers,
                                                          const UpdateProgram::Options& options) {
  std::vector<std::string> names;
  const std::vector<plugins::BlockInstance> no_blocks;
  plugins::Build build = update_build(options, &no_blocks);
  for (const Bank& bank : parameters.banks()) {
    if (bank.owner == kNoOwner) continue;
    const auto finished = build_finish(build, averagers, bank.name, bank_leaf(build, bank), &names);
    if (!finished) return finished.error();
    break;  // what an averager does, it does to every bank
  }
  return names;
}

Result<std::vector<graph::BufferPtr>> averaged_values(graph::Executor& executor, const ParameterStore& parameters,
                                                      StateStore& states,
                                                      const std::vector<const plugins::Object*>& averagers,
                                                      const caddie_step& step, const UpdateProgram::Options& options) {
  std::vector<graph::BufferPtr> values;
  for (const Bank& bank : parameters.banks()) values.push_back(bank.values);
  if (averagers.empty()) return values;

  const std::vector<plugins::BlockInstance> no_blocks;
  plugins::Build build = update_build(options, &no_blocks);
  for (const Bank& bank : parameters.banks()) {
    if (bank.owner == kNoOwner) continue;
    const Value parameter = bank_leaf(build, bank);
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
