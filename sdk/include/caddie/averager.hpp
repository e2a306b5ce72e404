// Averager: a running average of the weights, as graph, and the weights it ends with.
#pragma once

#include <caddie/object.hpp>

namespace caddie {

class Averager : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_AVERAGER;

  // Once a step after the optimizers, for each bank [N, ...]: gives its states their next values.
  virtual void accumulate(Graph& g, const std::string& bank, Value parameter) const = 0;
  // The weights to use. `current` is what the averager before this one made, or the parameter itself.
  virtual Value finish(Graph& g, const std::string& bank, Value parameter, Value current) const = 0;

  static const void* table() {
    static const caddie_averager averager = {
        sizeof(caddie_averager), 0,
        [](caddie_object* object, caddie_build* build, const char* bank, caddie_value parameter, caddie_error* error) {
          return detail::guarded(error, [&] {
            Averager& self = detail::self<Averager>(object);
            Graph graph(self.tables(), build);
            self.accumulate(graph, bank, Value(&graph, parameter));
          });
        },
        [](caddie_object* object, caddie_build* build, const char* bank, caddie_value parameter, caddie_value current,
           caddie_value* out, caddie_error* error) {
          return detail::guarded(error, [&] {
            Averager& self = detail::self<Averager>(object);
            Graph graph(self.tables(), build);
            *out = self.finish(graph, bank, Value(&graph, parameter), Value(&graph, current)).id();
          });
        }};
    return &averager;
  }
};

}  // namespace caddie
