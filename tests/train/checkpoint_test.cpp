#include "core/train/checkpoint.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "tests/train/support.hpp"

namespace caddie::train {
namespace {

using test::error_of;
using test::must;
using test::TemporaryFolder;
using test::value_of;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = 8 + 4 + 32;

Checkpoint sample(std::int64_t step = 1234) {
  Checkpoint checkpoint;
  checkpoint.step = step;
  checkpoint.elapsed_seconds = 56.75;
  checkpoint.run_digest = "digest of the run";
  checkpoint.sections["bank/muon.matrix.2x2"] = {1, 2, 3, 4, 5};
  checkpoint.sections["loader"] = {};
  checkpoint.sections["state/x"] = Bytes(300, 7);
  return checkpoint;
}

// The file with a digest that fits what is behind it, as a careless writer would make it.
Bytes sealed(Bytes bytes) {
  const Sha256Digest digest = sha256(std::span<const std::uint8_t>(bytes).subspan(kHeader));
  std::copy(digest.begin(), digest.end(), bytes.begin() + 12);
  return bytes;
}

void expect_equal(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.elapsed_seconds, b.elapsed_seconds);
  EXPECT_EQ(a.run_digest, b.run_digest);
  EXPECT_EQ(a.sections, b.sections);
}

TEST(Checkpoint, ComesBackAsItWas) {
  expect_equal(value_of(decode_checkpoint(encode_checkpoint(sample()), "test")), sample());
  expect_equal(value_of(decode_checkpoint(encode_checkpoint({}), "test")), {});
}

TEST(Checkpoint, TheSameStateHasTheSameBytes) { EXPECT_EQ(encode_checkpoint(sample()), encode_checkpoint(sample())); }

TEST(Checkpoint, EveryChangedByteIsSeen) {
  const Bytes good = encode_checkpoint(sample());
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x10;
    EXPECT_FALSE(decode_checkpoint(bad, "test")) << "byte " << at;
  }
}

TEST(Checkpoint, EveryLengthIsSeen) {
  const Bytes good = encode_checkpoint(sample());
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(decode_checkpoint(std::span(good).first(length), "test")) << length;
    if (length > kHeader) {
      EXPECT_FALSE(
          decode_checkpoint(sealed({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)}), "test"))
          << length;
    }
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(decode_checkpoint(longer, "test"));
  EXPECT_NE(error_of(decode_checkpoint(sealed(longer), "test")).find("do not fit its length"), std::string::npos);
}

TEST(Checkpoint, LengthsBehindAGoodDigestAreNotTrusted) {
  const Bytes good = encode_checkpoint(sample());
  std::mt19937 random(5);
  int refused = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    Bytes bad = good;
    for (unsigned change = 0; change <= random() % 3; ++change) {
      bad[kHeader + random() % (bad.size() - kHeader)] = static_cast<std::uint8_t>(random() % 2 == 0 ? 0xFF : random());
    }
    refused += decode_checkpoint(sealed(bad), "test") ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

TEST(Checkpoint, SaysWhatIsWrong) {
  Bytes bytes = encode_checkpoint(sample());
  bytes[3] = 'x';
  EXPECT_NE(error_of(decode_checkpoint(bytes, "here")).find("here: is no checkpoint"), std::string::npos);
  bytes = encode_checkpoint(sample());
  bytes[8] = 9;
  EXPECT_NE(error_of(decode_checkpoint(bytes, "here")).find("version 9"), std::string::npos);
  bytes = encode_checkpoint(sample());
  bytes.back() ^= 1;
  EXPECT_NE(error_of(decode_checkpoint(bytes, "here")).find("is damaged"), std::string::npos);
}

TEST(Checkpoint, TheNewestWholeOneOfTheRunIsTaken) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {5, 90, 1000}) must(write_checkpoint(folder.path(), sample(step)));
  std::vector<std::string> skipped;
  const auto newest = [&] { return value_of(newest_checkpoint(folder.path(), "digest of the run", &skipped)); };
  EXPECT_EQ(newest()->step, 1000);
  EXPECT_TRUE(skipped.empty());

  std::ofstream(folder / "step-0000001000.checkpoint", std::ios::in | std::ios::binary).seekp(100).put('!');
  EXPECT_EQ(newest()->step, 90);
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_NE(skipped[0].find("step-0000001000.checkpoint: is damaged"), std::string::npos) << skipped[0];

  skipped.clear();
  Checkpoint other = sample(2000);
  other.run_digest = "of another";
  must(write_checkpoint(folder.path(), other));
  EXPECT_EQ(newest()->step, 90);
  ASSERT_EQ(skipped.size(), 2u);
  EXPECT_NE(skipped[0].find("belongs to another run"), std::string::npos) << skipped[0];
}

TEST(Checkpoint, NoneIsNoError) {
  const TemporaryFolder folder;
  EXPECT_FALSE(value_of(newest_checkpoint(folder.path(), "", nullptr)).has_value());
  EXPECT_FALSE(value_of(newest_checkpoint(folder / "absent", "", nullptr)).has_value());
  must(write_atomically(folder / "step-0000000001.checkpoint", std::string_view("rubbish")));
  EXPECT_FALSE(value_of(newest_checkpoint(folder.path(), "", nullptr)).has_value());
}

TEST(Checkpoint, OldOnesArePruned) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {5, 90, 1000, 20000}) must(write_checkpoint(folder.path(), sample(step)));
  must(write_atomically(folder / "notes.txt", std::string_view("kept")));
  prune_checkpoints(folder.path(), 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "step-0000000005.checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(folder / "step-0000000090.checkpoint"));
  EXPECT_TRUE(std::filesystem::exists(folder / "step-0000001000.checkpoint"));
  EXPECT_TRUE(std::filesystem::exists(folder / "step-0000020000.checkpoint"));
  EXPECT_TRUE(std::filesystem::exists(folder / "notes.txt"));
  prune_checkpoints(folder / "absent", 2);
}

}  // namespace
}  // namespace caddie::train
