// What every plugin is asked, whatever its interface.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "core/plugins/config.hpp"
#include "core/plugins/description.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/memory.hpp"
#include "runner/check/state_check.hpp"
#include "runner/manifest/schema.hpp"

namespace caddie::check {
namespace {

using nlohmann::json;

// The id, and answers to ids that do not exist.
std::string identity(Subject& subject) {
  const plugins::Library& library = subject.library();
  const std::string stem = subject.plugin().path.stem();
  std::string wrong;
  (void)subject.calls().hook("get_factory(\"caddie.factory/0\")", [&] {
    if (library.entry->get_factory("caddie.factory/0") != nullptr)
      wrong = "get_factory() answers for a factory that does not exist; give NULL for every unknown id";
    return caddie_code{CADDIE_OK};
  });
  (void)subject.calls().hook("descriptor() beyond the count", [&] {
    if (library.factory->descriptor(library.factory->count) != nullptr)
      wrong = "descriptor() answers beyond its count; give NULL there";
    return caddie_code{CADDIE_OK};
  });
  if (!wrong.empty()) throw Failure(wrong);
  const caddie_config config = plugins::make_config(subject.defaults());
  const std::string other = subject.plugin().id + "-no";
  if (subject.create(config, other.c_str()))
    throw Failure(fmt::format("create() makes an object for the id \"{}\", which the file does not have", other));
  const plugins::Object object = subject.make_or_fail(subject.defaults());
  (void)subject.calls().hook("query(\"caddie.nothing/1\")", [&] {
    if (object.abi()->query(object.abi(), "caddie.nothing/1") != nullptr)
      wrong = "query() answers for an interface that does not exist; give NULL for every unknown id";
    return caddie_code{CADDIE_OK};
  });
  if (!wrong.empty()) throw Failure(wrong);
  if (stem != subject.plugin().id && library.factory->count == 1) {
    throw Failure(
        fmt::format("the file is called {}.so and its plugin \"{}\"; name the file after the id, so that "
                    "people find it",
                    stem, subject.plugin().id));
  }
  return fmt::format("{} {}, {}", subject.plugin().id, subject.plugin().version, subject.plugin().licence);
}

// A form of our JSON Schema in which every option has a default that fits and a meaning.
std::string schema(Subject& subject) {
  const json& schema = subject.plugin().schema;
  std::vector<std::string> wrong;
  for (const manifest::Issue& issue : manifest::check_plugin_schema(schema))
    wrong.push_back(issue.pointer + ": " + issue.message);
  const json properties = schema.value("properties", json::object());
  for (const auto& [key, option] : properties.items()) {
    if (!option.contains("default")) wrong.push_back(fmt::format("/properties/{}: has no default", key));
    if (option.value("description", "").empty())
      wrong.push_back(fmt::format("/properties/{}: has no description", key));
  }
  if (!wrong.empty()) throw Failure(fmt::format("{}", fmt::join(wrong, "; ")));
  return fmt::format("{} option{}, each with default and meaning", properties.size(),
                     properties.size() == 1 ? "" : "s");
}

// The same bytes twice, and in another process.
std::string descriptor(Subject& subject) {
  std::string texts[2];
  for (std::string& text : texts) {
    (void)subject.calls().hook("descriptor()", [&] {
      const caddie_descriptor* again = subject.library().factory->descriptor(0);
      if (again != subject.library().descriptors.front()) text = "(moved)";
      return caddie_code{CADDIE_OK};
    });
    const auto described = plugins::describe_file(subject.plugin().path);
    text += value_or_fail(described).dump();
  }
  if (texts[0] != texts[1])
    throw Failure("describes itself differently when asked twice; a descriptor is constant data");
  if (!subject.described_elsewhere().empty() && texts[0] != subject.described_elsewhere())
    throw Failure(
        "describes itself differently in another process; a descriptor must not depend on addresses, time or "
        "environment");
  return "the same bytes twice and in another process";
}

// Defaults work; other choices work or are refused with a sentence.
std::string options(Subject& subject) {
  std::vector<std::string> refused;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    const auto made = subject.make(configuration.values);
    if (made) continue;
    if (&configuration == &all.front()) throw Failure(fmt::format("refuses its own defaults: {}", made.error().text));
    refused.push_back(configuration.name);
  }
  if (refused.empty()) return fmt::format("{} configuration{}", all.size(), all.size() == 1 ? "" : "s");
  return fmt::format("{} configurations; refuses alone: {}", all.size(), fmt::join(refused, ", "));
}

std::string lifetime(Subject& subject) {
  const caddie_config config = plugins::make_config(subject.defaults());
  return subject.calls().many("create() and destroy() in turn", [&] {
    return repeat_without_growth("create() and destroy()", subject.effort().cycles, [&] {
      caddie_object* made = nullptr;
      caddie_error error = plugins::fresh_error();
      const caddie_code code =
          subject.library().factory->create(subject.host().abi(), subject.plugin().id.c_str(), &config, &made, &error);
      if (code != CADDIE_OK || made == nullptr) throw Failure(fmt::format("create() fails: {}", error.text));
      made->destroy(made);
    });
  });
}

// Of a plugin whose interface has no check of states with something in them.
std::string state(Subject& subject) {
  if ((subject.plugin().flags & CADDIE_STATEFUL) == 0) throw Skip("keeps none of its own");
  const auto make = [&] { return subject.make_or_fail(subject.defaults()); };
  return check_state(subject, make, make, [](const plugins::Object&) {});
}

}  // namespace

std::span<const Check> common_checks() {
  static constexpr Check checks[] = {{"identity", identity}, {"schema", schema},     {"descriptor", descriptor},
                                     {"options", options},   {"lifetime", lifetime}, {"state", state}};
  return checks;
}

}  // namespace caddie::check
