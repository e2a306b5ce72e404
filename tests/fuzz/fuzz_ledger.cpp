// libFuzzer: a ledger. What is accepted, sealed again, must give the same digest.
#include <cstdint>
#include <cstdlib>

#include "core/score/ledger.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace caddie::score;
  const auto content = decode_ledger({data, size}, "fuzz");
  if (!content) return 0;
  const auto again = Ledger::create({}, content->subject);
  if (!again) std::abort();
  for (const Block& block : content->blocks) {
    if (!(*again)->seal(block)) std::abort();
  }
  if (!(*again)->close() || (*again)->digest() != content->digest) std::abort();
  return 0;
}
