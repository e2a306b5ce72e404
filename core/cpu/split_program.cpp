// Slabs are dealt to lanes, each a pool of its own with memory of its own for the values of one slab. What a slab adds
// to a sum over the batch is added in the order of the slabs, each sum waiting for its turn: which lane made which slab
// makes no difference to a bit. Lanes wait only until they run one behind the other. Matrix products add to the sum
// themselves; other sums of a slab are made in the lane's memory and added at its end.
#include "core/cpu/split_program.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>

#include "core/cpu/graph_run.hpp"
#include "core/cpu/program_profile.hpp"
#include "core/cpu/strips/strips.hpp"
#include "core/cpu/turns.hpp"

namespace caddie::cpu {

using graph::BatchSplit;
using graph::Crossing;

namespace {

constexpr std::int64_t kElementsPerSum = 16384;

// As many lanes as the threads can be dealt to evenly.
int lanes_for(int threads, std::int64_t slabs) {
  int lanes = 1;
  while (threads % (2 * lanes) == 0 && 2 * lanes <= slabs) lanes *= 2;
  return lanes;
}

// One of the three compiled graphs.
struct Part {
  std::unique_ptr<CompiledGraph> graph;
  std::vector<GraphRun> runs;

  Result<void> compile(const graph::Graph& from, const CompiledGraph::Options& options,
                       const std::shared_ptr<Arenas>& arenas, int count, bool timed) {
    auto made = CompiledGraph::compile(from, options);
    if (!made) return made.error();
    graph = std::move(*made);
    for (int i = 0; i < count; ++i) {
      auto run = GraphRun::make(*graph, arenas, static_cast<std::size_t>(i), options.threads, timed);
      if (!run) return run.error();
      runs.push_back(std::move(*run));
    }
    return {};
  }
  void bind(std::string_view name, std::byte* memory) {
    const int found = graph->find(name);
    if (found < 0) return;
    for (GraphRun& run : runs) run.bind(found, memory);
  }
  [[nodiscard]] bool has(std::string_view name) const { return graph->find(name) >= 0; }
};

class SplitProgram final : public graph::Program {
 public:
  static Result<std::unique_ptr<graph::Program>> make(const graph::Graph& graph, const BatchSplit& split,
                                                      const Shared& shared,
                                                      const graph::ExecutorOptions& options) {
    std::unique_ptr<SplitProgram> self(new SplitProgram(shared, split));
    if (auto done = self->compile(split, options); !done) return done.error();
    self->make_names(graph, split.split_leaves, 1);
    if (auto done = self->make_crossings(split); !done) return done.error();
    return std::unique_ptr<graph::Program>(std::move(self));
  }

  // Every member is a slab.
  static Result<std::unique_ptr<graph::Program>> make(const graph::Graph& graph, const graph::Members& members,
                                                      const Shared& shared,
                                                      const graph::ExecutorOptions& options) {
    BatchSplit split;
    split.slabs = members.count;
    split.body = graph;
    split.split_leaves = members.leaves;
    std::unique_ptr<SplitProgram> self(new SplitProgram(shared, split));
    if (auto done = self->compile(split, options); !done) return done.error();
    self->make_names(graph, members.leaves, members.count);
    return std::unique_ptr<graph::Program>(std::move(self));
  }

  Result<void> bind(std::string_view name, const graph::BufferView& view) override {
    const auto found = names_.find(std::string(name));
    if (found == names_.end()) {
      std::vector<std::string> known;
      for (const auto& [other, entry] : names_) known.push_back(other);
      return unknown_name(name, known);
    }
    Name& entry = found->second;
    const auto memory =
        bytes_of_view(view, static_cast<std::size_t>(entry.elements) * sizeof(float), sizeof(float), name);
    if (!memory) return memory.error();
    entry.buffer = view.buffer;
    entry.memory = *memory;
    for (Part* part : {&shared_, &tail_}) part->bind(name, *memory);
    if (entry.slab_leaf < 0) body_.bind(name, *memory);
    if (entry.crossing >= 0) use_output(passages_[static_cast<std::size_t>(entry.crossing)], *memory);
    return {};
  }

  Result<void> run(const graph::RunKey& key) override {
    for (const auto& [name, entry] : names_) {
      if (entry.is_leaf && entry.memory == nullptr) return unbound_leaf(name);
    }
    if (auto done = shared_.runs[0].run(*pool_, key); !done) return done;
    body_.runs[0].prepare(*pool_, prepared_.data());
    if (auto done = make_lane_sums(); !done) return done;
    if (auto done = run_slabs(key); !done) return done;
    return tail_.runs[0].run(*pool_, key);
  }

  [[nodiscard]] std::size_t arena_bytes() const override {
    return fixed_bytes_ + body_.graph->plan().arena_bytes * body_.runs.size() +
           std::max(shared_.graph->plan().arena_bytes, tail_.graph->plan().arena_bytes);
  }
  [[nodiscard]] std::size_t live_bytes() const override {
    return fixed_bytes_ + body_.graph->plan().live_bytes * body_.runs.size() +
           std::max(shared_.graph->plan().live_bytes, tail_.graph->plan().live_bytes);
  }

  [[nodiscard]] std::vector<graph::ProfileEntry> profile() override {
    StepProfile profile;
    for (Part* part : {&shared_, &body_, &tail_}) {
      for (GraphRun& run : part->runs) profile.take(*part->graph, run, static_cast<int>(part->runs.size()));
    }
    return profile.entries();
  }
  [[nodiscard]] std::vector<graph::TraceEvent> trace() override {
    std::vector<graph::TraceEvent> events;
    for (Part* part : {&shared_, &body_, &tail_}) {
      int lane = 0;
      for (GraphRun& run : part->runs) take_trace(*part->graph, run, lane++, events);
    }
    return events;
  }

 private:
  struct Name {
    bool is_leaf = false;
    std::int64_t elements = 0;
    int slab_leaf = -1;  // binding of the body, which gets a slab of it
    int crossing = -1;   // that is this output
    graph::BufferPtr buffer;
    std::byte* memory = nullptr;
  };
  // A crossing with its memory.
  struct Passage {
    Crossing::Kind kind = Crossing::Kind::shared;
    std::string name;
    std::int64_t elements = 0;
    int body_leaf = -1;             // binding of the body
    std::byte* whole = nullptr;     // sum or rows; null: nobody wants it
    std::byte* own = nullptr;       // memory for it where no output gives any
    int step = -1;                    // of the body, that adds to `whole` itself
    std::vector<std::byte*> of_lane;  // of a partial sum: that of one slab, where no step adds it to `whole`
    StripReduction sum;
    std::unique_ptr<Turns> turns;     // slabs add to `whole` one after the other
  };

  SplitProgram(const Shared& shared, const BatchSplit& split)
      : pool_(shared.pool), arenas_(shared.arenas), slabs_(split.slabs), lanes_(lanes_for(pool_->size(), slabs_)) {
    if (lanes_ < pool_->size()) dealers_ = std::make_unique<ThreadPool>(lanes_);
    for (int lane = 0; lane < lanes_; ++lane) {
      lane_pools_.push_back(std::make_unique<ThreadPool>(pool_->size() / lanes_));
    }
  }

  Result<void> compile(const BatchSplit& split, const graph::ExecutorOptions& options) {
    const Factors factors = factors_of(options.precision);
    const CompiledGraph::Options plain{
        .threads = pool_->size(), .factors = factors, .prepares = false, .changing_leaves = {}, .summed_leaves = {}};
    if (auto done = shared_.compile(split.shared, plain, arenas_, 1, options.profile); !done) return done;
    if (auto done = tail_.compile(split.tail, plain, arenas_, 1, options.profile); !done) return done;
    std::vector<std::string> changing = split.split_leaves;
    for (const Crossing& crossing : split.crossings) {
      if (crossing.kind == Crossing::Kind::given) changing.push_back(crossing.name);
    }
    std::vector<std::string> summed;
    for (const Crossing& crossing : split.crossings) {
      if (crossing.kind == Crossing::Kind::partial && crossing.dtype == graph::DType::f32)
        summed.push_back(crossing.name);
    }
    const CompiledGraph::Options slab{.threads = pool_->size() / lanes_, .factors = factors, .prepares = true,
                                      .changing_leaves = changing, .summed_leaves = summed};
    if (auto done = body_.compile(split.body, slab, arenas_, lanes_, options.profile); !done) return done;
    auto prepared = HostMemory::allocate(body_.graph->prepared_bytes(), "packed weights");
    if (!prepared) return prepared.error();
    prepared_ = std::move(*prepared);
    fixed_bytes_ += body_.graph->prepared_bytes();
    return {};
  }

  // Split leaves are `times` as long as the graph says.
  void make_names(const graph::Graph& graph, const std::vector<std::string>& split_leaves, std::int64_t times) {
    for (const graph::Leaf& leaf : graph.leaves()) {
      Name& name = names_[leaf.name];
      name.is_leaf = true;
      name.elements = graph.shape(leaf.value).elements();
      if (std::ranges::find(split_leaves, leaf.name) != split_leaves.end()) {
        name.elements *= times;
        name.slab_leaf = body_.graph->find(leaf.name);
      }
    }
    for (const graph::Output& output : graph.outputs()) {
      names_[output.name].elements = graph.shape(output.value).elements();
    }
  }

  Result<std::byte*> memory(std::int64_t elements) {
    const std::size_t bytes = round_to_line(static_cast<std::size_t>(elements) * sizeof(float));
    auto made = HostMemory::allocate(bytes, "sums over the batch");
    if (!made) return made.error();
    fixed_bytes_ += bytes;
    owned_.push_back(std::move(*made));
    return owned_.back().data();
  }

  Result<void> make_crossings(const BatchSplit& split) {
    for (const Crossing& crossing : split.crossings) {
      Passage passage{.kind = crossing.kind, .name = crossing.name, .elements = crossing.elements,
                      .body_leaf = body_.graph->find(crossing.name), .step = -1, .of_lane = {}, .sum = {}, .turns = {}};
      passage.sum = strip_reduction(crossing.dtype == graph::DType::f32 ? Reduce::sum : Reduce::sum_i32);
      const auto take = [&](std::int64_t elements, std::byte*& to) -> Result<void> {
        const auto made = memory(elements);
        if (!made) return made.error();
        to = *made;
        return {};
      };
      if (crossing.kind == Crossing::Kind::shared) {
        if (auto done = take(crossing.elements, passage.own); !done) return done;
        for (Part* part : {&shared_, &body_, &tail_}) part->bind(crossing.name, passage.own);
        continue;
      }
      if (crossing.kind == Crossing::Kind::given) {
        if (auto done = take(crossing.elements, passage.whole); !done) return done;
        shared_.bind(crossing.name, passage.whole);
        passages_.push_back(std::move(passage));
        continue;
      }
      // Rows are always written somewhere; a sum nobody has asked for is not made.
      if (crossing.is_read_by_tail || crossing.kind == Crossing::Kind::slab) {
        if (auto done = take(crossing.elements, passage.own); !done) return done;
      }
      if (crossing.kind == Crossing::Kind::partial) {
        passage.turns = std::make_unique<Turns>();
        for (const CompiledGraph::Summing& summing : body_.graph->summing()) {
          if (summing.leaf == crossing.name) passage.step = static_cast<int>(summing.step);
        }
      }
      passage.whole = passage.own;
      if (passage.own != nullptr) tail_.bind(passage.name, passage.own);
      if (!crossing.output.empty()) names_[crossing.output].crossing = static_cast<int>(passages_.size());
      passages_.push_back(std::move(passage));
    }
    return {};
  }

  void use_output(Passage& passage, std::byte* memory) {
    passage.whole = memory;
    tail_.bind(passage.name, memory);
  }

  // Only the first run after a sum has been bound, or unbound, makes memory.
  Result<void> make_lane_sums() {
    for (Passage& passage : passages_) {
      if (passage.kind != Crossing::Kind::partial) continue;
      const bool adds_itself = passage.step >= 0 && passage.whole != nullptr;
      if (passage.step >= 0) {
        for (GraphRun& run : body_.runs) {
          run.take_turns(static_cast<std::size_t>(passage.step), adds_itself ? passage.turns.get() : nullptr);
        }
      }
      while (!adds_itself && passage.of_lane.size() < static_cast<std::size_t>(lanes_)) {
        const auto made = memory(passage.elements);
        if (!made) return made.error();
        passage.of_lane.push_back(*made);
      }
    }
    return {};
  }

  Result<void> run_slabs(const graph::RunKey& key) {
    RunFailure failure;
    std::atomic<std::int64_t> next{0};
    for (const Passage& passage : passages_) {
      if (passage.turns) passage.turns->reset();
    }
    ThreadPool& dealers = dealers_ != nullptr ? *dealers_ : *pool_;
    dealers.run(lanes_, [&](std::int64_t lane) {
      for (std::int64_t slab = next.fetch_add(1); slab < slabs_; slab = next.fetch_add(1)) {
        const auto done = run_slab(key, static_cast<std::size_t>(lane), slab);
        if (!done) failure.keep(done.error());
        add_sums(static_cast<std::size_t>(lane), slab);
      }
    });
    return failure.result();
  }

  Result<void> run_slab(const graph::RunKey& key, std::size_t lane, std::int64_t slab) {
    GraphRun& run = body_.runs[lane];
    for (const auto& [name, entry] : names_) {
      if (entry.slab_leaf >= 0) run.bind(entry.slab_leaf, entry.memory + slab * (entry.elements / slabs_) * 4);
    }
    for (const Passage& passage : passages_) {
      if (passage.kind != Crossing::Kind::partial) {
        run.bind(passage.body_leaf, passage.whole + slab * (passage.elements / slabs_) * 4);
      } else {
        const bool in_place = passage.whole != nullptr && (slab == 0 || passage.step >= 0);
        run.bind(passage.body_leaf, in_place ? passage.whole : passage.of_lane[lane]);
      }
    }
    return run.run(*lane_pools_[lane], key, prepared_.data(), slab);
  }

  // Slab 0 has made its sums in place. After an error the sums are of no use, but turns must pass.
  void add_sums(std::size_t lane, std::int64_t slab) {
    for (const Passage& passage : passages_) {
      if (passage.kind != Crossing::Kind::partial || passage.whole == nullptr || passage.step >= 0) continue;
      passage.turns->await(static_cast<std::uint32_t>(slab));
      if (slab > 0) {
        auto* total = reinterpret_cast<float*>(passage.whole);
        const auto* more = reinterpret_cast<const float*>(passage.of_lane[lane]);
        for_ranges(*lane_pools_[lane], passage.elements, [&](std::int64_t begin, std::int64_t count) {
          passage.sum.accumulate(total + begin, more + begin, count);
        });
      }
      passage.turns->pass();
    }
  }

  template <class Body>
  static void for_ranges(ThreadPool& pool, std::int64_t elements, Body body) {
    const std::int64_t ranges = (elements + kElementsPerSum - 1) / kElementsPerSum;
    pool.run(ranges, [&](std::int64_t range) {
      const std::int64_t begin = range * kElementsPerSum;
      body(begin, std::min(kElementsPerSum, elements - begin));
    });
  }

  std::shared_ptr<ThreadPool> pool_;
  std::shared_ptr<Arenas> arenas_;
  std::int64_t slabs_;
  int lanes_;
  std::unique_ptr<ThreadPool> dealers_;                  // one thread a lane, where pool_ has more
  std::vector<std::unique_ptr<ThreadPool>> lane_pools_;  // the threads of one lane
  Part shared_, body_, tail_;
  HostMemory prepared_;
  std::vector<HostMemory> owned_;
  std::size_t fixed_bytes_ = 0;
  std::map<std::string, Name> names_;
  std::vector<Passage> passages_;
};

}  // namespace

Result<std::unique_ptr<graph::Program>> make_split_program(const graph::Graph& graph, const BatchSplit& split,
                                                           const Shared& shared,
                                                           const graph::ExecutorOptions& options) {
  return SplitProgram::make(graph, split, shared, options);
}

Result<std::unique_ptr<graph::Program>> make_member_program(const graph::Graph& graph, const graph::Members& members,
                                                            const Shared& shared,
                                                            const graph::ExecutorOptions& options) {
  return SplitProgram::make(graph, members, shared, options);
}

}  // namespace caddie::cpu
