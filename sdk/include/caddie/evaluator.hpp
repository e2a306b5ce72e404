// Evaluator: plans which targets are scored with which context. Target j is token j+1 of the validation stream.
#pragma once

#include <caddie/object.hpp>

namespace caddie {

using EvalInfo = caddie_eval_info;

class Windows {
 public:
  Windows(const caddie_host_windows* table, caddie_windows* windows) : table_(table), windows_(windows) {}
  // Inputs [first, first+length), of whose targets [score_first, score_first+score_count) are scored.
  void add(int64_t first, int64_t length, int64_t score_first, int64_t score_count) {
    if (table_->add(windows_, first, length, score_first, score_count) != CADDIE_OK) {
      throw Failure("the host refuses the window that begins at " + std::to_string(first));
    }
  }

 private:
  const caddie_host_windows* table_;
  caddie_windows* windows_;
};

class Evaluator : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_EVALUATOR;

  // Adds every window in the order of scoring.
  virtual void plan(const EvalInfo& info, Windows& windows) const = 0;

  static const void* table() {
    static const caddie_evaluator evaluator = {
        sizeof(caddie_evaluator), 0,
        [](caddie_object* object, const caddie_eval_info* info, const caddie_host_windows* table, caddie_windows* windows,
           caddie_error* error) {
          return detail::guarded(error, [&] {
            Windows sink(table, windows);
            detail::self<Evaluator>(object).plan(*info, sink);
          });
        }};
    return &evaluator;
  }
};

}  // namespace caddie
