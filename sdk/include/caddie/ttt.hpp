// TTTStrategy: adapts weights between scored chunks of the validation stream. It sees only tokens whose scores are sealed.
#pragma once

#include <caddie/evaluator.hpp>
#include <caddie/optimizer.hpp>
#include <caddie/quantizer.hpp>

#include <vector>

namespace caddie {

using Chunk = caddie_chunk;
using TttPlan = caddie_ttt_plan;

// What a strategy may do after a chunk; valid while adapt() runs.
class Adaptation {
 public:
  Adaptation(const caddie_host_adapt* table, caddie_adapt* adapt) : table_(table), adapt_(adapt) {}
  // One gradient step on rows that begin at these targets; the update's scale input has this value.
  void step(const std::vector<int64_t>& first_targets, double scale) {
    caddie_error error = fresh();
    check(table_->step(adapt_, first_targets.data(), static_cast<int64_t>(first_targets.size()), scale, &error), error);
  }
  [[nodiscard]] std::vector<int32_t> read(int64_t first_target, int64_t count) const {
    std::vector<int32_t> tokens(static_cast<std::size_t>(count));
    caddie_error error = fresh();
    check(table_->read(adapt_, first_target, count, tokens.data(), &error), error);
    return tokens;
  }
  void reset() {
    caddie_error error = fresh();
    check(table_->reset(adapt_, &error), error);
  }

 private:
  static caddie_error fresh() {
    caddie_error error = {};
    error.struct_size = sizeof error;
    return error;
  }
  static void check(caddie_code code, const caddie_error& error) {
    if (code != CADDIE_OK) throw Failure(error.text);
  }
  const caddie_host_adapt* table_;
  caddie_adapt* adapt_;
};

class TttStrategy : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_TTT;

  virtual void plan(const EvalInfo& info, TttPlan& plan) const = 0;
  [[nodiscard]] virtual bool adapts(const TensorInfo& tensor) const = 0;
  // As Optimizer::update, for one bank of adapted tensors.
  virtual Value update(Graph& g, const Bank& bank, Value parameter, Value gradient, Value scale) const = 0;
  // After the targets of a chunk are scored and sealed.
  virtual void adapt(const Chunk& chunk, Adaptation& adaptation) = 0;

  static const void* table() {
    static const caddie_ttt ttt = {
        sizeof(caddie_ttt), 0,
        [](caddie_object* object, const caddie_eval_info* info, caddie_ttt_plan* plan, caddie_error* error) {
          return detail::guarded(error, [&] { detail::self<TttStrategy>(object).plan(*info, *plan); });
        },
        [](const caddie_object* object, const caddie_tensor_info* info) -> int32_t {
          int32_t answer = 0;
          detail::guarded(nullptr, [&] { answer = detail::self<TttStrategy>(object).adapts(TensorInfo(*info)) ? 1 : 0; });
          return answer;
        },
        [](caddie_object* object, caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
          return detail::guarded(error, [&] {
            TttStrategy& self = detail::self<TttStrategy>(object);
            Graph graph(self.tables(), build);
            *parameter = self.update(graph, {update->bank, update->role}, Value(&graph, update->parameter),
                                     Value(&graph, update->gradient), Value(&graph, update->scale)).id();
          });
        },
        [](caddie_object* object, const caddie_chunk* chunk, const caddie_host_adapt* table, caddie_adapt* adapt,
           caddie_error* error) {
          return detail::guarded(error, [&] {
            Adaptation adaptation(table, adapt);
            detail::self<TttStrategy>(object).adapt(*chunk, adaptation);
          });
        }};
    return &ttt;
  }
};

}  // namespace caddie
