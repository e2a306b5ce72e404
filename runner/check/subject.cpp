#include "runner/check/subject.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/plugins/config.hpp"
#include "core/plugins/description.hpp"
#include "runner/check/failure.hpp"

namespace caddie::check {

using nlohmann::json;
using plugins::Description;

// One function of the plugin that the host is to call; the host calls `call` with this as its user in its place.
struct Subject::Watched {
  Calls* calls = nullptr;
  std::string* refusal = nullptr;
  std::string hook;
  plugins::Attachment original;

  static std::string place(const std::string& hook, caddie_build* build) {
    const caddie_build_info info = plugins::from_abi(build)->info();
    static constexpr const char* modes[] = {"train", "evaluate", "calibrate", "adapt"};
    return fmt::format("its function at the hook \"{}\" ({}{})", hook, modes[info.mode],
                       info.layer < 0 ? "" : fmt::format(", layer {}", info.layer));
  }
  static caddie_code call(void* user, caddie_build* build, const caddie_value* inputs, uint32_t input_count,
                          caddie_value* outputs, uint32_t output_count, caddie_error* error) {
    auto& self = *static_cast<Watched*>(user);
    const caddie_code code = self.calls->hook(place(self.hook, build), [&] {
      return self.original.function(self.original.user, build, inputs, input_count, outputs, output_count, error);
    });
    if (code != CADDIE_OK && !plugins::from_abi(build)->graph().failed())
      *self.refusal = plugins::to_error(code, *error, "").text;
    return code;
  }
  static caddie_code call_plan(void* user, caddie_build* build, caddie_visit_plan* plan, caddie_error* error) {
    auto& self = *static_cast<Watched*>(user);
    return self.calls->hook(place(self.hook, build),
                            [&] { return self.original.plan(self.original.user, build, plan, error); });
  }
  static caddie_code call_init(void* user, caddie_build* build, const caddie_tensor_spec* parameter,
                               caddie_initialiser* start, caddie_error* error) {
    auto& self = *static_cast<Watched*>(user);
    return self.calls->hook(place(self.hook, build),
                            [&] { return self.original.init(self.original.user, build, parameter, start, error); });
  }
};

std::vector<Description> describe(const std::filesystem::path& file, Calls& calls) {
  Result<json> described = Error{};
  (void)calls.hook("loading the file and caddie_entry_v1()", [&] {
    described = plugins::describe_file(file);
    return caddie_code{CADDIE_OK};
  });
  if (!described) throw Failure(described.error().text);
  std::vector<Description> plugins = value_or_fail(plugins::descriptions_from_json(*described));
  for (Description& plugin : plugins) plugin.path = file;
  return plugins;
}

Subject::Subject(const std::filesystem::path& file, const std::string& id, const Effort& effort,
                 const Workspace& workspace)
    : calls_(workspace.current_call, workspace.size), effort_(effort) {
  const std::vector<Description> plugins = describe(file, calls_);
  const auto found = std::ranges::find(plugins, id, &Description::id);
  if (found == plugins.end()) throw Failure(fmt::format("the file describes no plugin \"{}\" any more", id));
  description_ = *found;
  library_ = value_or_fail(plugins::load_library(file));
  const auto descriptor =
      std::ranges::find_if(library_->descriptors, [&](const caddie_descriptor* d) { return id == d->id; });
  descriptor_ = *descriptor;
}

Subject::~Subject() = default;

json Subject::defaults() const {
  json values = json::object();
  const json properties = description_.schema.value("properties", json::object());
  for (const auto& [key, option] : properties.items()) {
    if (option.contains("default")) values[key] = option["default"];
  }
  return values;
}

json Subject::over_defaults(const json& config) const {
  const json properties = description_.schema.value("properties", json::object());
  json values = defaults();
  for (const auto& [key, value] : config.items()) {
    if (!properties.contains(key)) throw Failure(fmt::format("{} has no option \"{}\"", description_.id, key));
    values[key] = value;
  }
  return values;
}

std::vector<Configuration> Subject::configurations() const {
  std::vector<Configuration> all = {{"defaults", defaults()}};
  const auto add = [&](const std::string& key, const json& value) {
    json values = all.front().values;
    if (values.contains(key) && values[key] == value) return;
    values[key] = value;
    all.push_back({fmt::format("{}={}", key, value.is_string() ? value.get<std::string>() : value.dump()), values});
  };
  const json properties = description_.schema.value("properties", json::object());
  for (const auto& [key, option] : properties.items()) {
    if (option.contains("enum")) {
      for (const json& choice : option["enum"]) add(key, choice);
    } else if (option.value("type", json()) == "boolean") {
      add(key, true);
      add(key, false);
    }
  }
  return all;
}

Result<caddie_object*> Subject::create(const caddie_config& config, const char* id) {
  caddie_object* made = nullptr;
  auto created = calls_.run("create()", [&](caddie_error* error) {
    return library_->factory->create(host_.abi(), id != nullptr ? id : description_.id.c_str(), &config, &made, error);
  });
  if (!created) return created.error();
  return made;
}

Result<plugins::Object> Subject::make(const json& config) {
  const caddie_config values = plugins::make_config(config);
  const auto made = create(values);
  if (!made) return made.error();
  return plugins::Object::adopt(description_, descriptor_->state_version, description_.id, *made);
}

plugins::Object Subject::make_or_fail(const json& config) { return value_or_fail(make(config)); }

plugins::Object Subject::make_unwatched(const json& config) {
  const caddie_config values = plugins::make_config(config);
  caddie_object* made = nullptr;
  caddie_error error = plugins::fresh_error();
  const caddie_code code = library_->factory->create(host_.abi(), description_.id.c_str(), &values, &made, &error);
  if (code != CADDIE_OK) throw Failure(plugins::to_error(code, error, "create()").message());
  return value_or_fail(
      plugins::Object::adopt(description_, descriptor_->state_version, description_.id, made));
}

plugins::BlockInstance Subject::attach(const plugins::Object& block, const plugins::Dims& dims) {
  std::optional<Result<plugins::Model>> model;
  (void)calls_.hook("attach()", [&] {
    model = plugins::Model::attach(dims, {{&block, {}, "", {}}});
    return caddie_code{CADDIE_OK};
  });
  if (!model) throw Failure("attach() did not come to its end");
  plugins::BlockInstance instance = value_or_fail(std::move(*model)).blocks().front();
  for (plugins::Attachment& attachment : instance.attachments) {
    watched_.push_back(std::make_unique<Watched>(Watched{&calls_, &refusal_, attachment.hook, attachment}));
    if (attachment.function != nullptr) attachment.function = Watched::call;
    if (attachment.plan != nullptr) attachment.plan = Watched::call_plan;
    if (attachment.init != nullptr) attachment.init = Watched::call_init;
    attachment.user = watched_.back().get();
  }
  return instance;
}

}  // namespace caddie::check
