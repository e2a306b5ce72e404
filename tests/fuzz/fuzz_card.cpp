// libFuzzer: a data card. What is accepted must come back the same after writing and reading.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/data/card.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto card = caddie::data::parse_card({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!card) return 0;
  const std::string text = caddie::data::format_card(*card);
  const auto again = caddie::data::parse_card(text, "fuzz");
  if (!again || caddie::data::format_card(*again) != text) std::abort();
  return 0;
}
