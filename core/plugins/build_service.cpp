// The ABI's graph and build services: thin C functions over graph::Graph and Build.
#include <algorithm>
#include <cstring>
#include <string>

#include "core/plugins/build.hpp"

namespace caddie::plugins {

using graph::Graph;
using graph::Value;

caddie_build* to_abi(Build* build) { return reinterpret_cast<caddie_build*>(build); }
Build* from_abi(caddie_build* build) { return reinterpret_cast<Build*>(build); }

namespace {

Graph* graph_of(caddie_graph* graph) { return reinterpret_cast<Graph*>(graph); }
const Graph* graph_of(const caddie_graph* graph) { return reinterpret_cast<const Graph*>(graph); }
const Build* build_of(const caddie_build* build) { return reinterpret_cast<const Build*>(build); }

void copy_text(char* to, std::size_t size, const std::string& from) {
  const std::size_t length = std::min(size - 1, from.size());
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

// False for a type the ABI does not have.
bool take_attribute(graph::Attributes& attributes, const caddie_attribute& attribute) {
  switch (attribute.type) {
    case CADDIE_ATTRIBUTE_INT:
      attributes.set(attribute.key, *attribute.data.ints);
      return true;
    case CADDIE_ATTRIBUTE_INTS:
      attributes.set(attribute.key, std::vector<std::int64_t>(attribute.data.ints, attribute.data.ints + attribute.count));
      return true;
    case CADDIE_ATTRIBUTE_FLOAT:
      attributes.set(attribute.key, *attribute.data.floats);
      return true;
    case CADDIE_ATTRIBUTE_FLOATS:
      attributes.set(attribute.key, std::vector<double>(attribute.data.floats, attribute.data.floats + attribute.count));
      return true;
    default:
      return false;
  }
}

caddie_value emit(caddie_graph* handle, uint32_t opcode, const caddie_value* inputs, uint32_t input_count,
                  const caddie_attribute* attributes, uint32_t attribute_count) {
  Graph& graph = *graph_of(handle);
  if (graph::find_op(opcode) == nullptr) {
    graph.fail({Code::unsupported, graph.current_scope(), "this host has no operation with number " + std::to_string(opcode)});
    return 0;
  }
  graph::Attributes list;
  for (uint32_t i = 0; i < attribute_count; ++i) {
    if (!take_attribute(list, attributes[i])) {
      graph.fail({Code::argument, graph.current_scope(), std::string("the attribute \"") + attributes[i].key + "\" has an unknown type"});
      return 0;
    }
  }
  return graph.emit(static_cast<graph::Op>(opcode), std::span(inputs, input_count), std::move(list));
}

int32_t supports(const caddie_graph*, uint32_t opcode) { return graph::find_op(opcode) != nullptr ? 1 : 0; }

caddie_code shape(const caddie_graph* handle, caddie_value value, caddie_shape* out) {
  const Graph& graph = *graph_of(handle);
  out->rank = 0;
  out->dtype = CADDIE_F32;
  if (!graph.is_valid(value)) return CADDIE_ERROR_ARGUMENT;
  const graph::ValueInfo& info = graph.info(value);
  out->dtype = static_cast<caddie_dtype>(info.dtype);
  out->rank = static_cast<uint32_t>(info.shape.rank());
  std::ranges::copy(info.shape.lengths(), out->lengths);
  return CADDIE_OK;
}

void push_scope(caddie_graph* graph, const char* name) { graph_of(graph)->push_scope(name); }
void pop_scope(caddie_graph* graph) { graph_of(graph)->pop_scope(); }

void fail(caddie_graph* graph, caddie_code code, const char* text) {
  graph_of(graph)->fail({static_cast<Code>(code), graph_of(graph)->current_scope(), text});
}

caddie_code status(const caddie_graph* graph, caddie_error* error) {
  const Result<void> result = graph_of(graph)->status();
  if (result) return CADDIE_OK;
  const auto code = static_cast<caddie_code>(result.error().code);
  if (error != nullptr && CADDIE_HAS(error, caddie_error, text)) {
    error->code = code;
    copy_text(error->where, sizeof error->where, result.error().where);
    copy_text(error->text, sizeof error->text, result.error().text);
  }
  return code;
}

caddie_graph* build_graph(caddie_build* build) { return reinterpret_cast<caddie_graph*>(&from_abi(build)->graph()); }

caddie_code build_info(const caddie_build* build, caddie_build_info* out) {
  // A plugin of an older SDK has a shorter struct: it gets the front part.
  const caddie_build_info info = build_of(build)->info();
  const uint32_t size = std::min<uint32_t>(out->struct_size, sizeof info);
  const uint32_t writer = out->struct_size;
  std::memcpy(out, &info, size);
  out->struct_size = writer;
  return CADDIE_OK;
}

caddie_value parameter(caddie_build* build, const caddie_tensor_spec* spec) { return from_abi(build)->declare_parameter(*spec); }
caddie_value state(caddie_build* build, const caddie_tensor_spec* spec) { return from_abi(build)->declare_state(*spec); }
void set_state(caddie_build* build, caddie_value value, caddie_value next) { from_abi(build)->set_state(value, next); }

caddie_value step_scalar(caddie_build* build, const char* name, caddie_step_function function, void* user) {
  return from_abi(build)->step_scalar(name, function, user);
}

caddie_value wire(caddie_build* build, const char* name) { return from_abi(build)->wire(name); }
void set_wire(caddie_build* build, const char* name, caddie_value value) { from_abi(build)->set_wire(name, value); }

caddie_code run_hook(caddie_build* build, const char* hook, const char* part, const caddie_value* inputs, uint32_t input_count,
                     caddie_value* outputs, uint32_t output_count) {
  const std::vector<Value> values =
      from_abi(build)->run_hook(hook, part == nullptr ? "" : part, {inputs, inputs + input_count}, output_count);
  std::ranges::copy(values, outputs);
  return from_abi(build)->status() ? CADDIE_OK : CADDIE_ERROR_STATE;
}

int32_t has_hook(const caddie_build* build, const char* hook) { return build_of(build)->has_hook(hook) ? 1 : 0; }
caddie_value linear(caddie_build* build, caddie_value x, const caddie_tensor_spec* spec) { return from_abi(build)->linear(x, *spec); }
int32_t progress_reached(caddie_build* build, double fraction) { return from_abi(build)->progress_reached(fraction) ? 1 : 0; }
int32_t scale_below(caddie_build* build, double scale) { return from_abi(build)->scale_below(scale) ? 1 : 0; }
void note(caddie_build* build, const char* key, const char* json) { from_abi(build)->note(key, json); }

}  // namespace

const caddie_host_graph* graph_service() {
  static const caddie_host_graph service = {sizeof(caddie_host_graph),
                                            static_cast<uint32_t>(graph::all_ops().size()),
                                            emit,
                                            supports,
                                            shape,
                                            push_scope,
                                            pop_scope,
                                            fail,
                                            status};
  return &service;
}

const caddie_host_build* build_service() {
  static const caddie_host_build service = {sizeof(caddie_host_build),
                                            0,
                                            build_graph,
                                            build_info,
                                            parameter,
                                            state,
                                            set_state,
                                            step_scalar,
                                            wire,
                                            set_wire,
                                            run_hook,
                                            has_hook,
                                            linear,
                                            progress_reached,
                                            scale_below,
                                            note};
  return &service;
}

}  // namespace caddie::plugins
