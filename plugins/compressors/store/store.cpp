// No compression: streams end to end. The comparison that says what another compressor gains.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct Store : Compressor {
  static constexpr Identity identity{.id = "store", .summary = "streams as they are"};

  [[nodiscard]] std::vector<uint8_t> pack(std::span<const Stream> streams) const override { return join(streams); }
  void unpack(std::span<const uint8_t> packed, std::span<const Stream> streams) const override {
    split(packed, streams);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Store)
