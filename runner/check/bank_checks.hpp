// What optimizers and test-time strategies share: the update of a bank. One thread.
#pragma once

#include <functional>
#include <string>

#include "runner/check/builds.hpp"
#include "runner/check/subject.hpp"

namespace caddie::check {

// One object's update of a bank of this shape and role.
using BankBuilder = std::function<plugins::BuildResult(const nlohmann::json& config, const graph::Shape& shape,
                                                       const std::string& role)>;

// Each a check: a sentence, or Failure.
std::string check_updates_build(Subject& subject, const BankBuilder& build);
std::string check_updates_move(Subject& subject, const BankBuilder& build);
std::string check_members_apart(Subject& subject, const BankBuilder& build);
std::string check_update_executors(Subject& subject, const BankBuilder& build);
std::string check_update_threads(Subject& subject, const BankBuilder& build);
std::string check_update_kernels(Subject& subject, const BankBuilder& build);

}  // namespace caddie::check
