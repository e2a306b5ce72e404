// What `caddie doctor` says of one part of the machine or of the installation.
#pragma once

#include <string>
#include <vector>

namespace caddie::doctor {

enum class State {
  found,
  missing,  // optional, and not there: something cannot be used
  broken,   // needed, or there and not usable
};

struct Finding {
  std::string part;    // "processor", "mpi", "cuda driver"
  State state = State::found;
  std::string text;    // what was found, or why not
  std::string advice;  // what to do; empty where there is nothing to do
};

}  // namespace caddie::doctor
