// One graph being built with the help of plugins: what parameters, states, step scalars, wires and hooks are for it.
//
// A Build belongs to one thread and lives while plugins build. Afterwards take() hands over what was made.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "caddie/abi.h"
#include "core/base/result.hpp"
#include "core/graph/graph.hpp"
#include "core/plugins/hooks.hpp"

namespace caddie::plugins {

// How a tensor starts; `copy` names the parameter (by path) that a state copies.
struct Initialiser {
  int kind = CADDIE_INIT_ZEROS;
  double a = 0;
  double b = 0;
  std::vector<double> values;
  std::string copy;
};

// A parameter or a state of the graph. Its leaf in the graph has the name `path`.
struct TensorDeclaration {
  std::string path;      // "blocks.7.attn.q.weight"; states: "state/<path>"
  std::string role;
  std::string instance;  // the manifest's name of the plugin that declared it
  int layer = -1;        // -1 outside the layers
  graph::DType dtype = graph::DType::f32;
  graph::Shape shape;
  Initialiser initialiser;
};

// A number to be computed before every step and bound to the f32 scalar leaf `leaf`.
struct StepScalar {
  std::string leaf;  // "scalar/<instance>.<name>"
  caddie_step_function function = nullptr;
  void* user = nullptr;
};

struct Dims {
  std::int64_t vocab = 0, dim = 0, heads = 0, kv_heads = 0, head_dim = 0;
  std::int32_t layers = 0;
  std::int32_t bos = 1;
};

struct BuildRequest {
  int mode = CADDIE_MODE_TRAIN;
  std::int64_t batch = 1;
  std::int64_t context = 1;
  bool segments = false;   // the program has an input "segments" i32 [B,T]
  double progress = 0;     // answers progress_reached(f): progress >= f; 1 in evaluation
  double scale = 1;        // answers scale_below(s): scale < s; 0 in evaluation
};

// A block of the manifest, attached.
struct BlockInstance {
  std::string name;
  std::vector<Attachment> attachments;
  std::optional<std::vector<int>> layers;  // only at these layers
  std::vector<int> modes;                  // CADDIE_MODE_*; empty: all
};

// One call of a block's function: what it was given and what it made. Shows what a block really changed.
struct HookCall {
  std::string instance;
  std::string hook;
  HookKind kind = HookKind::chain;
  int visit = -1;
  std::vector<graph::Value> inputs;
  std::vector<graph::Value> outputs;
};

// What a block said about what it built.
struct Note {
  std::string instance;
  std::string key;
  int visit = -1;    // -1 outside the layers
  std::string json;  // a JSON value
};

// Everything a finished build leaves behind.
struct BuildResult {
  graph::Graph graph;
  std::vector<HookCall> calls;           // in order, successful ones
  std::vector<TensorDeclaration> parameters;
  std::vector<TensorDeclaration> states;
  std::vector<StepScalar> scalars;
  std::set<double> progress_thresholds;  // asked for, whatever the answer
  std::set<double> scale_thresholds;
  std::map<std::string, graph::Value> wires;
  std::set<std::string> effects;         // blocks that changed a plan or an initial value, or set a wire that another read
  std::vector<Note> notes;
  std::vector<int> visits;               // layer of every visit
  int encoder_visits = 0;
  std::vector<int> final_visits;         // the same at the end of the run
  int final_encoder_visits = 0;

  [[nodiscard]] graph::Value wire(const std::string& name) const {
    const auto found = wires.find(name);
    return found == wires.end() ? 0 : found->second;
  }
};

class Build {
 public:
  Build(const Dims& dims, const BuildRequest& request, const std::vector<BlockInstance>* blocks);

  graph::Graph& graph() { return result_.graph; }
  [[nodiscard]] const BuildRequest& request() const { return request_; }
  [[nodiscard]] const Dims& dims() const { return dims_; }

  // ---- what the host drives ---------------------------------------------------------------------------------
  void set_visits(std::vector<int> layers, int encoder);
  void set_final_visits(std::vector<int> layers, int encoder);
  [[nodiscard]] const std::vector<int>& visits() const { return result_.visits; }
  // Runs the blocks at a plan hook over the default plan.
  Result<caddie_visit_plan> run_plan(std::string_view hook, caddie_visit_plan plan);
  // The same as it will be at the end of the run.
  Result<caddie_visit_plan> run_final_plan(std::string_view hook, caddie_visit_plan plan);
  // The visit that hooks run for from now on; -1 outside the layers.
  void enter_visit(int visit);
  // Names the owner of what is declared when no hook runs (optimizers, averagers).
  void set_instance(std::string name);
  // Prefix of states' paths when no hook runs, "bank.blocks.attn.q.weight".
  void set_state_prefix(std::string prefix);

  // Runs a hook; sticky on the graph's failure. A chain without blocks gives its values back.
  std::vector<graph::Value> run_hook(std::string_view hook, std::string_view part, std::vector<graph::Value> inputs,
                                     std::size_t output_count);
  [[nodiscard]] bool has_hook(std::string_view hook) const;

  graph::Value wire(std::string_view name);
  void set_wire(std::string_view name, graph::Value value);

  graph::Value declare_parameter(const caddie_tensor_spec& spec);
  // A bank's values as a parameter leaf named `name`, for optimizers and averagers; a state may start as its copy.
  graph::Value declare_bank(const std::string& name, const graph::Shape& shape);
  // The bank's new value: a state that starts as its copy starts as the bank starts.
  void continue_bank(const std::string& name, graph::Value fresh) { tensor_of_value_.emplace(fresh, name); }
  graph::Value declare_state(const caddie_tensor_spec& spec);
  void set_state(graph::Value state, graph::Value next);
  graph::Value step_scalar(std::string_view name, caddie_step_function function, void* user);
  graph::Value linear(graph::Value x, const caddie_tensor_spec& spec);
  bool progress_reached(double fraction);
  bool scale_below(double scale);
  void note(const char* key, const char* json);
  [[nodiscard]] caddie_build_info info() const;

  // The first mistake of the graph or of a plugin.
  [[nodiscard]] Result<void> status() const { return result_.graph.status(); }
  BuildResult take() { return std::move(result_); }

 private:
  struct Running {  // a hook that runs
    std::string instance;
    std::string part;
  };
  [[nodiscard]] std::vector<const BlockInstance*> attached(std::string_view hook, std::vector<const Attachment*>* functions) const;
  [[nodiscard]] bool applies(const BlockInstance& block, const HookInfo* hook) const;
  void call(const BlockInstance& block, const Attachment& attachment, std::string_view part,
            const std::vector<graph::Value>& inputs, std::vector<graph::Value>& outputs);
  std::vector<graph::Value> provide(const std::vector<const BlockInstance*>& blocks, const std::vector<const Attachment*>& functions,
                                    std::string_view hook, std::string_view part, const std::vector<graph::Value>& inputs,
                                    std::size_t output_count);
  void fail(Code code, std::string text);
  [[nodiscard]] std::string tensor_path(const caddie_tensor_spec& spec, bool state) const;
  graph::Value declare(const caddie_tensor_spec& spec, bool state);
  // How the tensor starts, after the blocks at "parameter.init"; false after a mistake.
  bool set_start(TensorDeclaration& tensor, const caddie_tensor_spec& spec, bool state);
  Result<caddie_initialiser> run_init(const caddie_tensor_spec& spec, const std::string& path);
  [[nodiscard]] const std::string& instance() const;

  Dims dims_;
  BuildRequest request_;
  const std::vector<BlockInstance>* blocks_;
  BuildResult result_;
  int visit_ = -1;
  bool at_end_ = false;  // answers as at the end of the run
  std::deque<Running> running_;  // info() hands out pointers into it
  std::string instance_;
  std::string state_prefix_;
  std::map<std::string, graph::Value, std::less<>> tensors_;
  std::map<graph::Value, std::string> tensor_of_value_;
  std::map<std::string, std::string, std::less<>> wire_setter_;
};

// The C tables behind which a Build stands.
const caddie_host_build* build_service();
const caddie_host_graph* graph_service();
caddie_build* to_abi(Build* build);
Build* from_abi(caddie_build* build);

}  // namespace caddie::plugins
