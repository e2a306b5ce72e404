// Optimizer: builds the update of one bank, N tensors of one shape stacked on a leading axis.
#pragma once

#include <caddie/object.hpp>

namespace caddie {

struct Bank {
  std::string name;
  std::string role;
};

class Optimizer : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_OPTIMIZER;

  // parameter and gradient [N, ...], scale: f32 scalar, the schedule's learning-rate scale. Returns the new parameter.
  // States (g.state) are of the bank, whatever Scope says.
  virtual Value update(Graph& g, const Bank& bank, Value parameter, Value gradient, Value scale) const = 0;

  static const void* table() {
    static const caddie_optimizer optimizer = {
        sizeof(caddie_optimizer), 0,
        [](caddie_object* object, caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
          return detail::guarded(error, [&] {
            Optimizer& self = detail::self<Optimizer>(object);
            Graph graph(self.tables(), build);
            *parameter = self.update(graph, {update->bank, update->role}, Value(&graph, update->parameter),
                                     Value(&graph, update->gradient), Value(&graph, update->scale)).id();
          });
        }};
    return &optimizer;
  }
};

}  // namespace caddie
