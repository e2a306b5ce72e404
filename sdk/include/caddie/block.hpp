// Block: a piece of the model. It attaches functions to hooks; a function builds values from values.
//
//   struct Softcap : caddie::Block {
//     void attach(caddie::Hooks& hooks) override { hooks.chain("logits", &Softcap::cap); }
//     caddie::Value cap(caddie::Graph& g, caddie::Value logits) const { return limit * g.tanh(logits / limit); }
//     ...
//   };
//
// docs/hooks.md lists the hooks with their values. A function may take fewer values than a hook offers, never more.
#pragma once

#include <caddie/object.hpp>

#include <array>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace caddie {

using VisitPlan = caddie_visit_plan;

// A parameter that is about to be declared, as an init hook sees it.
struct NewParameter {
  std::string name;  // "proj.weight"; Graph::part() is its whole path
  std::string role;
  Lengths shape;
};

namespace detail {

// A hook function of a plugin class with the object it belongs to.
struct HookFunction {
  virtual ~HookFunction() = default;
  virtual void call(caddie_build* build, const caddie_value* inputs, uint32_t input_count, caddie_value* outputs,
                    uint32_t output_count) = 0;
};

inline void store(const Value& value, caddie_value* outputs, uint32_t count) {
  if (count != 1) throw Failure("this hook wants " + std::to_string(count) + " values, the function returns one");
  outputs[0] = value.id();
}
template <std::size_t N>
void store(const std::array<Value, N>& values, caddie_value* outputs, uint32_t count) {
  if (count != N) throw Failure("this hook wants " + std::to_string(count) + " values, the function returns " + std::to_string(N));
  for (std::size_t i = 0; i < N; ++i) outputs[i] = values[i].id();
}
inline void store(const CrossEntropy& values, caddie_value* outputs, uint32_t count) {
  store(std::array<Value, 3>{values.nll, values.lse, values.entropy}, outputs, count);
}

template <class C, class Method, class R, class... Values>
struct MethodHook final : HookFunction {
  MethodHook(C* object, Method method) : object_(object), method_(method) {}
  void call(caddie_build* build, const caddie_value* inputs, uint32_t input_count, caddie_value* outputs,
            uint32_t output_count) override {
    if (input_count < sizeof...(Values)) {
      throw Failure("this hook offers " + std::to_string(input_count) + " values, the function takes " +
                    std::to_string(sizeof...(Values)));
    }
    Graph graph(object_->tables(), build);
    call_with(graph, inputs, outputs, output_count, std::index_sequence_for<Values...>{});
  }

 private:
  template <std::size_t... I>
  void call_with(Graph& graph, const caddie_value* inputs, caddie_value* outputs, uint32_t output_count,
                 std::index_sequence<I...>) {
    (void)inputs;
    store((object_->*method_)(graph, Value(&graph, inputs[I])...), outputs, output_count);
  }
  C* object_;
  Method method_;
};

template <class C, class Method>
struct PlanHook {
  C* object;
  Method method;
};

template <class C>
struct InitHook {
  C* object;
  void (C::*method)(Graph&, const NewParameter&, Init&) const;
  std::vector<double> values;  // what `start` points to afterwards

  void call(caddie_build* build, const caddie_tensor_spec& parameter, caddie_initialiser& start) {
    Graph graph(object->tables(), build);
    const NewParameter made{parameter.name, parameter.role, {parameter.lengths, parameter.lengths + parameter.rank}};
    Init init{start.kind, start.a, start.b};
    if (start.kind == CADDIE_INIT_VALUES) {
      std::size_t count = 1;
      for (const int64_t length : made.shape) count *= static_cast<std::size_t>(length);
      init.values.assign(start.values, start.values + count);
    }
    (object->*method)(graph, made, init);
    start.kind = init.kind;
    start.a = init.a;
    start.b = init.b;
    values = std::move(init.values);
    start.values = values.empty() ? nullptr : values.data();
  }
};

inline caddie_code call_hook(void* user, caddie_build* build, const caddie_value* inputs, uint32_t input_count,
                             caddie_value* outputs, uint32_t output_count, caddie_error* error) {
  return guarded(error, [&] { static_cast<HookFunction*>(user)->call(build, inputs, input_count, outputs, output_count); });
}

}  // namespace detail

// Where a block attaches; valid while attach() runs.
class Hooks {
 public:
  Hooks(const caddie_host_hooks* table, caddie_hooks* hooks, Plugin* plugin, std::vector<std::shared_ptr<void>>* keep)
      : table_(table), hooks_(hooks), plugin_(plugin), keep_(keep) {}

  // This block transforms the hook's value. Low phases run first; within one, the manifest's order.
  template <class C, class R, class... Values>
  void chain(const char* hook, R (C::*method)(Graph&, Values...) const, int phase = 0) {
    check(hook, table_->chain(hooks_, hook, phase, detail::call_hook, keep<C, R, Values...>(method)));
  }
  // This block alone supplies the hook's value.
  template <class C, class R, class... Values>
  void provide(const char* hook, R (C::*method)(Graph&, Values...) const) {
    check(hook, table_->provide(hooks_, hook, detail::call_hook, keep<C, R, Values...>(method)));
  }
  // This block changes a plan: void method(Graph&, VisitPlan&) const.
  template <class C>
  void plan(const char* hook, void (C::*method)(Graph&, VisitPlan&) const) {
    using Bound = detail::PlanHook<C, void (C::*)(Graph&, VisitPlan&) const>;
    auto bound = std::make_shared<Bound>(Bound{static_cast<C*>(plugin_), method});
    keep_->push_back(bound);
    const caddie_plan_function call = [](void* user, caddie_build* build, caddie_visit_plan* plan, caddie_error* error) {
      return detail::guarded(error, [&] {
        auto* self = static_cast<Bound*>(user);
        Graph graph(self->object->tables(), build);
        (self->object->*self->method)(graph, *plan);
      });
    };
    check(hook, table_->plan(hooks_, hook, call, bound.get()));
  }
  // This block changes how parameters start: void method(Graph&, const NewParameter&, Init&) const.
  template <class C>
  void init(const char* hook, void (C::*method)(Graph&, const NewParameter&, Init&) const) {
    using Bound = detail::InitHook<C>;
    auto bound = std::make_shared<Bound>(Bound{static_cast<C*>(plugin_), method, {}});
    keep_->push_back(bound);
    const caddie_init_function call = [](void* user, caddie_build* build, const caddie_tensor_spec* parameter,
                                         caddie_initialiser* start, caddie_error* error) {
      return detail::guarded(error, [&] { static_cast<Bound*>(user)->call(build, *parameter, *start); });
    };
    const bool known = CADDIE_HAS(table_, caddie_host_hooks, init);
    check(hook, known ? table_->init(hooks_, hook, call, bound.get()) : CADDIE_ERROR_UNSUPPORTED);
  }

 private:
  template <class C, class R, class... Values, class Method>
  void* keep(Method method) {
    auto function = std::make_shared<detail::MethodHook<C, Method, R, Values...>>(static_cast<C*>(plugin_), method);
    keep_->push_back(function);
    return static_cast<detail::HookFunction*>(function.get());
  }
  static void check(const char* hook, caddie_code code) {
    if (code != CADDIE_OK) throw Failure(std::string("the host refuses to attach to the hook \"") + hook + "\"");
  }

  const caddie_host_hooks* table_;
  caddie_hooks* hooks_;
  Plugin* plugin_;
  std::vector<std::shared_ptr<void>>* keep_;
};

class Block : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_BLOCK;
  virtual void attach(Hooks& hooks) = 0;

  // The C table; made by the SDK.
  static const void* table() {
    static const caddie_block block = {
        sizeof(caddie_block), 0,
        [](caddie_object* object, const caddie_host_hooks* table, caddie_hooks* hooks, caddie_error* error) {
          return detail::guarded(error, [&] {
            Block& self = detail::self<Block>(object);
            Hooks attachments(table, hooks, &self, &self.keep_);
            self.attach(attachments);
          });
        }};
    return &block;
  }

 private:
  std::vector<std::shared_ptr<void>> keep_;
};

}  // namespace caddie
