#include "runner/check/state_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "runner/check/failure.hpp"

namespace caddie::check {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kLargestState = std::size_t{64} << 20;

// A stream that gives and takes little at a time, which the ABI allows.
struct Pieces {
  Bytes bytes;
  std::size_t at = 0;
  std::size_t piece = 0;
  caddie_stream stream{};

  explicit Pieces(std::size_t size) : piece(size == 0 ? SIZE_MAX : size) {
    stream.struct_size = sizeof stream;
    stream.context = this;
    stream.read = [](const caddie_stream* from, void* to, uint64_t size) -> int64_t {
      auto& self = *static_cast<Pieces*>(from->context);
      const std::size_t count = std::min({static_cast<std::size_t>(size), self.piece, self.bytes.size() - self.at});
      if (count > 0) std::memcpy(to, self.bytes.data() + self.at, count);
      self.at += count;
      return static_cast<int64_t>(count);
    };
    stream.write = [](const caddie_stream* to, const void* from, uint64_t size) -> int64_t {
      auto& self = *static_cast<Pieces*>(to->context);
      const std::size_t count = std::min(static_cast<std::size_t>(size), self.piece);
      if (self.bytes.size() + count > kLargestState) return -1;
      const auto* begin = static_cast<const std::uint8_t*>(from);
      self.bytes.insert(self.bytes.end(), begin, begin + count);
      return static_cast<int64_t>(count);
    };
  }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
};

}  // namespace

Result<Bytes> save_state(Subject& subject, const plugins::Object& object, std::size_t piece) {
  Pieces pieces(piece);
  auto saved = subject.calls().run(
      "save()", [&](caddie_error* error) { return object.abi()->save(object.abi(), &pieces.stream, error); });
  if (!saved) return saved.error();
  return std::move(pieces.bytes);
}

Result<void> load_state(Subject& subject, const plugins::Object& object, const Bytes& bytes, std::uint32_t version,
                        std::size_t piece) {
  Pieces pieces(piece);
  pieces.bytes = bytes;
  return subject.calls().run(fmt::format("load() of {} bytes", bytes.size()), [&](caddie_error* error) {
    return object.abi()->load(object.abi(), &pieces.stream, version, error);
  });
}

std::string check_state(Subject& subject, const std::function<plugins::Object()>& used,
                        const std::function<plugins::Object()>& fresh,
                        const std::function<void(const plugins::Object&)>& use) {
  const std::uint32_t version = subject.descriptor().state_version;
  const plugins::Object original = used();
  const Bytes good = value_or_fail(save_state(subject, original));
  if (value_or_fail(save_state(subject, original)) != good) throw Failure("save() gives other bytes the second time");
  if (value_or_fail(save_state(subject, original, 7)) != good)
    throw Failure("save() gives other bytes when a stream takes 7 bytes at a time; write() says how many it took");
  for (const std::size_t piece : {std::size_t{0}, std::size_t{7}}) {
    const plugins::Object copy = fresh();
    if (auto loaded = load_state(subject, copy, good, version, piece); !loaded)
      throw Failure(fmt::format("load() refuses what save() gave{}: {}", piece == 0 ? "" : ", read 7 bytes at a time",
                                loaded.error().text));
    if (value_or_fail(save_state(subject, copy)) != good)
      throw Failure("save() after load() gives other bytes than those that were loaded");
    use(copy);
  }
  {
    const plugins::Object copy = fresh();
    if (load_state(subject, copy, good, version + 1))
      throw Failure(fmt::format("load() accepts a state of version {}, which does not exist yet", version + 1));
  }
  const std::size_t stride = std::max<std::size_t>(1, good.size() / 100);
  for (std::size_t length = 0; length < good.size(); length += stride) {
    const plugins::Object copy = fresh();
    if (load_state(subject, copy, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)}, version))
      throw Failure(fmt::format("load() accepts {} of the {} bytes of a state; refuse one that ends too early", length,
                                good.size()));
  }
  std::mt19937 random(7);
  int refused = 0;
  constexpr int kTrials = 300;
  for (int trial = 0; trial < kTrials && !good.empty(); ++trial) {
    Bytes bad = good;
    for (unsigned change = 0; change <= random() % 3; ++change)
      bad[random() % bad.size()] ^= static_cast<std::uint8_t>(1u << (random() % 8));
    const plugins::Object copy = fresh();
    if (load_state(subject, copy, bad, version)) {
      use(copy);
    } else {
      ++refused;
    }
  }
  return fmt::format("{} bytes; saved, loaded and saved the same; {} of {} damaged ones refused, none harmful",
                     good.size(), refused, kTrials);
}

}  // namespace caddie::check
