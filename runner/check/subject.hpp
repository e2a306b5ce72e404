// The plugin under test: its file loaded into this process, which is one made for a single check (isolation.hpp), and
// objects of it. One thread.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/plugins/model.hpp"
#include "core/plugins/object.hpp"
#include "runner/check/calls.hpp"
#include "runner/check/isolation.hpp"

namespace caddie::check {

// How thorough.
struct Effort {
  int cycles = 10000;           // of create and destroy
  double timeout_seconds = 60;  // for one check
};

// A set of option values to try: the defaults, or the defaults with one choice made differently.
struct Configuration {
  std::string name;  // "defaults", "mode=gate"
  nlohmann::json values;
};

class Subject {
 public:
  // Fails when the file cannot be loaded or has no such plugin.
  Subject(const std::filesystem::path& file, const std::string& id, const Effort& effort, const Workspace& workspace);
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  [[nodiscard]] const plugins::Description& plugin() const { return description_; }
  [[nodiscard]] const caddie_descriptor& descriptor() const { return *descriptor_; }
  [[nodiscard]] const plugins::Library& library() const { return *library_; }
  [[nodiscard]] const Effort& effort() const { return effort_; }
  [[nodiscard]] const plugins::Host& host() const { return host_; }
  Calls& calls() { return calls_; }
  // What another process was told by the file: describe_file's JSON.
  void set_described_elsewhere(std::string text) { described_elsewhere_ = std::move(text); }
  [[nodiscard]] const std::string& described_elsewhere() const { return described_elsewhere_; }

  // The defaults first; then every other choice and switch of the schema, one at a time.
  [[nodiscard]] std::vector<Configuration> configurations() const;
  [[nodiscard]] nlohmann::json defaults() const;
  // Defaults with these values over them; an unknown key fails.
  [[nodiscard]] nlohmann::json over_defaults(const nlohmann::json& config) const;

  // create(): an Error when the plugin refuses the configuration.
  Result<plugins::Object> make(const nlohmann::json& config);
  // Fails when it is refused.
  plugins::Object make_or_fail(const nlohmann::json& config);
  // The same for loops that are one call to what watches.
  plugins::Object make_unwatched(const nlohmann::json& config);
  // create() alone. The object is the caller's.
  Result<caddie_object*> create(const caddie_config& config, const char* id = nullptr);

  // What a block attaches, each function watched. The object must outlive the result, which the subject keeps.
  plugins::BlockInstance attach(const plugins::Object& block, const plugins::Dims& dims);

  // What the plugin itself said when it last refused to build (no mistake of an operation); empty when it never did.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

  struct Watched;

 private:
  plugins::Host host_{1};
  Calls calls_;
  Effort effort_;
  const plugins::Library* library_ = nullptr;
  const caddie_descriptor* descriptor_ = nullptr;
  plugins::Description description_;
  std::string described_elsewhere_;
  std::string refusal_;
  std::deque<std::unique_ptr<Watched>> watched_;
};

// Everything the file says of its plugins, loaded into this process.
std::vector<plugins::Description> describe(const std::filesystem::path& file, Calls& calls);

}  // namespace caddie::check
