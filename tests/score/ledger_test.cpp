#include "core/score/ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/base/file.hpp"
#include "tests/train/support.hpp"

namespace caddie::score {
namespace {

using train::test::error_of;
using train::test::must;
using train::test::TemporaryFolder;
using train::test::value_of;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = 16;
constexpr std::size_t kDigest = 32;
constexpr std::size_t kRecord = 20;

std::vector<Block> blocks() {
  return {
      {0, {{0, 1.5, 3}, {1, 0.25, 0}, {2, 7.125, 1}}}, {0, {{3, 0.5, 2}}}, {4, {}}, {5, {{4, 2.0, 4}, {5, 3.0, 1}}}};
}

struct Written {
  Bytes bytes;
  std::string digest;
};

Written written(const std::vector<Block>& sealed = blocks(), const std::string& subject = "artifact 12ab") {
  const TemporaryFolder folder;
  const auto ledger = value_of(Ledger::create(folder / "ledger", subject));
  for (const Block& block : sealed) must(ledger->seal(block));
  must(ledger->close());
  return {value_of(read_bytes(folder / "ledger")), ledger->digest()};
}

std::string message(const Bytes& bytes) { return error_of(decode_ledger(bytes, "test")); }

TEST(Ledger, ComesBackAsItWasSealed) {
  const Written ledger = written();
  const LedgerContent content = value_of(decode_ledger(ledger.bytes, "test"));
  EXPECT_EQ(content.subject, "artifact 12ab");
  EXPECT_EQ(content.digest, ledger.digest);
  const std::vector<Block> sealed = blocks();
  ASSERT_EQ(content.blocks.size(), sealed.size());
  for (std::size_t b = 0; b < sealed.size(); ++b) {
    EXPECT_EQ(content.blocks[b].version, sealed[b].version);
    ASSERT_EQ(content.blocks[b].records.size(), sealed[b].records.size());
    for (std::size_t i = 0; i < sealed[b].records.size(); ++i) {
      EXPECT_EQ(content.blocks[b].records[i].target, sealed[b].records[i].target);
      EXPECT_EQ(content.blocks[b].records[i].nll, sealed[b].records[i].nll);
      EXPECT_EQ(content.blocks[b].records[i].bytes, sealed[b].records[i].bytes);
    }
  }
}

TEST(Ledger, HasTheBytesOfItsFormat) {
  const Bytes bytes = written({{7, {{3, 0.5, 2}}}}, "ab").bytes;
  const std::string begin("CADDIELG\x01\0\0\0\x02\0\0\0ab\x07\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0", 42);
  ASSERT_EQ(bytes.size(), kHeader + 2 + 16 + kRecord + kDigest + 16 + kDigest);
  EXPECT_TRUE(std::equal(begin.begin(), begin.end(), bytes.begin()));
  const std::span<const std::uint8_t> all = bytes;
  const Sha256Digest first = Sha256().update(sha256(all.first(18))).update(all.subspan(18, 36)).finish();
  EXPECT_TRUE(std::ranges::equal(all.subspan(54, kDigest), first));
  const Bytes end = {255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_TRUE(std::ranges::equal(all.subspan(86, 16), end));
  EXPECT_TRUE(std::ranges::equal(all.last(kDigest), Sha256().update(first).update(end).finish()));
}

TEST(Ledger, WithoutAFileItHasTheSameDigest) {
  const auto ledger = value_of(Ledger::create({}, "artifact 12ab"));
  for (const Block& block : blocks()) must(ledger->seal(block));
  must(ledger->close());
  EXPECT_EQ(ledger->digest(), written().digest);
}

TEST(Ledger, TheDigestCoversSubjectOrderAndScores) {
  std::vector<Block> swapped = blocks();
  std::swap(swapped[0], swapped[1]);
  std::vector<Block> lower = blocks();
  lower[0].records[0].nll = std::nextafter(1.5, 0);
  std::vector<Block> other_state = blocks();
  other_state[1].version = 1;
  for (const std::string& other : {written(swapped).digest, written(lower).digest, written(other_state).digest,
                                   written(blocks(), "artifact 12ac").digest}) {
    EXPECT_NE(other, written().digest);
  }
}

TEST(Ledger, ClosedMeansClosed) {
  const auto ledger = value_of(Ledger::create({}, ""));
  must(ledger->close());
  const std::string digest = ledger->digest();
  EXPECT_NE(error_of(ledger->seal(blocks()[0])).find("is closed"), std::string::npos);
  must(ledger->close());
  EXPECT_EQ(ledger->digest(), digest);
}

TEST(Ledger, EveryChangedByteIsSeen) {
  const Bytes good = written().bytes;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {1, 128}) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ flip);
      EXPECT_FALSE(decode_ledger(bad, "test")) << "byte " << at;
    }
  }
}

TEST(Ledger, EveryLengthIsSeen) {
  const Bytes good = written().bytes;
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(decode_ledger(std::span(good).first(length), "test")) << length << " bytes";
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_NE(message(longer).find("after its end"), std::string::npos);
}

TEST(Ledger, BlocksCannotBeTakenOutOrMoved) {
  const Bytes good = written().bytes;
  const std::size_t first = kHeader + std::string("artifact 12ab").size();
  const std::size_t second = first + 16 + 3 * kRecord + kDigest;
  const std::size_t third = second + 16 + kRecord + kDigest;
  const auto at = [](Bytes& bytes, std::size_t offset) { return bytes.begin() + static_cast<std::ptrdiff_t>(offset); };
  Bytes without = good;
  without.erase(at(without, first), at(without, second));
  EXPECT_NE(message(without).find("digest does not match"), std::string::npos);
  Bytes swapped = good;
  std::rotate(at(swapped, first), at(swapped, second), at(swapped, third));
  EXPECT_NE(message(swapped).find("digest does not match"), std::string::npos);
  Bytes cut(good.begin(), good.end() - static_cast<std::ptrdiff_t>(16 + kDigest));
  EXPECT_NE(message(cut).find("was cut off"), std::string::npos);
}

TEST(Ledger, SaysWhatIsWrong) {
  Bytes bytes = written().bytes;
  EXPECT_NE(message({}).find("no ledger"), std::string::npos);
  bytes[0] = 'X';
  EXPECT_NE(message(bytes).find("no ledger"), std::string::npos);
  bytes = written().bytes;
  bytes[8] = 2;
  EXPECT_NE(message(bytes).find("version 2"), std::string::npos);
  bytes = written().bytes;
  bytes[14] = 0xFF;  // the subject's length
  EXPECT_NE(message(bytes).find("header"), std::string::npos);
  bytes = written().bytes;
  bytes[kHeader + 13 + 8 + 7] = 0x7F;  // the first block's number of scores
  EXPECT_NE(message(bytes).find("larger than the file (at byte 45"), std::string::npos) << message(bytes);
}

TEST(Ledger, AnyBytesAreSafe) {
  const Bytes good = written().bytes;
  std::mt19937 random(11);
  for (int trial = 0; trial < 20000; ++trial) {
    Bytes bytes = good;
    bytes.resize(random() % (good.size() + 40));
    for (unsigned change = 0; change <= random() % 4 && !bytes.empty(); ++change) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    EXPECT_TRUE(bytes == good || !decode_ledger(bytes, "test"));
  }
}

TEST(Ledger, AMissingFileIsAnError) {
  const TemporaryFolder folder;
  EXPECT_NE(error_of(read_ledger(folder / "none")).find("none"), std::string::npos);
}

}  // namespace
}  // namespace caddie::score
