// A plugin object with its configuration, and the host it talks to.
//
// Ownership: an Object owns the caddie_object and destroys it; it must not outlive the Host and the Registry it was made with.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "caddie/abi.h"
#include "core/base/result.hpp"
#include "core/plugins/registry.hpp"

namespace caddie::plugins {

// The host side of the ABI: service tables and the run's seed. Outlives every object made with it. Its address is given to
// plugins, so it does not move.
class Host {
 public:
  explicit Host(std::uint64_t seed);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] const caddie_host* abi() const { return &host_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }

 private:
  caddie_host host_{};
  std::uint64_t seed_ = 0;
};

class Object {
 public:
  Object() = default;
  Object(Object&& other) noexcept;
  Object& operator=(Object&& other) noexcept;
  ~Object();

  // `instance` is the manifest's name for it, used in messages. `config` has passed the plugin's schema, defaults filled in.
  static Result<Object> create(const Registry& registry, std::string_view interface, std::string_view id,
                               std::string instance, const nlohmann::json& config, const Host& host);

  // Takes over what create() of a plugin's factory made, after the checks that create() makes of it. The description must
  // outlive the Object.
  static Result<Object> adopt(const Description& description, std::uint32_t state_version, std::string instance,
                              caddie_object* made);

  [[nodiscard]] const std::string& instance() const { return instance_; }
  [[nodiscard]] const Description& description() const { return *description_; }
  [[nodiscard]] caddie_object* abi() const { return object_; }
  // The table of its interface; never nullptr after create().
  template <class Table>
  [[nodiscard]] const Table& table() const {
    return *static_cast<const Table*>(table_);
  }

  // State as bytes, at most 64 MiB, behind the version of their form; empty for an object without state.
  Result<std::vector<std::uint8_t>> save() const;
  // After a refusal the object may hold half of the state: destroy it.
  Result<void> load(const std::vector<std::uint8_t>& bytes);

 private:
  caddie_object* object_ = nullptr;
  const void* table_ = nullptr;
  const Description* description_ = nullptr;  // the registry's
  std::uint32_t state_version_ = 0;
  std::string instance_;
};

// An empty error record to hand to a plugin.
caddie_error fresh_error();
// What a plugin reported, as an Error; `where` names the instance when the plugin did not.
Error to_error(caddie_code code, const caddie_error& error, std::string_view where);

}  // namespace caddie::plugins
