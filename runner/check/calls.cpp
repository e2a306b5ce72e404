#include "runner/check/calls.hpp"

#include <algorithm>
#include <cstdio>

namespace caddie::check {

void Calls::broken(const std::string& what) {
  if (std::ranges::find(broken_, what) == broken_.end()) broken_.push_back(what);
}

void Calls::begin(const std::string& name) {
  if (open_.empty()) {
    known_ = ProcessState::now();
  } else {
    look();
  }
  open_.push_back(name);
  show();
}

void Calls::end() {
  look();
  last_ = open_.back();
  open_.pop_back();
  show();
}

void Calls::escaped(const std::string& what) {
  broken(open_.back() + ": lets a C++ exception escape (" + what +
         "); return an error code, as the base classes of the SDK do");
}

void Calls::look() {
  const ProcessState state = ProcessState::now();
  if (const std::string change = state.change_since(known_); !change.empty()) broken(open_.back() + ": " + change);
  known_ = state;
}

void Calls::show() {
  const std::string text = !open_.empty() ? "in " + open_.back() : last_.empty() ? "" : "after " + last_;
  std::snprintf(current_, size_, "%s", text.c_str());
}

}  // namespace caddie::check
