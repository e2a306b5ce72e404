// LZMA2 as xz writes it (Pavlov; Collin): matches, and a binary range coder with adaptive contexts.
//
// openai/parameter-golf PR #549, #1033, #1130 pack their models with preset 6. Strong on text and headers; on weight
// codes its bitwise literal coder is some 5 % above their entropy.
#include <caddie/plugin.hpp>

#include <lzma.h>

namespace {

using namespace caddie;

// More than any preset's decoder needs (preset 9: 65 MiB); a file that asks for more is refused.
constexpr uint64_t kDecoderMemory = uint64_t{128} << 20;

void check(lzma_ret result, const char* doing) {
  if (result == LZMA_OK || result == LZMA_STREAM_END) return;
  if (result == LZMA_MEM_ERROR) throw std::bad_alloc();
  const char* why = result == LZMA_MEMLIMIT_ERROR ? "they ask for too much memory"
                    : result == LZMA_BUF_ERROR    ? "they are cut off, or unpack to more than expected"
                                                  : "they are damaged";
  throw Failure(std::string("lzma could not ") + doing + " the bytes: " + why + " (code " + std::to_string(result) +
                ")");
}

struct Lzma : Compressor {
  static constexpr Identity identity{
      .id = "lzma", .summary = "LZMA2, in the xz container or raw", .citation = "tukaani.org/xz"};

  Integer preset{this, "preset", 6, "0 is fast, 9 is small", range(0, 9)};
  Flag extreme{this, "extreme", false, "search longer, for a little less size"};
  Text format{this,
              "format",
              "xz",
              "xz: with headers and check sums; raw: the bare LZMA2 stream, some 60 bytes less",
              {"xz", "raw"}};

  void configure() override {
    if (preset < 0 || preset > 9) throw Failure("preset must be 0 to 9");
  }

  [[nodiscard]] uint32_t full_preset() const {
    return static_cast<uint32_t>(preset) | (extreme ? LZMA_PRESET_EXTREME : 0u);
  }

  // Calls back with the filter chain of a raw stream, which both sides know from the options.
  template <class Use>
  lzma_ret with_filters(Use&& use) const {
    lzma_options_lzma options;
    if (lzma_lzma_preset(&options, full_preset()) != 0) throw Failure("lzma does not know this preset");
    const lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
    return use(filters);
  }

  [[nodiscard]] std::vector<uint8_t> pack(std::span<const Stream> streams) const override {
    const std::vector<uint8_t> all = join(streams);
    std::vector<uint8_t> packed(lzma_stream_buffer_bound(all.size()));
    std::size_t size = 0;
    if (format == "xz") {
      check(lzma_easy_buffer_encode(full_preset(), LZMA_CHECK_CRC64, nullptr, all.data(), all.size(), packed.data(),
                                    &size, packed.size()),
            "pack");
    } else {
      check(with_filters([&](const lzma_filter* filters) {
              return lzma_raw_buffer_encode(filters, nullptr, all.data(), all.size(), packed.data(), &size,
                                            packed.size());
            }),
            "pack");
    }
    packed.resize(size);
    return packed;
  }

  void unpack(std::span<const uint8_t> packed, std::span<const Stream> streams) const override {
    std::vector<uint8_t> all;
    all.reserve(static_cast<std::size_t>(total_size(streams)) + 1);  // the library wants an address even for nothing
    all.resize(static_cast<std::size_t>(total_size(streams)));
    std::size_t read = 0;
    std::size_t written = 0;
    if (format == "xz") {
      uint64_t limit = kDecoderMemory;
      check(lzma_stream_buffer_decode(&limit, 0, nullptr, packed.data(), &read, packed.size(), all.data(), &written,
                                      all.size()),
            "unpack");
    } else {
      check(with_filters([&](const lzma_filter* filters) {
              return lzma_raw_buffer_decode(filters, nullptr, packed.data(), &read, packed.size(), all.data(), &written,
                                            all.size());
            }),
            "unpack");
    }
    if (read != packed.size()) throw Failure("there are bytes after the packed stream");
    all.resize(written);
    split(all, streams);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Lzma)
