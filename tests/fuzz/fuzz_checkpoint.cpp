// libFuzzer: a checkpoint, as it comes and as the content behind a digest that fits. What is accepted must come back
// the same.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/base/hash.hpp"
#include "core/train/checkpoint.hpp"

namespace {

void decode(std::span<const std::uint8_t> bytes) {
  using namespace caddie::train;
  const auto checkpoint = decode_checkpoint(bytes, "fuzz");
  if (!checkpoint) return;
  const auto again = decode_checkpoint(encode_checkpoint(*checkpoint), "fuzz");
  if (!again || again->sections != checkpoint->sections || again->step != checkpoint->step) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  decode({data, size});
  constexpr std::size_t kHeader = 12;  // magic and version, taken from a good file
  std::vector<std::uint8_t> sealed = caddie::train::encode_checkpoint({});
  sealed.resize(kHeader);
  const caddie::Sha256Digest digest = caddie::sha256(std::span<const std::uint8_t>(data, size));
  sealed.insert(sealed.end(), digest.begin(), digest.end());
  sealed.insert(sealed.end(), data, data + size);
  decode(sealed);
  return 0;
}
