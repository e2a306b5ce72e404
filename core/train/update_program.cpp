#include "core/train/update_program.hpp"

#include <algorithm>

namespace caddie::train {

using Kind = graph::MemberCut::Kind;

namespace {

// What an element costs beside its update: its gradient is added up, and its new value handed out.
constexpr double kWorkOfElement = 8;

// The number that gradients are multiplied with.
float clip_factor(double norm, double clip_norm) {
  return static_cast<float>(std::min(1.0, clip_norm / (norm + 1e-6)));
}

std::vector<std::size_t> owned_banks(const ParameterStore& parameters) {
  std::vector<std::size_t> owned;
  for (std::size_t i = 0; i < parameters.banks().size(); ++i) {
    if (parameters.banks()[i].owner != kNoOwner) owned.push_back(i);
  }
  return owned;
}

std::vector<std::vector<std::string>> leaves_of_banks(const ParameterStore& parameters,
                                                      const std::vector<std::size_t>& owned) {
  std::vector<std::vector<std::string>> leaves;
  for (const std::size_t bank : owned) {
    leaves.push_back({parameters.banks()[bank].name, gradient_leaf(parameters.banks()[bank])});
  }
  return leaves;
}

}  // namespace

// What make() knows of the whole graph.
struct UpdateProgram::Plan {
  Plan(const ParameterStore& store, StateStore& state_store, const plugins::BuildResult& result)
      : parameters(store), states(state_store), build(result), owned(owned_banks(store)),
        cut(result.graph, leaves_of_banks(store, owned)) {}

  // The number by which the cut knows a bank of the store.
  [[nodiscard]] std::size_t in_cut(std::size_t bank) const {
    return static_cast<std::size_t>(std::ranges::find(owned, bank) - owned.begin());
  }
  [[nodiscard]] const Bank& bank(std::size_t bank) const { return parameters.banks()[bank]; }

  const ParameterStore& parameters;
  StateStore& states;
  const plugins::BuildResult& build;
  std::vector<std::size_t> owned;
  graph::MemberCut cut;
};

Result<std::unique_ptr<UpdateProgram>> UpdateProgram::make(graph::Executor& executor, ParameterStore& parameters,
                                                           StateStore& states, const std::vector<UpdateOwner>& owners,
                                                           const std::vector<const plugins::Object*>& averagers,
                                                           const Options& options, const Peers& peers) {
  const auto built = build_updates(parameters, owners, averagers, options);
  if (!built) return built.error();
  if (auto done = states.add(built->states, parameters, options.seed); !done) return done.error();
  const Plan plan(parameters, states, *built);
  auto self = std::unique_ptr<UpdateProgram>(new UpdateProgram(executor, options, peers));
  if (auto done = self->deal(plan); !done) return done.error();
  if (auto done = self->add_own_members(plan); !done) return done.error();
  const auto others = plan.cut.other_updates();
  if (!others) return others.error();
  if (!others->updates().empty()) {
    if (auto done = self->add_piece(plan, *others, {}, false); !done) return done.error();
  }
  return self;
}

Result<void> UpdateProgram::deal(const Plan& plan) {
  std::vector<BankWork> work(plan.parameters.banks().size());
  std::vector<MemberArray> values;
  std::vector<MemberArray> states;
  for (std::size_t i = 0; i < plan.owned.size(); ++i) {
    const Bank& bank = plan.bank(plan.owned[i]);
    const auto elements = static_cast<double>(bank.shape().elements());
    const Kind kind = plan.cut.kind(i);
    work[plan.owned[i]] = {static_cast<std::int64_t>(bank.members.size()),
                           plan.cut.work(i) + kWorkOfElement * elements, kind == Kind::apart};
    needs_all_gradients_ = needs_all_gradients_ || kind == Kind::together;
    if (kind == Kind::together) continue;
    values.push_back({plan.owned[i], bank.values});
    for (const std::string& leaf : plan.cut.leaves_of(i)) {
      const auto state = plan.states.entries().find(leaf);
      if (state != plan.states.entries().end()) states.push_back({plan.owned[i], state->second.buffer});
    }
  }
  shares_ = deal_members(work, peers_.size());
  parameter_arrays_ = MemberArrays(values, plan.parameters.banks(), shares_);
  state_arrays_ = MemberArrays(states, plan.parameters.banks(), shares_);
  auto norm = GradientNorm::make(*executor_, plan.parameters, shares_, peers_);
  if (!norm) return norm.error();
  norm_ = std::move(*norm);
  return {};
}

Result<void> UpdateProgram::add_own_members(const Plan& plan) {
  for (const MemberRange& range : shares_[static_cast<std::size_t>(peers_.rank())]) {
    const std::size_t number = plan.in_cut(range.bank);
    if (plan.cut.kind(number) == Kind::together) continue;
    const bool on_host = plan.bank(range.bank).values->host_data() != nullptr;
    const bool one_by_one = on_host && plan.cut.kind(number) == Kind::apart && !plan.cut.is_elementwise(number);
    const auto graph = plan.cut.updates_of(number, one_by_one ? 1 : range.count);
    if (!graph) return graph.error();
    if (auto done = add_piece(plan, *graph, range, one_by_one); !done) return done;
  }
  return {};
}

Result<void> UpdateProgram::add_piece(const Plan& plan, const graph::Graph& graph, const MemberRange& range,
                                      bool one_by_one) {
  const bool is_of_bank = range.count > 0;
  const auto own = is_of_bank ? plan.cut.leaves_of(plan.in_cut(range.bank)) : std::vector<std::string>();
  auto program = one_by_one ? executor_->compile_members(graph, {range.count, own}) : executor_->compile(graph);
  if (!program) return program.error();
  for (const graph::Leaf& leaf : graph.leaves()) {
    const bool has_members = std::ranges::find(own, leaf.name) != own.end();
    if (auto done = bind_leaf(plan, leaf.name, has_members ? range : MemberRange{}, **program); !done) return done;
  }
  pieces_.push_back(std::move(*program));
  return {};
}

// To the memory of the range's members, or where it has none to all of it.
Result<void> UpdateProgram::bind_leaf(const Plan& plan, const std::string& name, const MemberRange& range,
                                      graph::Program& program) {
  const auto scalar = std::ranges::find(plan.build.scalars, name, &plugins::StepScalar::leaf);
  if (scalar != plan.build.scalars.end()) return scalars_.add(program, *scalar);
  if (name == kScaleLeaf || name == kClipLeaf) return scalars_.add(program, name);

  const auto bind = [&](const graph::BufferPtr& buffer) {
    const std::size_t of_member = buffer->size_bytes() / std::max<std::size_t>(plan.bank(range.bank).members.size(), 1);
    return program.bind(name, {buffer, of_member * static_cast<std::size_t>(range.first)});
  };
  for (const std::size_t number : plan.owned) {
    const Bank& bank = plan.bank(number);
    if (name == bank.name) return bind(bank.values);
    if (name == gradient_leaf(bank)) return bind(bank.gradients);
  }
  const auto state = plan.states.entries().find(name);
  if (state != plan.states.entries().end()) return bind(state->second.buffer);
  return Error{Code::internal, name, "is a leaf of the update that nothing is tied to"};
}

Result<void> UpdateProgram::run(const caddie_step& step, const graph::RunKey& key) {
  last_norm_.reset();
  if (options_.clip_norm > 0) {
    const auto norm = gradient_norm();
    if (!norm) return norm.error();
    if (auto done = scalars_.set(kClipLeaf, clip_factor(*norm, options_.clip_norm)); !done) return done;
  }
  if (auto done = scalars_.set(step); !done) return done;
  if (auto done = scalars_.set(kScaleLeaf, static_cast<float>(step.scale)); !done) return done;
  for (const auto& piece : pieces_) {
    if (auto done = piece->run(key); !done) return done;
  }
  return parameter_arrays_.hand_out(*executor_, peers_);
}

Result<double> UpdateProgram::gradient_norm() {
  if (!last_norm_) {
    const auto norm = norm_.compute();
    if (!norm) return norm;
    last_norm_ = *norm;
  }
  return *last_norm_;
}

std::size_t UpdateProgram::program_arena() const {
  std::size_t bytes = 0;
  for (const auto& piece : pieces_) bytes += piece->arena_bytes();
  return bytes;
}

}  // namespace caddie::train
