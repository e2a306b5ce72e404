// What every plugin object has: identity, options, and the trampolines that keep exceptions inside the plugin.
// Plugin authors include <caddie/plugin.hpp> and need nothing from here but Identity and Plugin.
#pragma once

#include <caddie/abi.h>
#include <caddie/graph.hpp>
#include <caddie/options.hpp>

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>

namespace caddie {

// Who a plugin is. One static constexpr member `identity` of every plugin class.
struct Identity {
  const char* id = "";
  const char* version = "1.0.0";
  const char* summary = "";
  const char* citation = "";
  const char* licence = "MIT";
  uint32_t reads = 0;             // CADDIE_READS_*
  bool deterministic = true;
  bool kernels = false;           // emits custom kernels (kernel.hpp): works only in a host that has them
};

// Base of all plugin classes: owns the options and what must live as long as the object.
class Plugin : public Options {
 public:
  virtual ~Plugin() = default;

  // Called once after the options have their values; throw Failure for combinations that make no sense.
  virtual void configure() {}

  // The run's counter-based random numbers: a pure function of seed, name and index. [any]
  [[nodiscard]] uint64_t random_bits(const char* name, uint64_t index) const { return random_->bits(host_, name, index); }
  // Uniform in [0, 1) with 53 bits.
  [[nodiscard]] double random_unit(const char* name, uint64_t index) const {
    return static_cast<double>(random_bits(name, index) >> 11) * 0x1.0p-53;
  }

  [[nodiscard]] Graph::Tables tables() { return {graph_, build_, &step_functions_, kernel_}; }
  void connect(const caddie_host* host);  // by the SDK, once
  StepFunctions& step_functions() { return step_functions_; }

 private:
  const caddie_host* host_ = nullptr;
  const caddie_host_random* random_ = nullptr;
  const caddie_host_graph* graph_ = nullptr;
  const caddie_host_build* build_ = nullptr;
  const caddie_host_kernel* kernel_ = nullptr;
  StepFunctions step_functions_;
};

namespace detail {

inline caddie_code report(caddie_error* error, caddie_code code, const char* text) {
  if (error != nullptr && CADDIE_HAS(error, caddie_error, text)) {
    error->code = code;
    std::snprintf(error->text, sizeof error->text, "%s", text);
  }
  return code;
}

// Runs a body, turning whatever it throws into a code and a text.
template <class Body>
caddie_code guarded(caddie_error* error, Body&& body) noexcept {
  try {
    body();
    return CADDIE_OK;
  } catch (const Failure& failure) {
    return report(error, CADDIE_ERROR_ARGUMENT, failure.what());
  } catch (const std::bad_alloc&) {
    return report(error, CADDIE_ERROR_MEMORY, "out of memory");
  } catch (const std::exception& exception) {
    return report(error, CADDIE_ERROR_INTERNAL, exception.what());
  } catch (...) {
    return report(error, CADDIE_ERROR_INTERNAL, "the plugin threw something that is no std::exception");
  }
}

template <class Service>
const Service* find_service(const caddie_host* host, const char* id) {
  const auto* service = static_cast<const Service*>(host->service(host, id));
  if (service == nullptr) throw Failure(std::string("this host has no service \"") + id + "\"");
  return service;
}

template <class T>
T& self(caddie_object* object) {
  return *static_cast<T*>(static_cast<Plugin*>(object->self));
}
template <class T>
const T& self(const caddie_object* object) {
  return *static_cast<const T*>(static_cast<const Plugin*>(object->self));
}

}  // namespace detail

inline void Plugin::connect(const caddie_host* host) {
  host_ = host;
  random_ = detail::find_service<caddie_host_random>(host, CADDIE_HOST_RANDOM);
  graph_ = detail::find_service<caddie_host_graph>(host, CADDIE_HOST_GRAPH);
  build_ = detail::find_service<caddie_host_build>(host, CADDIE_HOST_BUILD);
  kernel_ = static_cast<const caddie_host_kernel*>(host->service(host, CADDIE_HOST_KERNEL));
}

// Bytes of a checkpoint, written in order.
class StateWriter {
 public:
  explicit StateWriter(const caddie_stream* stream) : stream_(stream) {}
  void bytes(const void* from, std::size_t size) {
    const char* at = static_cast<const char*>(from);
    while (size > 0) {
      const int64_t put = stream_->write(stream_, at, size);
      if (put <= 0) throw Failure("the state could not be written");
      at += put;
      size -= static_cast<std::size_t>(put);
    }
  }
  template <class T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes(&value, sizeof value);
  }

 private:
  const caddie_stream* stream_;
};

// Bytes of a checkpoint, read back in the same order; running out of them throws.
class StateReader {
 public:
  explicit StateReader(const caddie_stream* stream) : stream_(stream) {}
  void bytes(void* to, std::size_t size) {
    char* at = static_cast<char*>(to);
    while (size > 0) {
      const int64_t got = stream_->read(stream_, at, size);
      if (got <= 0) throw Failure("the saved state ends too early");
      at += got;
      size -= static_cast<std::size_t>(got);
    }
  }
  template <class T>
  T number() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    bytes(&value, sizeof value);
    return value;
  }
  // Throws when bytes are left over.
  void expect_end() {
    char extra = 0;
    if (stream_->read(stream_, &extra, 1) > 0) throw Failure("the saved state is longer than expected");
  }

 private:
  const caddie_stream* stream_;
};

}  // namespace caddie
