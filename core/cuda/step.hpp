// One step of a compiled program as a list of commands for the device.
//
// Nothing of a step runs on the processor: where its operands stand is said by name (Place), the program looks
// addresses up once and issues the commands, or records them and replays the recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/cuda/device.hpp"
#include "core/graph/executor.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/storage.hpp"

namespace caddie::cuda {

enum class Space : std::uint8_t {
  none,     // null
  value,    // where a value of the graph stands
  shadow,   // its copy in bfloat16, for products
  scratch,  // of this step alone
  key,      // the RunKey of the run: seed, stream, step
  output,   // what an output is tied to; `value` is its number among the bindings
};

struct Place {
  Space space = Space::none;
  graph::Value value = 0;
  std::int64_t bytes = 0;  // from its beginning

  [[nodiscard]] Place behind(std::int64_t more) const { return {space, value, bytes + more}; }
};

struct LaunchCommand {
  std::uint32_t kernel = 0;  // of the step's kernels, then of the compiled graph's
  std::uint32_t blocks = 1;
  std::vector<Place> places;
};

struct ProductCommand {
  Product product;
  Place a, b, c, scale{}, addend{}, bias{}, before{};
  std::size_t workspace = 0;  // offset in the step's scratch; filled in when the product is planned
  std::uint32_t plan = 0;
};

using Command = std::variant<LaunchCommand, ProductCommand>;

// What a step costs, for profiles.
struct StepCost {
  const char* group = "elementwise";
  double flops = 0;
  double bytes = 0;
};

struct CudaStep {
  std::vector<Command> commands;
  std::vector<KernelSource> kernels;
  std::size_t scratch_bytes = 0;
  StepCost cost;

  // Adds a launch of a kernel of this step.
  void launch(KernelSource kernel, std::int64_t blocks, std::vector<Place> places);
  // A piece of scratch, aligned to 256 bytes.
  Place take_scratch(std::size_t bytes);
};

// What steps are made from. The graph and the partition outlive only the making.
struct CompileInput {
  const graph::Graph& graph;
  const graph::Partition& partition;
  const graph::StoragePlan& storage;
  const std::vector<bool>& narrow;  // by value: kept in bfloat16
  bool narrow_products;             // operands of products are bfloat16
  Device& device;

  [[nodiscard]] bool is_narrow(graph::Value value) const { return narrow[value]; }
  [[nodiscard]] std::int64_t width(graph::Value value) const { return narrow[value] ? 2 : 4; }
  // "float", "bf16" or "int", as kernels name types.
  [[nodiscard]] const char* type(graph::Value value) const;
  // Where the first element of a dense or strided view stands.
  [[nodiscard]] Place place(const graph::View& view) const;
  [[nodiscard]] Place place(graph::Value value) const { return {Space::value, value, 0}; }
  [[nodiscard]] bool is_read(graph::Value value) const { return graph::is_read(graph, partition, value); }
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::size_t round_up(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace caddie::cuda
