// CADDIE_EXPORT_PLUGIN(MyBlock): the one exported symbol of a plugin file, for one plugin class.
#pragma once

#include <caddie/block.hpp>
#include <caddie/loader.hpp>
#include <caddie/object.hpp>

#include <memory>
#include <string>
#include <type_traits>

namespace caddie::detail {

template <class T>
struct Exported {
  static constexpr bool stateful = std::is_base_of_v<Loader, T>;

  // Made once from a default object: defaults and ranges stand in its members.
  static const caddie_descriptor& descriptor() {
    static const std::string schema = T().schema();
    static const char* const needs[] = {CADDIE_HOST_CONFIG, CADDIE_HOST_RANDOM, CADDIE_HOST_GRAPH, CADDIE_HOST_BUILD,
                                        T::identity.kernels ? CADDIE_HOST_KERNEL : nullptr, nullptr};
    static const caddie_descriptor descriptor = {
        sizeof(caddie_descriptor),
        (T::identity.deterministic ? static_cast<uint32_t>(CADDIE_DETERMINISTIC) : 0u) | (stateful ? static_cast<uint32_t>(CADDIE_STATEFUL) : 0u),
        T::identity.reads,
        stateful ? 1u : 0u,
        T::identity.id,
        T::interface_id,
        T::identity.version,
        T::identity.summary,
        T::identity.citation,
        T::identity.licence,
        schema.c_str(),
        needs};
    return descriptor;
  }

  static const void* query(const caddie_object*, const char* id) {
    return std::strcmp(id, T::interface_id) == 0 ? T::table() : nullptr;
  }

  static void destroy(caddie_object* object) {
    delete static_cast<Plugin*>(object->self);
    delete object;
  }

  static caddie_code save(const caddie_object* object, const caddie_stream* stream, caddie_error* error) {
    return guarded(error, [&] {
      if constexpr (stateful) {
        StateWriter writer(stream);
        self<Loader>(object).save(writer);
      }
    });
  }

  static caddie_code load(caddie_object* object, const caddie_stream* stream, uint32_t version, caddie_error* error) {
    return guarded(error, [&] {
      if constexpr (stateful) {
        if (version != 1) throw Failure("the saved state has version " + std::to_string(version) + ", this plugin reads version 1");
        StateReader reader(stream);
        self<Loader>(object).load(reader);
        reader.expect_end();
      }
    });
  }

  static caddie_code create(const caddie_host* host, const char* id, const caddie_config* config, caddie_object** out,
                            caddie_error* error) {
    return guarded(error, [&] {
      if (std::strcmp(id, T::identity.id) != 0) throw Failure(std::string("this file has no plugin \"") + id + "\"");
      auto plugin = std::make_unique<T>();
      const auto* table = find_service<caddie_host_config>(host, CADDIE_HOST_CONFIG);
      if (const char* failed = plugin->Options::read(*table, config)) {
        throw Failure(std::string("the option \"") + failed + "\" could not be read");
      }
      plugin->connect(host);
      plugin->configure();
      auto object = std::make_unique<caddie_object>();
      object->struct_size = sizeof(caddie_object);
      object->reserved = 0;
      object->query = query;
      object->destroy = destroy;
      object->save = stateful ? save : nullptr;
      object->load = stateful ? load : nullptr;
      object->self = static_cast<Plugin*>(plugin.release());
      *out = object.release();
    });
  }

  static const void* get_factory(const char* id) {
    static const caddie_factory factory = {
        sizeof(caddie_factory), 1,
        [](uint32_t index) -> const caddie_descriptor* { return index == 0 ? &descriptor() : nullptr; }, create};
    return std::strcmp(id, CADDIE_FACTORY) == 0 ? &factory : nullptr;
  }
};

}  // namespace caddie::detail

#ifndef CADDIE_BUILD_INFO
#define CADDIE_BUILD_INFO __VERSION__
#endif

#define CADDIE_EXPORT_PLUGIN(Type)                                                                     \
  extern "C" CADDIE_EXPORT const caddie_entry* caddie_entry_v1(void) {                                 \
    static const caddie_entry entry = {sizeof(caddie_entry), CADDIE_ABI_MINOR,                         \
                                       caddie::detail::Exported<Type>::get_factory, CADDIE_BUILD_INFO}; \
    return &entry;                                                                                     \
  }
