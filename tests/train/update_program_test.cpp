// Updates that several processes share: whoever has whichever members, the numbers are those of one process, bit by bit.
#include "core/train/update_program.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>

#include "core/cpu/cpu_executor.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/random.hpp"
#include "core/plugins/build.hpp"
#include "test_paths.hpp"
#include "tests/train/support.hpp"
#include "tests/train/thread_group.hpp"

namespace caddie::train {
namespace {

using namespace test;
using graph::Emitter;
using graph::Value;

// Lengths that are no multiples of anything, some tensors larger than what a thread or a strip takes at once.
std::vector<plugins::TensorDeclaration> tensors_of(bool matrices_alone) {
  std::vector<plugins::TensorDeclaration> tensors;
  const auto add = [&](const char* role, int count, const graph::Shape& shape) {
    for (int i = 0; i < count; ++i) {
      plugins::TensorDeclaration tensor;
      tensor.path = std::string(role) + "." + std::to_string(tensors.size());
      tensor.role = role;
      tensor.shape = shape;
      tensor.initialiser.kind = CADDIE_INIT_NORMAL;
      tensor.initialiser.b = 0.1;
      tensors.push_back(tensor);
    }
  };
  add("matrix", 7, {131, 67});
  add("matrix", 3, {67, 259});
  add("matrix", 1, {90, 70});
  add("matrix", 9, {5, 3});
  if (matrices_alone) return tensors;
  add("scalar", 5, {33});
  add("scalar", 2, {});
  add("embedding", 1, {301, 67});
  return tensors;
}

struct Use {
  std::string id;
  json config = json::object();
};

using Bytes = std::map<std::string, std::vector<std::byte>>;

// Three steps of an update with gradients that are the same everywhere; parameters, states and norms of rank 0, and that
// all ranks have them.
class ThreeSteps {
 public:
  std::vector<plugins::TensorDeclaration> tensors = tensors_of(true);
  std::vector<Use> averagers;
  double clip_norm = 3;
  std::function<UpdateOwner(const plugins::Object*)> owner = [](const plugins::Object* object) {
    return optimizer_owner(*object);
  };
  Use optimizer;
  graph::Precision precision = graph::Precision::f32;

  [[nodiscard]] Bytes with(int ranks) const {
    std::mutex mutex;
    std::vector<Bytes> made(static_cast<std::size_t>(ranks));
    on_ranks(ranks, [&](comm::ProcessGroup& group) {
      Bytes bytes = on_rank(ranks == 1 ? nullptr : &group, mutex);
      made[static_cast<std::size_t>(group.rank())] = std::move(bytes);
    });
    for (const Bytes& other : made) EXPECT_TRUE(other == made[0]) << "ranks differ, of " << ranks;
    return made[0];
  }

 private:
  Bytes on_rank(comm::ProcessGroup* group, std::mutex& mutex) const {
    const auto executor = cpu::make_cpu_executor({.threads = 2, .precision = precision});
    std::unique_lock lock(mutex);  // plugins are made one after another
    std::vector<plugins::Object> objects;
    if (!optimizer.id.empty()) objects.push_back(make_plugin("optimizer", optimizer.id, optimizer.config));
    std::deque<plugins::Object> averager_objects;
    std::vector<const plugins::Object*> used;
    for (const Use& use : averagers) {
      averager_objects.push_back(make_plugin("averager", use.id, use.config));
      used.push_back(&averager_objects.back());
    }
    lock.unlock();
    ParameterStore store =
        value_of(ParameterStore::make(*executor, tensors, std::vector<int>(tensors.size(), 0), {"owner"}));
    must(store.initialise(3));
    StateStore states(*executor);
    const UpdateOwner owns = owner(objects.empty() ? nullptr : &objects.front());
    const auto update =
        value_of(UpdateProgram::make(*executor, store, states, {owns}, used, {clip_norm, 3, {}}, {group, nullptr}));
    Bytes bytes;
    for (int step = 0; step < 3; ++step) run_step(*executor, store, *update, group, step, bytes);
    must(update->gather_states());
    const auto take = [&](const std::string& name, const graph::BufferPtr& buffer) {
      bytes[name].resize(buffer->size_bytes());
      must(executor->download(bytes[name], {buffer, 0}));
    };
    for (const Bank& bank : store.banks()) take(bank.name, bank.values);
    for (const auto& [path, entry] : states.entries()) take(path, entry.buffer);
    return bytes;
  }

  // A rank has the gradients of its own members, and of the others whatever was there.
  static void run_step(graph::Executor& executor, ParameterStore& store, UpdateProgram& update,
                       comm::ProcessGroup* group, int step, Bytes& bytes) {
    const int rank = group == nullptr ? 0 : group->rank();
    for (std::size_t other = 0; other < update.shares().size(); ++other) {
      const bool right = static_cast<int>(other) == rank || update.needs_all_gradients();
      for (const MemberRange& range : update.shares()[other]) {
        for (std::int64_t i = range.first; i < range.first + range.count; ++i) {
          const std::string& path = store.banks()[range.bank].members[static_cast<std::size_t>(i)];
          std::vector<float> gradient(static_cast<std::size_t>(store.banks()[range.bank].member_shape.elements()));
          const auto site = static_cast<std::uint64_t>(1000 * range.bank) + static_cast<std::uint64_t>(i);
          for (std::size_t k = 0; k < gradient.size(); ++k) {
            gradient[k] = right ? graph::normal_at(7, 1, static_cast<std::uint64_t>(step), site, k) : -1e9f;
          }
          must(executor.upload(store.gradient(path), std::as_bytes(std::span(gradient))));
        }
      }
    }
    caddie_step position = {};
    position.struct_size = sizeof position;
    position.step = step;
    position.scale = 0.1;
    must(update.run(position, {3, 1, static_cast<std::uint64_t>(step)}));
    const double norm = value_of(update.gradient_norm());
    const auto raw = std::as_bytes(std::span(&norm, 1));
    bytes["norm of step " + std::to_string(step)].assign(raw.begin(), raw.end());
  }
};

void expect_bits_of_one(const ThreeSteps& run) {
  const Bytes one = run.with(1);
  for (const int ranks : {2, 3, 13}) {
    const Bytes several = run.with(ranks);
    ASSERT_EQ(several.size(), one.size());
    for (const auto& [name, bytes] : one) EXPECT_TRUE(several.at(name) == bytes) << name << " of " << ranks;
  }
}

struct Case {
  std::string name;
  Use optimizer;
  bool matrices_alone = false;
};

class SharedUpdates : public testing::TestWithParam<Case> {};

TEST_P(SharedUpdates, HaveTheBitsOfOneProcess) {
  ThreeSteps run;
  run.optimizer = GetParam().optimizer;
  run.tensors = tensors_of(GetParam().matrices_alone);
  run.averagers = {{"ema", {{"decay", 0.9}}},
                   {"swa", {{"every", 1}, {"start_scale", 1}}},
                   {"lawa", {{"k", 2}, {"every", 1}}}};
  expect_bits_of_one(run);
  run.clip_norm = 0;
  run.averagers = {};
  run.precision = graph::Precision::bf16;
  expect_bits_of_one(run);
}

INSTANTIATE_TEST_SUITE_P(
    Of, SharedUpdates,
    testing::Values(Case{"muon", {"muon", {{"momentum_steps", 2}, {"weight_decay", 0.1}}}, true},
                    Case{"normalised_muon", {"muon", {{"row_normalise", true}, {"ns_table", "polar-express"}}}, true},
                    Case{"adamw", {"adamw", {{"weight_decay", 0.1}}}}, Case{"sgd", {"sgd", {{"nesterov", true}}}},
                    Case{"sgd_without_a_state", {"sgd", {{"momentum", 0}}}}),
    [](const auto& info) { return info.param.name; });

TEST(OwnUpdates, EveryOptimizerStandsHere) {
  const std::set<std::string> tested = {"muon", "adamw", "sgd"};
  for (const auto& entry : std::filesystem::directory_iterator(CADDIE_SOURCE_DIR "/plugins/optimizers")) {
    EXPECT_TRUE(tested.contains(entry.path().filename())) << entry.path() << ": add it to the cases above";
  }
}

// An optimizer of the test's own, as operations on the host's graph.
using Emit = std::function<Value(const Emitter&, Value parameter, Value gradient, Value scale)>;

UpdateOwner made_of(const Emit& emit) {
  return {"owner", [emit](caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error*) {
            plugins::Build& host = *plugins::from_abi(build);
            *parameter = emit(Emitter{host.graph()}, static_cast<Value>(update->parameter),
                              static_cast<Value>(update->gradient), static_cast<Value>(update->scale));
            return CADDIE_OK;
          }};
}

Value stepped(const Emitter& e, Value parameter, Value direction, Value scale) {
  return e.sub(parameter, e.mul(scale, direction));
}

// Members of a bank meet: it is one process's.
TEST(OwnUpdates, OfMembersThatMeet) {
  ThreeSteps run;
  run.owner = [](const plugins::Object*) {
    return made_of([](const Emitter& e, Value parameter, Value gradient, Value scale) {
      const Value mean = e.reduce(graph::Op::reduce_sum, gradient, {0}, true);
      return stepped(e, parameter, e.sub(gradient, mean), scale);
    });
  };
  run.averagers = {{"ema"}, {"swa", {{"every", 1}, {"start_scale", 1}}}};
  expect_bits_of_one(run);
}

// Random numbers know an element by its number among all of the bank.
TEST(OwnUpdates, OfRandomNumbers) {
  ThreeSteps run;
  run.owner = [](const plugins::Object*) {
    return made_of([](const Emitter& e, Value parameter, Value gradient, Value scale) {
      const Value noise = e.graph.emit(
          graph::Op::random_normal, {},
          graph::Attributes().set("shape", graph::to_axes(e.shape(gradient))));
      return stepped(e, parameter, e.add(gradient, noise), scale);
    });
  };
  expect_bits_of_one(run);
}

// Each bank's step is as long as the gradient of the one before it: everybody updates all.
TEST(OwnUpdates, OfBanksThatMeet) {
  ThreeSteps run;
  run.owner = [](const plugins::Object*) {
    const auto before = std::make_shared<Value>(0);
    return made_of([before](const Emitter& e, Value parameter, Value gradient, Value scale) {
      const Value other = *before == 0 ? scale : e.reduce(graph::Op::reduce_sum, *before, {}, false);
      *before = gradient;
      return stepped(e, parameter, e.mul(gradient, other), scale);
    });
  };
  run.averagers = {{"ema"}};
  expect_bits_of_one(run);
}

}  // namespace
}  // namespace caddie::train
