// @ID@: runs of equal bytes (PackBits: Apple Technical Note 1023, 1996).
//
//   0 .. 127 as a signed byte n:   n + 1 bytes follow as they are
//   -1 .. -127:                    the next byte stands 1 - n times
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct @CLASS@ : Compressor {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "runs of equal bytes as a count and the byte",
                                     .citation = "Apple Technical Note 1023, 1996"};

  Integer shortest{this, "shortest", 3, "equal bytes from which on they count as a run", range(2, 128)};

  [[nodiscard]] std::vector<uint8_t> pack(std::span<const Stream> streams) const override {
    const std::vector<uint8_t> in = join(streams);
    std::vector<uint8_t> out;
    std::size_t plain = 0;  // where the bytes that are not written yet begin
    for (std::size_t at = 0; at < in.size();) {
      const std::size_t run = run_at(in, at);
      if (run >= static_cast<std::size_t>(shortest.value())) {
        put_plain(in, plain, at, out);
        out.push_back(static_cast<uint8_t>(257 - run));
        out.push_back(in[at]);
        plain = at + run;
      }
      at += run;
    }
    put_plain(in, plain, in.size(), out);
    return out;
  }

  // `packed` may be any bytes: nothing is read beyond its end or written beyond the streams'.
  void unpack(std::span<const uint8_t> packed, std::span<const Stream> streams) const override {
    const uint64_t size = total_size(streams);
    std::vector<uint8_t> out;
    for (std::size_t at = 0; at < packed.size();) {
      const uint8_t head = packed[at++];
      const std::size_t count = head < 128 ? head + 1u : 257u - head;
      const std::size_t bytes = head < 128 ? count : 1;
      if (packed.size() - at < bytes || size - out.size() < count) throw Failure("the packed bytes are damaged");
      if (head < 128) {
        out.insert(out.end(), packed.begin() + static_cast<std::ptrdiff_t>(at),
                   packed.begin() + static_cast<std::ptrdiff_t>(at + count));
      } else {
        out.insert(out.end(), count, packed[at]);
      }
      at += bytes;
    }
    split(out, streams);
  }

 private:
  // How many bytes from `at` on are equal, at most 128.
  static std::size_t run_at(const std::vector<uint8_t>& in, std::size_t at) {
    std::size_t end = at + 1;
    while (end < in.size() && in[end] == in[at] && end - at < 128) ++end;
    return end - at;
  }
  static void put_plain(const std::vector<uint8_t>& in, std::size_t begin, std::size_t end, std::vector<uint8_t>& out) {
    for (; begin < end; begin += std::min<std::size_t>(end - begin, 128)) {
      const std::size_t count = std::min<std::size_t>(end - begin, 128);
      out.push_back(static_cast<uint8_t>(count - 1));
      out.insert(out.end(), in.begin() + static_cast<std::ptrdiff_t>(begin),
                 in.begin() + static_cast<std::ptrdiff_t>(begin + count));
    }
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
