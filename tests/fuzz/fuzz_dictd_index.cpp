// libFuzzer: a dictd index; the first byte sets the size of the dictionary it is for.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/data/dictd.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint64_t data_bytes = std::uint64_t{1} << (data[0] % 64);
  const std::string_view index(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto entries = caddie::data::parse_dictd_index(index, data_bytes, "fuzz");
  if (!entries) return 0;
  for (const auto& entry : *entries) {
    if (entry.offset > data_bytes || entry.length > data_bytes - entry.offset) std::abort();
  }
  return 0;
}
