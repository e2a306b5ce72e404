// Optimizers: the update of banks of several shapes and roles.
#include "runner/check/bank_checks.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/memory.hpp"

#include <algorithm>

namespace caddie::check {
namespace {

// What is built may point into the object, so it stays for the rest of the check.
BankBuilder builder(Subject& subject) {
  return [&subject, kept = std::make_shared<std::vector<plugins::Object>>()](
             const nlohmann::json& config, const graph::Shape& shape, const std::string& role) {
    kept->push_back(subject.make_or_fail(config));
    const plugins::Object& object = kept->back();
    const auto& table = object.table<caddie_optimizer>();
    return build_update(
        object.instance(),
        [&](caddie_build* build, const caddie_update* update, caddie_value* parameter, caddie_error* error) {
          return subject.calls().hook("update() of a bank " + shape.text(),
                                      [&] { return table.update(object.abi(), build, update, parameter, error); });
        },
        shape, role);
  };
}

std::string builds(Subject& subject) { return check_updates_build(subject, builder(subject)); }
std::string moves(Subject& subject) { return check_updates_move(subject, builder(subject)); }
std::string members(Subject& subject) { return check_members_apart(subject, builder(subject)); }
std::string executors(Subject& subject) { return check_update_executors(subject, builder(subject)); }
std::string threads(Subject& subject) { return check_update_threads(subject, builder(subject)); }
std::string kernels(Subject& subject) { return check_update_kernels(subject, builder(subject)); }

}  // namespace

std::span<const Check> optimizer_checks() {
  static constexpr Check checks[] = {{"builds", builds},       {"moves", moves},     {"members", members},
                                     {"executors", executors}, {"threads", threads}, {"kernels", kernels}};
  return checks;
}

}  // namespace caddie::check
