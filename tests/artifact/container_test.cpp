#include "core/artifact/container.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/base/hash.hpp"

namespace caddie::artifact {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> groups() { return {{1, 2, 3}, {}, Bytes(1000, 7)}; }
const std::string kHeader = R"({"a":1,"b":[2,3]})";

Bytes sample() { return format_container(kHeader, groups()).value(); }

std::string refusal(const Bytes& bytes) {
  const auto parsed = parse_container(bytes, "x.caddie");
  return parsed ? "" : parsed.error().message();
}

// Overwrites a number of the file and makes the digest fit again, as somebody with bad intentions would.
template <class T>
Bytes forged(std::size_t at, T value, Bytes bytes = sample()) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  const std::span all(bytes);
  const auto digest = Sha256().update(all.first(32)).update(all.subspan(64)).finish();
  std::memcpy(bytes.data() + 32, digest.data(), digest.size());
  return bytes;
}

TEST(Container, GivesHeaderAndGroupsBack) {
  const Bytes bytes = sample();
  const auto parsed = parse_container(bytes, "x.caddie");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->header, kHeader);
  ASSERT_EQ(parsed->groups.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Bytes(parsed->groups[i].begin(), parsed->groups[i].end()), groups()[i]);
  }
  EXPECT_EQ(bytes.size(), 64 + 3 * 8 + static_cast<std::size_t>(parsed->packed_header_bytes) + 1003);
  EXPECT_EQ(parsed->digest.size(), 64u);
  EXPECT_EQ(sample(), bytes);
}

TEST(Container, NoGroupsAndNoHeader) {
  const auto bytes = format_container("", {});
  ASSERT_TRUE(bytes);
  const auto parsed = parse_container(*bytes, "x");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_TRUE(parsed->header.empty());
  EXPECT_TRUE(parsed->groups.empty());
}

TEST(Container, EveryChangedBitIsFound) {
  const Bytes bytes = sample();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = bytes;
      changed[at] ^= static_cast<std::uint8_t>(1u << bit);
      EXPECT_NE(refusal(changed), "") << at << " " << bit;
    }
  }
}

TEST(Container, EveryCutIsFound) {
  const Bytes bytes = sample();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))), "") << size;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_THAT(refusal(longer), HasSubstr("followed by other bytes"));
}

TEST(Container, SaysWhatIsWrong) {
  EXPECT_THAT(refusal({}), AllOf(HasSubstr("x.caddie"), HasSubstr("0 bytes long")));
  EXPECT_THAT(refusal(Bytes(100, 'a')), HasSubstr("no artifact"));
  Bytes cut = sample();
  cut.resize(cut.size() - 10);
  EXPECT_THAT(refusal(cut), HasSubstr("truncated"));
  Bytes changed = sample();
  changed.back() ^= 1;
  EXPECT_THAT(refusal(changed), HasSubstr("SHA-256"));
  EXPECT_THAT(refusal(forged<std::uint32_t>(8, 2)), HasSubstr("version 2"));
}

// The digest fits, the lengths do not.
TEST(Container, ForgedLengthsAreRefused) {
  const auto packed = static_cast<std::uint32_t>(parse_container(sample(), "x")->packed_header_bytes);
  EXPECT_THAT(refusal(forged<std::uint32_t>(12, 0xFFFFFFFFu)), HasSubstr("groups"));
  EXPECT_THAT(refusal(forged<std::uint32_t>(12, 200)), HasSubstr("table of its 200 groups"));
  EXPECT_NE(refusal(forged<std::uint32_t>(12, 2)), "");
  EXPECT_NE(refusal(forged<std::uint32_t>(12, 4)), "");
  EXPECT_THAT(refusal(forged<std::uint32_t>(16, 0xFFFFFFFFu)), HasSubstr("inside its header"));
  EXPECT_NE(refusal(forged<std::uint32_t>(16, packed - 1)), "");
  EXPECT_NE(refusal(forged<std::uint32_t>(16, packed + 1)), "");
  EXPECT_THAT(refusal(forged<std::uint32_t>(20, 0xFFFFFFFFu)), HasSubstr("at most"));
  EXPECT_THAT(refusal(forged<std::uint32_t>(20, 1u << 20)), HasSubstr("promised"));
  EXPECT_NE(refusal(forged<std::uint32_t>(20, 3)), "");
  EXPECT_NE(refusal(forged<std::uint64_t>(24, ~std::uint64_t{0})), "");
  EXPECT_THAT(refusal(forged<std::uint64_t>(64, ~std::uint64_t{0})), HasSubstr("inside group 0"));
  EXPECT_THAT(refusal(forged<std::uint64_t>(80, 1001)), HasSubstr("inside group 2"));
  EXPECT_THAT(refusal(forged<std::uint64_t>(80, 999)), HasSubstr("after its last group"));
}

TEST(Container, RefusesToWriteWhatItWouldNotRead) {
  EXPECT_FALSE(format_container(std::string(kMaxHeaderBytes + 1, ' '), {}));
  EXPECT_FALSE(format_container("", std::vector<Bytes>(kMaxGroups + 1)));
  EXPECT_TRUE(format_container("", std::vector<Bytes>(kMaxGroups)));
}

}  // namespace
}  // namespace caddie::artifact
