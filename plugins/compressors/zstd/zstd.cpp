// Zstandard (Collet, RFC 8878): matches in a long window, then Huffman and finite-state entropy coding.
//
// openai/parameter-golf PR #162, #180, #388 pack their models with level 22. On weight codes, where matches find
// nothing, it is a Huffman coder.
#include <caddie/plugin.hpp>

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace {

using namespace caddie;

std::size_t checked(std::size_t result) {
  if (ZSTD_isError(result) != 0) throw Failure(std::string("zstd: ") + ZSTD_getErrorName(result));
  return result;
}

struct Zstd : Compressor {
  static constexpr Identity identity{.id = "zstd", .summary = "Zstandard with a long window", .citation = "RFC 8878"};

  Integer level{this, "level", 19, "1 is fast, 22 is small", range(1, 22)};
  Integer window_log{this, "window_log", 27, "matches reach back 2^window_log bytes; 0: the level's own choice",
                     range(0, 30)};

  [[nodiscard]] std::vector<uint8_t> pack(std::span<const Stream> streams) const override {
    const std::vector<uint8_t> all = join(streams);
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    if (!context) throw std::bad_alloc();
    checked(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, static_cast<int>(level)));
    if (window_log > 0) {
      checked(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_enableLongDistanceMatching, 1));
      checked(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, std::max(10, static_cast<int>(window_log))));
    }
    checked(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0));  // sizes stand in the artifact's header
    std::vector<uint8_t> packed(ZSTD_compressBound(all.size()));
    packed.resize(checked(ZSTD_compress2(context.get(), packed.data(), packed.size(), all.data(), all.size())));
    return packed;
  }

  // The whole output lies in memory of the known size, so a frame's own claims about size and window ask for nothing.
  void unpack(std::span<const uint8_t> packed, std::span<const Stream> streams) const override {
    std::vector<uint8_t> all(static_cast<std::size_t>(total_size(streams)));
    all.resize(checked(ZSTD_decompress(all.data(), all.size(), packed.data(), packed.size())));
    split(all, streams);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Zstd)
