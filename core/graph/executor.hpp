// What runs graphs. One Executor per device; it compiles a Graph once and runs it many times.
//
// Ownership: a Buffer owns memory of its executor's device and keeps the executor's device alive; a Program keeps what
// it compiled, not the graph. Threads: an executor and everything it made is used by one thread at a time.
// Asynchrony: run() may return before the device is done; download() and synchronize() wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

enum class Precision {
  f32,
  f64,   // reference executor only: every f32 value is computed and bound as double
  bf16,  // activations and products in bfloat16, sums and parameters in f32
};

// Device memory. Zeroed when made.
class Buffer {
 public:
  virtual ~Buffer() = default;
  [[nodiscard]] virtual std::size_t size_bytes() const = 0;
  // The memory itself where the processor can read and write it, else nullptr.
  [[nodiscard]] virtual void* host_data() = 0;
  [[nodiscard]] virtual void* device_data() = 0;
};

using BufferPtr = std::shared_ptr<Buffer>;

// A part of a buffer, in bytes; a leaf may be a slice of a bank.
struct BufferView {
  BufferPtr buffer;
  std::size_t offset_bytes = 0;
};

// Keys of the counter-based random numbers of one run (see random.hpp).
struct RunKey {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // 0 training, others for evaluation, calibration, ranks
  std::uint64_t step = 0;
};

// Where the time of a program went; filled when profiling is on.
struct ProfileEntry {
  std::string group;  // "gemm", "attention", "elementwise", ...
  std::string scope;  // hook path of the largest part
  double seconds = 0;
  double busy_seconds = 0;  // processor time of the thread that waits for the others: seconds without the neighbours
  double flops = 0;
  double bytes = 0;
};

// One step of a program in time; recorded when profiling is on.
struct TraceEvent {
  std::string name;   // the operations
  std::string group;
  std::string scope;
  int lane = 0;              // which of several that work side by side
  double start_seconds = 0;  // of the steady clock
  double seconds = 0;
};

class Program {
 public:
  virtual ~Program() = default;

  // Ties a leaf or an output (by name) to memory of at least its size; stays until tied anew. Every leaf must be tied
  // before run(); outputs that are not tied are not stored. An updated leaf is written in its own memory.
  virtual Result<void> bind(std::string_view name, const BufferView& view) = 0;

  virtual Result<void> run(const RunKey& key) = 0;

  // Bytes of the arena for intermediate values, and the planner's lower bound: the most that is live at once.
  [[nodiscard]] virtual std::size_t arena_bytes() const = 0;
  [[nodiscard]] virtual std::size_t live_bytes() const = 0;
  // Self times since the last call; empty unless profiling is on.
  [[nodiscard]] virtual std::vector<ProfileEntry> profile() { return {}; }
  // Steps since the last call, as many as are kept (some thousand); empty unless profiling is on.
  [[nodiscard]] virtual std::vector<TraceEvent> trace() { return {}; }
};

// Tensors of one shape that stand one after the other in memory, and are worked on one by one.
struct Members {
  std::int64_t count = 1;
  std::vector<std::string> leaves;  // that each member has its own of; the graph updates no others, and has no outputs
};

struct ExecutorOptions {
  int threads = 1;
  Precision precision = Precision::f32;
  bool profile = false;
  int device = 0;  // of several, counted around
};

class Executor {
 public:
  virtual ~Executor() = default;

  [[nodiscard]] virtual std::string name() const = 0;  // "reference", "cpu", "cuda"
  // Bytes an element of this type takes in buffers bound to programs of this executor (8 for f32 at Precision::f64).
  [[nodiscard]] virtual std::size_t element_bytes(DType type) const = 0;

  virtual Result<BufferPtr> allocate(std::size_t bytes) = 0;  // all zero
  virtual Result<void> upload(const BufferView& to, std::span<const std::byte> from) = 0;
  virtual Result<void> download(std::span<std::byte> to, const BufferView& from) = 0;
  virtual Result<void> synchronize() = 0;

  virtual Result<std::unique_ptr<Program>> compile(const Graph& graph) = 0;
  // A program that runs the graph once for each member, in any order or side by side: to the same bits. The members'
  // leaves are bound to all of them at once.
  virtual Result<std::unique_ptr<Program>> compile_members(const Graph& graph, const Members& members);
};

// The plain executor: implements primitives one by one, clear and slow, in f32 or f64. The oracle of every other.
std::unique_ptr<Executor> make_reference_executor(const ExecutorOptions& options);

}  // namespace caddie::graph
