// libFuzzer entry point for manifests: clang++ -fsanitize=fuzzer,address.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/manifest_bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  caddie::manifest::testing::check_manifest_bytes(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
