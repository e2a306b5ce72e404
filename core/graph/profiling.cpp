#include "core/graph/profiling.hpp"

#include <utility>

namespace caddie::graph {
namespace {

template <class Entry>
void append(std::vector<Entry>& to, std::vector<Entry> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

class ProfiledProgram final : public Program {
 public:
  ProfiledProgram(std::unique_ptr<Program> inner, std::shared_ptr<ProfileSink> sink)
      : inner_(std::move(inner)), sink_(std::move(sink)) {}
  ~ProfiledProgram() override {
    append(sink_->entries, inner_->profile());
    append(sink_->events, inner_->trace());
  }
  ProfiledProgram(const ProfiledProgram&) = delete;
  ProfiledProgram& operator=(const ProfiledProgram&) = delete;

  Result<void> bind(std::string_view name, const BufferView& view) override { return inner_->bind(name, view); }
  Result<void> run(const RunKey& key) override { return inner_->run(key); }
  [[nodiscard]] std::size_t arena_bytes() const override { return inner_->arena_bytes(); }
  [[nodiscard]] std::size_t live_bytes() const override { return inner_->live_bytes(); }
  [[nodiscard]] std::vector<ProfileEntry> profile() override { return inner_->profile(); }
  [[nodiscard]] std::vector<TraceEvent> trace() override { return inner_->trace(); }

 private:
  std::unique_ptr<Program> inner_;
  std::shared_ptr<ProfileSink> sink_;
};

class ProfilingExecutor final : public Executor {
 public:
  ProfilingExecutor(std::unique_ptr<Executor> inner, std::shared_ptr<ProfileSink> sink)
      : inner_(std::move(inner)), sink_(std::move(sink)) {}

  [[nodiscard]] std::string name() const override { return inner_->name(); }
  [[nodiscard]] std::size_t element_bytes(DType type) const override { return inner_->element_bytes(type); }
  Result<BufferPtr> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  Result<void> upload(const BufferView& to, std::span<const std::byte> from) override {
    return inner_->upload(to, from);
  }
  Result<void> download(std::span<std::byte> to, const BufferView& from) override { return inner_->download(to, from); }
  Result<void> synchronize() override { return inner_->synchronize(); }
  Result<std::unique_ptr<Program>> compile(const Graph& graph) override { return profiled(inner_->compile(graph)); }
  Result<std::unique_ptr<Program>> compile_members(const Graph& graph, const Members& members) override {
    return profiled(inner_->compile_members(graph, members));
  }

 private:
  Result<std::unique_ptr<Program>> profiled(Result<std::unique_ptr<Program>> program) const {
    if (!program) return program;
    return std::unique_ptr<Program>(std::make_unique<ProfiledProgram>(std::move(*program), sink_));
  }

  std::unique_ptr<Executor> inner_;
  std::shared_ptr<ProfileSink> sink_;
};

}  // namespace

std::unique_ptr<Executor> make_profiling_executor(std::unique_ptr<Executor> inner, std::shared_ptr<ProfileSink> sink) {
  return std::make_unique<ProfilingExecutor>(std::move(inner), std::move(sink));
}

}  // namespace caddie::graph
