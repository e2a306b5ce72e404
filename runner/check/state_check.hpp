// Saved states: round trips and damaged bytes. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runner/check/subject.hpp"

namespace caddie::check {

// Bytes of an object's state, given away `piece` bytes at a time at most (0: as many as asked for).
Result<std::vector<std::uint8_t>> save_state(Subject& subject, const plugins::Object& object, std::size_t piece = 0);
Result<void> load_state(Subject& subject, const plugins::Object& object, const std::vector<std::uint8_t>& bytes,
                        std::uint32_t version, std::size_t piece = 0);

// `used` makes an object that has something to save; `fresh` one that can load it; `use` does with a loaded object what
// it is for, so that a state which was accepted shows that it is harmless. A sentence for the report, or Failure.
std::string check_state(Subject& subject, const std::function<plugins::Object()>& used,
                        const std::function<plugins::Object()>& fresh,
                        const std::function<void(const plugins::Object&)>& use);

}  // namespace caddie::check
