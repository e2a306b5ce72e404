// What of this process a plugin must leave as it is: rounding and denormals, locale, threads, standard output, working
// folder, signal handlers. One thread.
#pragma once

#include <array>
#include <string>

namespace caddie::check {

class ProcessState {
 public:
  // What is the case now. Standard output must be a file, or what is printed to it is not seen.
  static ProcessState now();

  // What a call changed, as a sentence without a subject: "prints to standard output: ..."; empty when nothing.
  [[nodiscard]] std::string change_since(const ProcessState& before) const;

 private:
  int rounding_ = 0;
  unsigned control_ = 0;  // of the floating-point unit, where the processor has such a register
  std::string locale_;
  const void* thread_locale_ = nullptr;
  long threads_ = 0;
  long long printed_ = 0;
  std::string folder_;
  std::array<const void*, 8> handlers_{};
};

}  // namespace caddie::check
