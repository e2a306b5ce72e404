// Schedule: the learning-rate scale of a step, a pure function of where the run stands.
#pragma once

#include <caddie/object.hpp>

namespace caddie {

class Schedule : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_SCHEDULE;

  // [any], pure; must not throw.
  [[nodiscard]] virtual double scale(const Step& step) const = 0;

  static const void* table() {
    static const caddie_schedule schedule = {
        sizeof(caddie_schedule), 0, [](const caddie_object* object, const caddie_step* step) -> double {
          return detail::self<Schedule>(object).scale(*step);
        }};
    return &schedule;
  }
};

}  // namespace caddie
