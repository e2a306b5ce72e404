// libFuzzer: the bytes of a token shard.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/data/shard.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The parser asks for memory aligned to 2, which the fuzzer does not promise.
  const std::vector<std::uint8_t> bytes(data, data + size);
  const auto tokens = caddie::data::parse_shard(bytes, "fuzz");
  if (!tokens) return 0;
  if (caddie::data::kShardHeaderBytes + 2 * tokens->size() != size) std::abort();
  if (!caddie::data::check_ids(*tokens, 65536, "fuzz")) std::abort();
  return 0;
}
