// Every call into the plugin goes through here: it is named, what it does to the process is seen, and an exception that
// it lets escape is caught. What was seen makes the check that runs fail. One thread; calls may nest.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "core/plugins/object.hpp"
#include "runner/check/process_state.hpp"

namespace caddie::check {

class Calls {
 public:
  // `current` is memory that outlives this process (isolation.hpp): the name of the running call stands there.
  Calls(char* current, std::size_t size) : current_(current), size_(size) {}
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  // body(caddie_error*) -> caddie_code.
  template <class Body>
  Result<void> run(const std::string& name, Body&& body) {
    caddie_error record = plugins::fresh_error();
    const caddie_code code = hook(name, [&] { return body(&record); });
    if (code != CADDIE_OK) return plugins::to_error(code, record, name);
    return {};
  }

  // The same where the record belongs to somebody else.
  template <class Body>
  caddie_code hook(const std::string& name, Body&& body) {
    begin(name);
    caddie_code code = CADDIE_ERROR_INTERNAL;
    try {
      code = body();
    } catch (const std::exception& exception) {
      escaped(exception.what());
    } catch (...) {
      escaped("no std::exception");
    }
    end();
    return code;
  }

  // For a loop of very many calls of one name: what they do to the process is looked at once, at the end. The body may
  // end with Failure or Skip.
  template <class Body>
  auto many(const std::string& name, Body&& body) {
    begin(name);
    const Ending ending{this};
    return body();
  }

  // Rules that were broken, as sentences; the check fails with them.
  void broken(const std::string& what);
  [[nodiscard]] const std::vector<std::string>& broken() const { return broken_; }

 private:
  struct Ending {
    Calls* calls;
    ~Ending() { calls->end(); }
  };
  void begin(const std::string& name);
  void end();
  void escaped(const std::string& what);
  void look();
  void show();

  char* current_;
  std::size_t size_;
  std::vector<std::string> open_;  // the names of calls that run, outermost first
  std::string last_;
  ProcessState known_;
  std::vector<std::string> broken_;
};

}  // namespace caddie::check
