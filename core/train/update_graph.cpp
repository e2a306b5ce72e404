#include "core/train/update_graph.hpp"

#include <fmt/format.h>

#include "core/plugins/call.hpp"

namespace caddie::train {

using graph::DType;
using graph::LeafKind;
using graph::Op;
using graph::Value;

namespace {

struct BankLeaves {
  const Bank* bank;
  Value parameter;
  Value gradient;
};

Result<Value> build_update(plugins::Build& build, const UpdateOwner& owner, const BankLeaves& leaves, Value scale) {
  build.set_instance(owner.name);
  build.set_state_prefix(leaves.bank->name);
  build.graph().push_scope(owner.name);
  const caddie_update update = {sizeof(caddie_update), leaves.parameter, leaves.gradient, scale,
                                leaves.bank->name.c_str(), leaves.bank->role.c_str()};
  caddie_error error = plugins::fresh_error();
  caddie_value fresh = 0;
  const caddie_code code = owner.update(plugins::to_abi(&build), &update, &fresh, &error);
  build.graph().pop_scope();
  if (auto done = check_build(code, error, build, owner.name); !done) return done.error();
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
    if (auto done = check_build(code, error, build, averager->instance()); !done) return done;
  }
  return {};
}

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

std::string gradient_leaf(const Bank& bank) { return "gradient/" + bank.name; }

plugins::Build bank_build(const plugins::Dims& dims) {
  static const std::vector<plugins::BlockInstance> no_blocks;
  return {dims, plugins::BuildRequest{}, &no_blocks};
}

Result<void> check_build(caddie_code code, const caddie_error& error, const plugins::Build& build,
                         const std::string& where) {
  if (auto status = build.status(); !status) return status.error();
  if (code != CADDIE_OK) return plugins::to_error(code, error, where);
  return {};
}

Result<plugins::BuildResult> build_updates(const ParameterStore& parameters, const std::vector<UpdateOwner>& owners,
                                           const std::vector<const plugins::Object*>& averagers,
                                           const UpdateOptions& options) {
  plugins::Build build = bank_build(options.dims);
  graph::Graph& graph = build.graph();
  const Value scale = graph.leaf(LeafKind::input, kScaleLeaf, DType::f32, {});
  const Value clip = options.clip_norm > 0 ? graph.leaf(LeafKind::input, kClipLeaf, DType::f32, {}) : 0;
  for (const Bank& bank : parameters.banks()) {
    if (bank.owner == kNoOwner) continue;
    BankLeaves leaves{&bank, build.declare_bank(bank.name, bank.shape()),
                      graph.leaf(LeafKind::input, gradient_leaf(bank), DType::f32, bank.shape())};
    if (clip != 0) leaves.gradient = graph.emit(Op::mul, {leaves.gradient, clip});
    const auto fresh = build_update(build, owners[static_cast<std::size_t>(bank.owner)], leaves, scale);
    if (!fresh) return fresh.error();
    graph.update(leaves.parameter, *fresh);
    build.continue_bank(bank.name, *fresh);
    if (auto done = build_averagers(build, averagers, bank, *fresh); !done) return done.error();
  }
  if (auto status = build.status(); !status) return status.error();
  return build.take();
}

}  // namespace caddie::train
