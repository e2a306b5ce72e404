#include "core/score/adaptation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/plugins/call.hpp"

namespace caddie::score {
namespace {

constexpr std::uint64_t kAdaptStream = 2;  // random stream of test-time steps
constexpr std::int64_t kLargestStep = std::int64_t{1} << 28;  // tokens

Adaptation& adaptation_of(caddie_adapt* adapt) { return *reinterpret_cast<Adaptation*>(adapt); }
const Adaptation& adaptation_of(const caddie_adapt* adapt) { return *reinterpret_cast<const Adaptation*>(adapt); }

caddie_code report(const Result<void>& result, caddie_error* error) {
  if (result) return CADDIE_OK;
  const auto code = static_cast<caddie_code>(result.error().code);
  if (error != nullptr && CADDIE_HAS(error, caddie_error, text)) {
    error->code = code;
    const std::string text = result.error().message();
    const std::size_t length = std::min(text.size(), sizeof error->text - 1);
    text.copy(error->text, length);
    error->text[length] = '\0';
  }
  return code;
}

caddie_code step(caddie_adapt* adapt, const int64_t* first, int64_t row_count, double scale, caddie_error* error) {
  if (row_count < 1) return report(Error{Code::argument, "", "a gradient step needs at least one row"}, error);
  return report(adaptation_of(adapt).step({first, static_cast<std::size_t>(row_count)}, scale), error);
}

caddie_code read(const caddie_adapt* adapt, int64_t first_target, int64_t count, int32_t* out, caddie_error* error) {
  // Token j+1 is target j. -1 stands for every place before the stream, so that no number a plugin gives can overflow.
  const std::int64_t first_token = first_target < 0 || first_target == INT64_MAX ? -1 : first_target + 1;
  const auto tokens = adaptation_of(adapt).vault().read(first_token, count);
  if (!tokens) return report(tokens.error(), error);
  std::ranges::copy(*tokens, out);
  return CADDIE_OK;
}

caddie_code reset(caddie_adapt* adapt, caddie_error* error) { return report(adaptation_of(adapt).reset(), error); }

constexpr caddie_host_adapt kAdaptTable = {sizeof(caddie_host_adapt), 0, step, read, reset};

caddie_tensor_info info_of(const plugins::TensorDeclaration& tensor) {
  caddie_tensor_info info = {};
  info.struct_size = sizeof info;
  info.layer = tensor.layer;
  info.name = tensor.path.c_str();
  info.role = tensor.role.c_str();
  info.rank = static_cast<uint32_t>(tensor.shape.rank());
  info.lengths = tensor.shape.lengths().data();
  return info;
}

}  // namespace

Adaptation::Adaptation(graph::Executor& executor, const plugins::Model& model, plugins::Object& strategy,
                       const Vault& vault, std::uint64_t seed)
    : executor_(&executor), model_(&model), strategy_(&strategy), vault_(&vault), seed_(seed), states_(executor) {}

Result<std::unique_ptr<Adaptation>> Adaptation::make(graph::Executor& executor, const plugins::Model& model,
                                                     plugins::Object& strategy,
                                                     const std::vector<train::HostTensor>& weights, const Vault& vault,
                                                     std::int64_t context, std::uint64_t seed) {
  auto self = std::unique_ptr<Adaptation>(new Adaptation(executor, model, strategy, vault, seed));
  self->initial_ = &weights;
  self->plan_.struct_size = sizeof self->plan_;
  const caddie_eval_info info = {sizeof(caddie_eval_info), 0, vault.targets(), context};
  caddie_error error = plugins::fresh_error();
  const auto& table = strategy.table<caddie_ttt>();
  const caddie_code code = plugins::guarded(
      error, [&] { return table.plan(strategy.abi(), &info, &self->plan_, &error); });
  if (code != CADDIE_OK) return plugins::to_error(code, error, strategy.instance());
  const caddie_ttt_plan& plan = self->plan_;
  const bool positive = plan.chunk_targets >= 1 && plan.rows >= 1 && plan.context >= 1;
  if (!positive || plan.rows > kLargestStep / plan.context || !(plan.clip_norm >= 0)) {
    return Error{
        Code::argument, strategy.instance(),
        fmt::format(
            "planned chunks of {} targets, steps of {} rows of {} tokens and a clip norm of {}; the numbers must be "
            "at least 1, a step at most {} tokens, the norm at least 0",
            plan.chunk_targets, plan.rows, plan.context, plan.clip_norm, kLargestStep)};
  }
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_ADAPT;
  request.batch = 1;
  request.context = plan.context;
  const auto build = model.build(request);
  if (!build) return build.error();
  if (auto done = self->make_store(*build); !done) return done.error();
  return self;
}

Result<void> Adaptation::make_store(const plugins::BuildResult& build) {
  std::vector<int> owner;
  for (const plugins::TensorDeclaration& tensor : build.parameters) {
    const caddie_tensor_info info = info_of(tensor);
    owner.push_back(strategy_->table<caddie_ttt>().adapts(strategy_->abi(), &info) != 0 ? 0 : train::kNoOwner);
  }
  if (std::ranges::find(owner, 0) == owner.end()) {
    return Error{Code::state, strategy_->instance(),
                 "adapts none of the model's parameters; remove it or let it take some"};
  }
  auto store = train::ParameterStore::make(*executor_, build.parameters, owner, {strategy_->instance()});
  if (!store) return store.error();
  store_ = std::move(*store);
  if (auto done = store_.load(*initial_); !done) return done;

  const plugins::Object* object = strategy_;
  const train::UpdateOwner updates{
      object->instance(),
      [object](caddie_build* b, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
        return plugins::guarded(*error, [&] {
          return object->table<caddie_ttt>().update(object->abi(), b, update, parameter, error);
        });
      }};
  auto update =
      train::UpdateProgram::make(*executor_, store_, states_, {updates}, {}, {plan_.clip_norm, seed_, model_->dims()});
  if (!update) return update.error();
  update_ = std::move(*update);
  return {};
}

Result<train::GradientProgram*> Adaptation::program_for(std::int64_t rows) {
  std::unique_ptr<train::GradientProgram>& program = programs_[rows];
  if (program) return program.get();
  train::GradientProgram::Options options;
  options.request.mode = CADDIE_MODE_ADAPT;
  options.request.batch = rows;
  options.request.context = plan_.context;
  options.request.progress = 1;
  options.request.scale = 0;
  options.seed = seed_;
  auto made = train::GradientProgram::make(*executor_, *model_, store_, states_, options);
  if (!made) return made.error();
  program = std::move(*made);
  return program.get();
}

Result<void> Adaptation::step(std::span<const std::int64_t> first_targets, double scale) {
  const auto rows = static_cast<std::int64_t>(first_targets.size());
  if (rows > plan_.rows) {
    return Error{Code::argument, strategy_->instance(),
                 fmt::format("asked for a step of {} rows, its plan says at most {}", rows, plan_.rows)};
  }
  train::TokenBatch batch;
  for (const std::int64_t first : first_targets) {
    if (!vault_->are_sealed(first, plan_.context)) {
      return Error{Code::state, strategy_->instance(),
                   fmt::format("asked to train on {} targets from target {} on, of which not all are scored yet",
                               plan_.context, first)};
    }
    const auto tokens = vault_->read(first, plan_.context + 1);
    if (!tokens) return tokens.error();
    batch.tokens.insert(batch.tokens.end(), tokens->begin(), tokens->end() - 1);
    batch.targets.insert(batch.targets.end(), tokens->begin() + 1, tokens->end());
  }
  const auto program = program_for(rows);
  if (!program) return program.error();
  caddie_step position = {};
  position.struct_size = sizeof position;
  position.step = static_cast<int64_t>(version_);
  position.fraction = 1;
  position.scale = scale;
  if (auto done = (*program)->run(batch, position, 0, {seed_, kAdaptStream, version_}); !done) return done;
  if (auto done = update_->run(position, {seed_, kAdaptStream + 1, version_}); !done) return done;
  ++version_;
  return {};
}

Result<void> Adaptation::reset() {
  if (auto done = store_.load(*initial_); !done) return done;
  return states_.reset(store_, seed_);
}

Result<void> Adaptation::after_chunk(std::int64_t index, std::int64_t count, std::int64_t first_target,
                                     std::int64_t targets) {
  if (!vault_->are_sealed(first_target, targets)) {
    return Error{Code::internal, "evaluation",
                 fmt::format("chunk {} was handed to test-time training before it was scored", index)};
  }
  const caddie_chunk chunk = {sizeof(caddie_chunk), 0, index, count, first_target, targets};
  caddie_error error = plugins::fresh_error();
  const caddie_code code = plugins::guarded(error, [&] {
    return strategy_->table<caddie_ttt>().adapt(strategy_->abi(), &chunk, &kAdaptTable,
                                                reinterpret_cast<caddie_adapt*>(this), &error);
  });
  if (code != CADDIE_OK) return plugins::to_error(code, error, strategy_->instance());
  return {};
}

}  // namespace caddie::score
