#include <cstdio>
#include <string_view>

#include "core/base/hash.hpp"
#include "core/graph/random.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/config.hpp"
#include "core/plugins/kernel.hpp"
#include "core/plugins/object.hpp"

namespace caddie::plugins {
namespace {

const Host& host_of(const caddie_host* host) { return *static_cast<const Host*>(host->context); }

uint64_t random_bits(const caddie_host* host, const char* name, uint64_t index) noexcept {
  const std::uint64_t stream = hash_text(name == nullptr ? "" : name);
  const auto words = graph::philox(host_of(host).seed(), stream, 0, 0, index);
  return words[0] | (std::uint64_t{words[1]} << 32);
}

const caddie_host_random* random_service() {
  static const caddie_host_random table = {sizeof(caddie_host_random), 0, random_bits};
  return &table;
}

// Tables that only make sense together with a call (hooks, tokens, parts, adapt) are arguments of that call.
const void* service(const caddie_host*, const char* text) noexcept {
  if (text == nullptr) return nullptr;
  const std::string_view id = text;
  if (id == CADDIE_HOST_CONFIG) return config_service();
  if (id == CADDIE_HOST_RANDOM) return random_service();
  if (id == CADDIE_HOST_GRAPH) return graph_service();
  if (id == CADDIE_HOST_BUILD) return build_service();
  if (id == CADDIE_HOST_KERNEL) return kernel_service();
  return nullptr;
}

void log(const caddie_host*, int32_t level, const char* text) noexcept {
  constexpr const char* names[] = {"debug", "note", "warning", "error"};
  if (text == nullptr || level < 1) return;
  std::fprintf(stderr, "plugin %s: %s\n", names[level > 3 ? 3 : level], text);
}

}  // namespace

Host::Host(std::uint64_t seed) : seed_(seed) {
  host_.struct_size = sizeof host_;
  host_.abi_minor = CADDIE_ABI_MINOR;
  host_.context = this;
  host_.name = "caddie";
  host_.version = CADDIE_VERSION;
  host_.service = service;
  host_.log = log;
}

}  // namespace caddie::plugins
