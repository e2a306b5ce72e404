#include "core/plugins/object.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/base/text.hpp"
#include "core/plugins/call.hpp"
#include "core/plugins/config.hpp"
#include "core/plugins/stream.hpp"
#include "core/plugins/tables_check.hpp"

namespace caddie::plugins {
namespace {

constexpr std::size_t kLargestState = std::size_t{64} << 20;
constexpr std::size_t kVersionBytes = 4;

Error with_where(Error error, std::string_view where) {
  error.where = where;
  return error;
}

// Services, and the tables that a plugin is given as arguments of its calls.
bool offers(const Host& host, const std::string& id) {
  constexpr std::array<std::string_view, 4> arguments{CADDIE_HOST_HOOKS, CADDIE_HOST_TOKENS, CADDIE_HOST_PARTS,
                                                      CADDIE_HOST_ADAPT};
  return std::ranges::find(arguments, id) != arguments.end() || host.abi()->service(host.abi(), id.c_str()) != nullptr;
}

Error not_found(const Registry& registry, std::string_view interface, std::string_view id,
                const std::string& instance) {
  for (const Description* other : registry.all()) {
    if (other->id == id) {
      return {Code::argument, instance,
              fmt::format("\"{}\" is a plugin of the interface {}, it cannot be used as {}", id,
                          short_interface(other->interface_id), interface)};
    }
  }
  for (const Skipped& skipped : registry.skipped()) {
    if (skipped.path.stem() == id) {
      return {Code::abi, instance,
              fmt::format("the plugin \"{}\" cannot be used; {}: {}", id, skipped.path.string(), skipped.reason)};
    }
  }
  const std::vector<std::string> ids = registry.ids(interface);
  return {Code::argument, instance,
          fmt::format("there is no {} plugin \"{}\"{}", interface, id, did_you_mean(id, ids))};
}

const caddie_descriptor* find_descriptor(const Library& library, const std::string& id) {
  const auto found = std::ranges::find_if(library.descriptors, [&](const caddie_descriptor* d) { return id == d->id; });
  return found == library.descriptors.end() ? nullptr : *found;
}

void destroy(caddie_object* object) {
  if (object == nullptr) return;
  try {
    object->destroy(object);
  } catch (...) {  // nothing is left that could be told about it
  }
}

std::string bounded(const char* text, std::size_t size) { return {text, strnlen(text, size)}; }

}  // namespace

caddie_error fresh_error() {
  caddie_error error{};
  error.struct_size = sizeof error;
  return error;
}

Error to_error(caddie_code code, const caddie_error& error, std::string_view where) {
  std::string place = bounded(error.where, sizeof error.where);
  std::string text = bounded(error.text, sizeof error.text);
  if (text.empty()) text = fmt::format("the plugin fails with code {} and says no more", code);
  const bool known = code > CADDIE_OK && code <= CADDIE_ERROR_INTERNAL;
  return {known ? static_cast<Code>(code) : Code::internal, place.empty() ? std::string(where) : std::move(place),
          std::move(text)};
}

Object::Object(Object&& other) noexcept { *this = std::move(other); }

Object& Object::operator=(Object&& other) noexcept {
  std::swap(object_, other.object_);
  std::swap(table_, other.table_);
  std::swap(description_, other.description_);
  std::swap(state_version_, other.state_version_);
  std::swap(instance_, other.instance_);
  return *this;
}

Object::~Object() { destroy(object_); }

Result<Object> Object::create(const Registry& registry, std::string_view interface, std::string_view id,
                              std::string instance, const nlohmann::json& config, const Host& host) {
  const Description* description = registry.find(interface, id);
  if (description == nullptr) return not_found(registry, interface, id, instance);
  for (const std::string& need : description->needs) {
    if (!offers(host, need)) {
      return Error{
          Code::unsupported, instance,
          fmt::format(
              "the plugin \"{}\" needs the service \"{}\", which this program does not have; a newer Caddie may", id,
              need)};
    }
  }
  const auto library = registry.load(*description);
  if (!library) return library.error();
  const caddie_descriptor* descriptor = find_descriptor(**library, description->id);
  if (descriptor == nullptr || description->interface_id != descriptor->interface_id) {
    return Error{Code::abi, instance,
                 fmt::format("{} describes other plugins now than when it was scanned", description->path.string())};
  }

  const caddie_config values = make_config(config);
  caddie_object* made = nullptr;
  auto created = call_plugin(instance, [&](caddie_error* error) {
    return (*library)->factory->create(host.abi(), description->id.c_str(), &values, &made, error);
  });
  if (!created) return created.error();
  return adopt(*description, descriptor->state_version, std::move(instance), made);
}

Result<Object> Object::adopt(const Description& description, std::uint32_t state_version, std::string instance,
                             caddie_object* made) {
  Object object;
  object.description_ = &description;
  object.state_version_ = state_version;
  object.instance_ = std::move(instance);
  const std::string& where = object.instance_;
  if (auto checked = check_object(made, (description.flags & CADDIE_STATEFUL) != 0); !checked)
    return with_where(checked.error(), where);
  object.object_ = made;  // from here on it is destroyed whatever happens

  auto queried = call_plugin(where, [&](caddie_error*) {
    object.table_ = made->query(made, description.interface_id.c_str());
    return CADDIE_OK;
  });
  if (!queried) return queried.error();
  if (auto checked = check_table(description.interface_id, object.table_); !checked)
    return with_where(checked.error(), where);
  return object;
}

Result<std::vector<std::uint8_t>> Object::save() const {
  if (object_ == nullptr || object_->save == nullptr) return std::vector<std::uint8_t>();
  StreamSink sink(kLargestState);
  const auto saved =
      call_plugin(instance_, [&](caddie_error* error) { return object_->save(object_, sink.abi(), error); });
  if (sink.overflowed()) {
    return Error{
        Code::memory, instance_,
        fmt::format("its state is larger than {} bytes, the most a plugin may keep", with_separators(kLargestState))};
  }
  if (!saved) return saved.error();
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < kVersionBytes; ++i) bytes.push_back(static_cast<std::uint8_t>(state_version_ >> (8 * i)));
  const std::vector<std::uint8_t> state = sink.take();
  bytes.insert(bytes.end(), state.begin(), state.end());
  return bytes;
}

Result<void> Object::load(const std::vector<std::uint8_t>& bytes) {
  const auto refuse = [&](std::string text) { return Error{Code::format, instance_, std::move(text)}; };
  if (object_ == nullptr || object_->load == nullptr) {
    if (bytes.empty()) return {};
    return refuse(fmt::format("{} bytes of state were saved for it, and it keeps none; was it saved by another plugin?",
                              bytes.size()));
  }
  if (bytes.size() < kVersionBytes) return refuse("its saved state is missing or cut off");
  if (bytes.size() > kLargestState + kVersionBytes) return refuse("its saved state is larger than a plugin may keep");
  std::uint32_t version = 0;
  for (std::size_t i = 0; i < kVersionBytes; ++i) version |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
  if (version > state_version_) {
    return refuse(fmt::format(
        "its state was saved in version {}, this plugin knows versions up to {}; use the plugin that saved it", version,
        state_version_));
  }
  StreamSource source(std::span<const std::uint8_t>(bytes).subspan(kVersionBytes));
  auto loaded =
      call_plugin(instance_, [&](caddie_error* error) { return object_->load(object_, source.abi(), version, error); });
  if (!loaded) return loaded;
  if (source.left() > 0) return refuse(fmt::format("{} bytes of its saved state were left over", source.left()));
  return {};
}

}  // namespace caddie::plugins
