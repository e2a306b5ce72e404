// Fuzzes the reading of artifacts: the container as it comes, and behind a digest that fits the header and stored
// groups. No plugin runs. Built as any libFuzzer program: clang++ -fsanitize=fuzzer,address,undefined.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "core/artifact/artifact.hpp"
#include "core/artifact/container.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace caddie::artifact;
  const Limits limits{.tensors = 1000, .elements = 1 << 20, .coded_bytes = 1 << 22};
  const std::vector<std::uint8_t> input(data, data + size);
  static_cast<void>(Artifact::open(input, "fuzz", limits));

  // The input as a header text and a group, divided at its first zero byte.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), size);
  const std::vector<std::vector<std::uint8_t>> groups = {
      {input.begin() + static_cast<std::ptrdiff_t>(std::min(end + 1, size)), input.end()}};
  const auto sealed = format_container(text.substr(0, end), groups);
  if (!sealed) return 0;
  const auto artifact = Artifact::open(*sealed, "fuzz", limits);
  if (!artifact) return 0;
  const bool stored = artifact->header().groups.size() == 1 && !artifact->header().groups.front().compressor;
  if (!stored) return 0;
  const auto parts = artifact->parts({});
  if (!parts) return 0;
  if (!artifact->sizes({})) std::abort();  // what unpacks can be counted
  if (parts->tensors.size() != artifact->header().tensors.size()) std::abort();
  return 0;
}
