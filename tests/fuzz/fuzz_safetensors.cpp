// libFuzzer: weights, as they come and with the input's first line as the header. What is accepted must come back the
// same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/train/safetensors.hpp"

namespace {

void decode(std::span<const std::uint8_t> bytes) {
  using namespace caddie::train;
  const auto tensors = decode_safetensors(bytes, "fuzz");
  if (!tensors) return;
  const auto again = decode_safetensors(encode_safetensors(*tensors), "fuzz");
  if (!again || again->size() != tensors->size()) std::abort();
  for (std::size_t i = 0; i < tensors->size(); ++i) {
    const HostTensor& before = (*tensors)[i];
    const HostTensor& after = (*again)[i];
    const std::size_t size = before.values.size() * sizeof(float);
    if (after.path != before.path || after.shape != before.shape || after.values.size() != before.values.size()) {
      std::abort();
    }
    if (std::memcmp(after.values.data(), before.values.data(), size) != 0) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  decode({data, size});
  const std::uint8_t* end = std::find(data, data + size, '\n');
  const std::uint64_t length = static_cast<std::uint64_t>(end - data);
  std::vector<std::uint8_t> file(sizeof length);
  std::memcpy(file.data(), &length, sizeof length);
  file.insert(file.end(), data, data + size);
  decode(file);
  return 0;
}
