// Compressors: round trips, and bytes that nobody packed.
#include <fmt/format.h>

#include <random>
#include <vector>

#include "core/base/text.hpp"
#include "core/plugins/stream.hpp"
#include "runner/check/checks.hpp"

namespace caddie::check {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Streams = std::vector<Bytes>;

std::vector<caddie_bytes> views(Streams& streams) {
  std::vector<caddie_bytes> list;
  static constexpr const char* names[] = {"matrices.codes", "matrices.scales", "tables.codes", "scalars.values"};
  for (std::size_t i = 0; i < streams.size(); ++i)
    list.push_back({names[i % std::size(names)], streams[i].data(), streams[i].size()});
  return list;
}

Result<Bytes> pack(Subject& subject, const plugins::Object& object, Streams streams, const std::string& what) {
  const std::vector<caddie_bytes> list = views(streams);
  plugins::StreamSink sink(std::size_t{1} << 28);
  auto packed = subject.calls().run("pack() of " + what, [&](caddie_error* error) {
    return object.table<caddie_compressor>().pack(object.abi(), list.data(), static_cast<std::uint32_t>(list.size()),
                                                  sink.abi(), error);
  });
  if (!packed) return packed.error();
  return sink.take();
}

// Whether it was accepted; writes beyond a stream's end are found.
bool unpack(Subject& subject, const plugins::Object& object, const Bytes& packed, Streams& out,
            const std::string& what) {
  constexpr std::uint8_t guard = 0xA5;
  Streams guarded = out;
  for (Bytes& stream : guarded) stream.insert(stream.end(), 16, guard);
  std::vector<caddie_bytes> list = views(guarded);
  for (std::size_t i = 0; i < list.size(); ++i) list[i].size = out[i].size();
  const caddie_str bytes{reinterpret_cast<const char*>(packed.data()), packed.size()};
  const auto unpacked = subject.calls().run("unpack() of " + what, [&](caddie_error* error) {
    return object.table<caddie_compressor>().unpack(object.abi(), bytes, list.data(),
                                                    static_cast<std::uint32_t>(list.size()), error);
  });
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t k = 0; k < 16; ++k) {
      if (guarded[i][out[i].size() + k] != guard)
        throw Failure(fmt::format("unpack() of {} writes beyond the end of a stream of {} bytes", what, out[i].size()));
    }
    out[i].assign(guarded[i].begin(), guarded[i].end() - 16);
  }
  return unpacked.ok();
}

Bytes random_bytes(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

struct Case {
  const char* name;
  Streams streams;
};
std::vector<Case> cases() {
  Bytes codes = random_bytes(30000, 5);
  for (std::uint8_t& byte : codes) byte &= 0x0F;
  return {{"nothing", {}},
          {"one empty stream", {{}}},
          {"one byte", {{7}}},
          {"zeros", {Bytes(100000, 0)}},
          {"random bytes", {random_bytes(70000, 3)}},
          {"four streams", {codes, random_bytes(999, 4), {}, Bytes(257, 9)}}};
}

std::string round_trip(Subject& subject) {
  std::size_t original = 0;
  std::size_t packed_size = 0;
  std::size_t count = 0;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    const auto object = subject.make(configuration.values);
    if (!object) continue;
    for (const Case& test : cases()) {
      const std::string what = fmt::format("{} ({})", test.name, configuration.name);
      const auto packed = pack(subject, *object, test.streams, what);
      if (!packed) throw Failure(packed.error().message());
      if (pack(subject, *object, test.streams, what).value() != *packed)
        throw Failure(fmt::format("packs {} to other bytes the second time", what));
      Streams out;
      for (const Bytes& stream : test.streams) out.emplace_back(stream.size());
      if (!unpack(subject, *object, *packed, out, what))
        throw Failure(fmt::format("refuses to unpack {}, which it packed", what));
      if (out != test.streams) throw Failure(fmt::format("{} comes back changed", what));
      if (std::string_view(test.name) == "four streams" && &configuration == &all.front()) {
        for (const Bytes& stream : test.streams) original += stream.size();
        packed_size = packed->size();
      }
      ++count;
    }
  }
  return fmt::format("{} round trips; four streams of {} bytes become {}", count,
                     with_separators(static_cast<std::int64_t>(original)),
                     with_separators(static_cast<std::int64_t>(packed_size)));
}

// Any bytes at all: refused, or harmless.
std::string corruption(Subject& subject) {
  const plugins::Object object = subject.make_or_fail(subject.defaults());
  const Streams streams = cases().back().streams;
  const Bytes good = pack(subject, object, streams, "four streams").value();
  Streams sizes;
  for (const Bytes& stream : streams) sizes.emplace_back(stream.size());
  std::size_t tried = 0;
  std::size_t refused = 0;
  const auto attempt = [&](const Bytes& bytes, const std::string& what) {
    Streams out = sizes;
    ++tried;
    if (!unpack(subject, object, bytes, out, what)) ++refused;
  };
  for (std::size_t cut = 0; cut < good.size(); cut += std::max<std::size_t>(1, good.size() / 60))
    attempt({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut)}, fmt::format("the first {} bytes", cut));
  std::mt19937 random(11);
  for (int i = 0; i < 200; ++i) {
    Bytes bad = good;
    for (unsigned change = 0; change <= random() % 4; ++change)
      bad[random() % bad.size()] ^= static_cast<std::uint8_t>(1u << (random() % 8));
    attempt(bad, "flipped bits");
  }
  for (unsigned seed = 0; seed < 50; ++seed) attempt(random_bytes(1 + seed * 37, seed), "random bytes");
  Streams other = sizes;
  other[0].resize(other[0].size() + 1);
  if (unpack(subject, object, good, other, "streams of another size"))
    throw Failure("fills streams of another size than those it packed and reports success");
  return fmt::format("{} damaged inputs, {} refused, none harmful", tried, refused);
}

}  // namespace

std::span<const Check> compressor_checks() {
  static constexpr Check checks[] = {{"round-trip", round_trip}, {"corruption", corruption}};
  return checks;
}

}  // namespace caddie::check
