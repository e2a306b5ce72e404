// What an executor without a way of its own does with members: one after the other.
#include <algorithm>

#include "core/graph/executor.hpp"

namespace caddie::graph {
namespace {

class MemberProgram final : public Program {
 public:
  MemberProgram(std::unique_ptr<Program> one, std::int64_t count) : one_(std::move(one)), count_(count) {}

  void add(std::string name, std::size_t bytes) { leaves_.push_back({std::move(name), bytes, {}}); }

  Result<void> bind(std::string_view name, const BufferView& view) override {
    const auto leaf = std::ranges::find(leaves_, name, &Leaf::name);
    if (leaf == leaves_.end()) return one_->bind(name, view);
    const std::size_t last = leaf->bytes * static_cast<std::size_t>(count_ - 1);
    if (auto done = one_->bind(name, {view.buffer, view.offset_bytes + last}); !done)
      return done;  // so all of it is there
    leaf->first = view;
    return {};
  }
  Result<void> run(const RunKey& key) override {
    for (std::int64_t member = 0; member < count_; ++member) {
      for (const Leaf& leaf : leaves_) {
        if (leaf.first.buffer == nullptr) continue;  // run() says so
        const std::size_t at = leaf.bytes * static_cast<std::size_t>(member);
        if (auto done = one_->bind(leaf.name, {leaf.first.buffer, leaf.first.offset_bytes + at}); !done) return done;
      }
      if (auto done = one_->run(key); !done) return done;
    }
    return {};
  }
  [[nodiscard]] std::size_t arena_bytes() const override { return one_->arena_bytes(); }
  [[nodiscard]] std::size_t live_bytes() const override { return one_->live_bytes(); }
  [[nodiscard]] std::vector<ProfileEntry> profile() override { return one_->profile(); }
  [[nodiscard]] std::vector<TraceEvent> trace() override { return one_->trace(); }

 private:
  struct Leaf {
    std::string name;
    std::size_t bytes = 0;  // of one member
    BufferView first;
  };
  std::unique_ptr<Program> one_;
  std::int64_t count_;
  std::vector<Leaf> leaves_;
};

}  // namespace

Result<std::unique_ptr<Program>> Executor::compile_members(const Graph& graph, const Members& members) {
  auto one = compile(graph);
  if (!one) return one.error();
  auto program = std::make_unique<MemberProgram>(std::move(*one), members.count);
  for (const Leaf& leaf : graph.leaves()) {
    if (std::ranges::find(members.leaves, leaf.name) == members.leaves.end()) continue;
    const auto elements = static_cast<std::size_t>(graph.shape(leaf.value).elements());
    program->add(leaf.name, elements * element_bytes(graph.dtype(leaf.value)));
  }
  return std::unique_ptr<Program>(std::move(program));
}

}  // namespace caddie::graph
