// Test-time strategies: their plan, their update, and what they ask for between chunks.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "core/artifact/tensor.hpp"
#include "core/base/text.hpp"
#include "runner/check/bank_checks.hpp"
#include "runner/check/checks.hpp"

namespace caddie::check {
namespace {

constexpr std::int64_t kContext = 64;

caddie_eval_info stream_of(std::int64_t targets) { return {sizeof(caddie_eval_info), 0, targets, kContext}; }

caddie_ttt_plan plan_of(Subject& subject, const plugins::Object& object, std::int64_t targets) {
  caddie_ttt_plan plan{};
  plan.struct_size = sizeof plan;
  const caddie_eval_info info = stream_of(targets);
  must(subject.calls().run("plan()", [&](caddie_error* error) {
    return object.table<caddie_ttt>().plan(object.abi(), &info, &plan, error);
  }));
  return plan;
}

BankBuilder builder(Subject& subject) {
  return [&subject, kept = std::make_shared<std::vector<plugins::Object>>()](
             const nlohmann::json& config, const graph::Shape& shape, const std::string& role) {
    kept->push_back(subject.make_or_fail(config));
    const plugins::Object& object = kept->back();
    (void)plan_of(subject, object, 100'000);
    return build_update(
        object.instance(),
        [&](caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
          return subject.calls().hook("update() of a bank " + shape.text(), [&] {
            return object.table<caddie_ttt>().update(object.abi(), build, update, parameter, error);
          });
        },
        shape, role);
  };
}

std::string plan(Subject& subject) {
  std::string text;
  for (const Configuration& configuration : subject.configurations()) {
    const auto object = subject.make(configuration.values);
    if (!object) continue;
    const caddie_ttt_plan made = plan_of(subject, *object, 100'000);
    if (made.chunk_targets < 1 || made.rows < 1 || made.context < 1 || made.context > kContext ||
        !(made.clip_norm >= 0)) {
      throw Failure(
          fmt::format("with {}: plans chunks of {} targets, {} rows of {}, clip {}; all must be positive, a row "
                      "no longer than the context {}",
                      configuration.name, made.chunk_targets, made.rows, made.context, made.clip_norm, kContext));
    }
    if (text.empty())
      text = fmt::format("chunks of {} targets, steps of {} rows of {}", made.chunk_targets, made.rows, made.context);
  }
  return text;
}

std::string adapts(Subject& subject) {
  const plugins::Object object = subject.make_or_fail(subject.defaults());
  (void)plan_of(subject, object, 100'000);
  int count = 0;
  const std::vector<artifact::TensorId> tensors = {{"blocks.3.attn.q.weight", "matrix", 3, {8, 8}},
                                                   {"embed.weight", "embedding", -1, {50, 8}},
                                                   {"skips.weight", "scalar", -1, {4, 8}},
                                                   {"blocks.3.lora.a", "adapter", 3, {2, 8}}};
  for (const artifact::TensorId& id : tensors) {
    const caddie_tensor_info info = artifact::info_of(id);
    (void)subject.calls().hook("adapts()", [&] {
      const int32_t answer = object.table<caddie_ttt>().adapts(object.abi(), &info);
      if (answer != 0 && answer != 1)
        subject.calls().broken(fmt::format("adapts(): answers {}, neither 0 nor 1", answer));
      count += answer;
      return caddie_code{CADDIE_OK};
    });
  }
  if (count == 0) throw Failure("adapts none of the tensors that were tried, so it can have no effect");
  return fmt::format("{} of {} kinds of tensor", count, tensors.size());
}

// A stream of chunks; the host that a strategy talks to between them, which knows what is sealed.
struct Stream {
  std::int64_t sealed = 0;
  std::int64_t rows = 0, context = 0;
  std::int64_t steps = 0, resets = 0, refused = 0;
  std::string problem;

  static Stream& of(caddie_adapt* adapt) { return *reinterpret_cast<Stream*>(adapt); }
  caddie_code refuse(const std::string& text) {
    ++refused;
    if (problem.empty()) problem = text;
    return CADDIE_ERROR_ARGUMENT;
  }
};

caddie_code step(caddie_adapt* adapt, const int64_t* first, int64_t row_count, double scale, caddie_error*) {
  Stream& stream = Stream::of(adapt);
  ++stream.steps;
  if (row_count < 1 || row_count > stream.rows)
    return stream.refuse(fmt::format("steps on {} rows where it planned at most {}", row_count, stream.rows));
  if (!(scale >= 0) || scale > 1e6) return stream.refuse(fmt::format("steps with the scale {}", scale));
  for (int64_t i = 0; i < row_count; ++i) {
    if (first[i] < 0 || first[i] + stream.context > stream.sealed)
      return stream.refuse(fmt::format("trains on the targets from {} on, of which only those before {} are scored",
                                       first[i], stream.sealed));
  }
  return CADDIE_OK;
}

caddie_code read(const caddie_adapt* adapt, int64_t first, int64_t count, int32_t* out, caddie_error*) {
  Stream& stream = Stream::of(const_cast<caddie_adapt*>(adapt));
  if (first < 0 || count < 0 || first + count > stream.sealed)
    return stream.refuse(fmt::format("reads targets {} to {}, of which only those before {} are scored", first,
                                     first + count, stream.sealed));
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int32_t>(4 + (first + i) % 50);
  return CADDIE_OK;
}

caddie_code reset(caddie_adapt* adapt, caddie_error*) {
  ++Stream::of(adapt).resets;
  return CADDIE_OK;
}

std::string chunks(Subject& subject) {
  const caddie_host_adapt table = {sizeof table, 0, step, read, reset};
  std::int64_t steps = 0;
  std::int64_t chunk_count = 0;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    const auto object = subject.make(configuration.values);
    if (!object) continue;
    const caddie_ttt_plan plan = plan_of(subject, *object, 1);
    const std::int64_t targets = plan.chunk_targets * 3 + plan.chunk_targets / 3 + 1;  // the last chunk is a short one
    (void)plan_of(subject, *object, targets);
    Stream stream;
    stream.rows = plan.rows;
    stream.context = plan.context;
    caddie_chunk chunk{};
    chunk.struct_size = sizeof chunk;
    chunk.count = (targets + plan.chunk_targets - 1) / plan.chunk_targets;
    for (; chunk.index < chunk.count; ++chunk.index) {
      chunk.first_target = chunk.index * plan.chunk_targets;
      chunk.targets = std::min(plan.chunk_targets, targets - chunk.first_target);
      stream.sealed = chunk.first_target + chunk.targets;
      const auto adapted =
          subject.calls().run(fmt::format("adapt() after chunk {}", chunk.index), [&](caddie_error* error) {
            return object->table<caddie_ttt>().adapt(object->abi(), &chunk, &table,
                                                     reinterpret_cast<caddie_adapt*>(&stream), error);
          });
      if (!stream.problem.empty())
        throw Failure(fmt::format("with {}, after chunk {}: {}", configuration.name, chunk.index, stream.problem));
      must(adapted);
    }
    if (&configuration == &all.front()) {
      steps = stream.steps;
      chunk_count = chunk.count;
      if (steps == 0) throw Failure("takes no gradient step in a stream of several chunks, so it can have no effect");
    }
  }
  return fmt::format("{} steps over {} chunks, on scored targets alone", steps, chunk_count);
}

std::string builds(Subject& subject) { return check_updates_build(subject, builder(subject)); }
std::string moves(Subject& subject) { return check_updates_move(subject, builder(subject)); }
std::string members(Subject& subject) { return check_members_apart(subject, builder(subject)); }
std::string executors(Subject& subject) { return check_update_executors(subject, builder(subject)); }
std::string threads(Subject& subject) { return check_update_threads(subject, builder(subject)); }
std::string kernels(Subject& subject) { return check_update_kernels(subject, builder(subject)); }

}  // namespace

std::span<const Check> ttt_checks() {
  static constexpr Check checks[] = {{"plan", plan},           {"adapts", adapts},  {"chunks", chunks},
                                     {"builds", builds},       {"moves", moves},    {"members", members},
                                     {"executors", executors}, {"threads", threads}, {"kernels", kernels}};
  return checks;
}

}  // namespace caddie::check
