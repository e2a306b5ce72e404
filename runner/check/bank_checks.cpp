#include "runner/check/bank_checks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <optional>

#include "runner/check/compare.hpp"
#include "runner/check/failure.hpp"
#include "runner/check/kernel_duties.hpp"

namespace caddie::check {
namespace {

struct BankForm {
  const char* role;
  graph::Shape shape;  // [N, ...]
};
const std::vector<BankForm>& forms() {
  static const std::vector<BankForm> all = {{"matrix", {3, 6, 4}}, {"matrix", {2, 4, 6}}, {"embedding", {1, 11, 4}},
                                            {"head", {1, 11, 4}},  {"scalar", {3, 5}},    {"scalar", {4, 1}},
                                            {"adapter", {2, 2, 6}}};
  return all;
}

// The forms that a plugin takes with these options; some updates are for matrices alone.
std::vector<BankForm> taken(const BankBuilder& build, const nlohmann::json& config) {
  std::vector<BankForm> list;
  std::string first;
  for (const BankForm& form : forms()) {
    try {
      (void)build(config, form.shape, form.role);
      list.push_back(form);
    } catch (const Failure& refused) {
      if (first.empty()) first = refused.what();
    }
  }
  if (list.empty()) throw Failure("takes no bank that was tried: " + first);
  return list;
}

Session session_of(plugins::BuildResult built, const Machine& machine = kReference) {
  const graph::Shape shape = built.graph.shape(built.graph.find_leaf("bank")->value);
  Session session(std::move(built), {}, 0, machine);
  session.set("bank", wave(shape, 1).values);
  session.set("gradient", wave(shape, 2, 0.3).values);
  session.set("scale", {1});
  return session;
}

caddie_step step_of(int step) {
  caddie_step at = step_at(step);
  at.steps = 100;
  at.fraction = step / 100.0;
  return at;
}

}  // namespace

std::string check_updates_build(Subject& subject, const BankBuilder& build) {
  std::size_t graphs = 0;
  const std::vector<Configuration> all = subject.configurations();
  std::size_t used = 0;
  for (const Configuration& configuration : all) {
    if (&configuration != &all.front() && !subject.make(configuration.values)) continue;
    ++used;
    for (const BankForm& form : taken(build, configuration.values)) {
      if (build(configuration.values, form.shape, form.role).graph.text() !=
          build(configuration.values, form.shape, form.role).graph.text()) {
        throw Failure(fmt::format("with {}: two objects with the same options build different updates of {}",
                                  configuration.name, form.shape.text()));
      }
      ++graphs;
    }
  }
  return fmt::format("{} updates in {} configuration{}, each twice the same", graphs, used, used == 1 ? "" : "s");
}

std::string check_updates_move(Subject& subject, const BankBuilder& build) {
  std::vector<std::string> names;
  for (const BankForm& form : taken(build, subject.defaults())) {
    Session session = session_of(build(subject.defaults(), form.shape, form.role));
    const std::vector<double> before = session.get("bank");
    for (int step = 0; step < 6; ++step) {
      session.run(step_of(step));
      expect_finite(session, fmt::format("after step {} ({} {})", step, form.role, form.shape.text()));
    }
    if (session.get("bank") == before)
      throw Failure(fmt::format("six steps with a gradient leave a bank of {} as it was", form.shape.text()));
    // A gradient of zeros must not divide by anything.
    Session still = session_of(build(subject.defaults(), form.shape, form.role));
    still.set("gradient", std::vector<double>(before.size(), 0.0));
    for (int step = 0; step < 3; ++step) still.run(step_of(step));
    expect_finite(still, fmt::format("with a gradient of zeros ({} {})", form.role, form.shape.text()));
    names.push_back(fmt::format("{} {}", form.role, form.shape.text()));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// Ranks share a bank out by its members, so a member's update must not depend on the others.
std::string check_members_apart(Subject& subject, const BankBuilder& build) {
  std::size_t count = 0;
  for (const BankForm& form : taken(build, subject.defaults())) {
    if (form.shape[0] < 2) continue;
    Session session = session_of(build(subject.defaults(), form.shape, form.role));
    Session other = session_of(build(subject.defaults(), form.shape, form.role));
    const auto member = static_cast<std::size_t>(form.shape.elements() / form.shape[0]);
    std::vector<double> gradient = other.get("gradient");
    std::vector<double> bank = other.get("bank");
    for (std::size_t i = member; i < gradient.size(); ++i) {
      gradient[i] = -2 * gradient[i] + 0.1;
      bank[i] *= 0.5;
    }
    other.set("gradient", gradient);
    other.set("bank", bank);
    for (int step = 0; step < 3; ++step) {
      session.run(step_of(step));
      other.run(step_of(step));
    }
    const std::vector<double> a = session.get("bank");
    const std::vector<double> b = other.get("bank");
    for (std::size_t i = 0; i < member; ++i) {
      if (std::abs(a[i] - b[i]) > 1e-9 * (1 + std::abs(a[i]))) {
        throw Failure(
            fmt::format("the update of one tensor of a bank {} depends on the others in it; reduce over the "
                        "axes after the first only",
                        form.shape.text()));
      }
    }
    ++count;
  }
  return fmt::format("{} banks, no member feels another", count);
}

std::string check_update_executors(Subject& subject, const BankBuilder& build) {
  std::string last;
  for (const BankForm& form : taken(build, subject.defaults())) {
    last = expect_executors_agree(
        [&](const Machine& machine) { return session_of(build(subject.defaults(), form.shape, form.role), machine); },
        3);
  }
  return last;
}

std::string check_update_threads(Subject& subject, const BankBuilder& build) {
  const BankForm first = taken(build, subject.defaults()).front();
  graph::Shape large = first.shape;
  large[0] = 4;
  for (int axis = 1; axis < large.rank(); ++axis) large[axis] = axis == 1 ? 96 : 64;
  return expect_threads_agree(
      [&](const Machine& machine) { return session_of(build(subject.defaults(), large, first.role), machine); }, 3);
}

std::string check_update_kernels(Subject& subject, const BankBuilder& build) {
  KernelDuties duties;
  for (const BankForm& form : taken(build, subject.defaults()))
    duties.expect(build(subject.defaults(), form.shape, form.role).graph);
  return duties.sentence();
}

}  // namespace caddie::check
