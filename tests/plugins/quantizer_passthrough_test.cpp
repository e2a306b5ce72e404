#include <gmock/gmock.h>

#include "tests/plugins/quantizer_support.hpp"

namespace caddie::plugins::test {
namespace {

using testing::HasSubstr;

TEST(Passthrough, HalfPrecisionRoundsToNearestEven) {
  const Object quantizer = make_plugin("quantizer", "passthrough");
  // 1 + 2^-11 lies between 1 and 1 + 2^-10, 1 + 3 * 2^-11 between 1 + 2^-10 and 1 + 2^-9: ties go to the even one.
  const Tensor tensor{{5}, {1 + 0x1p-11f, 1 + 3 * 0x1p-11f, -0.1f, 65504.0f, 0x1p-24f}};
  const StoredParts parts = encode(quantizer, tensor);
  EXPECT_EQ(parts.bytes.at("values").size(), 10u);
  EXPECT_EQ(decode(quantizer, tensor, parts),
            (std::vector<float>{1, 1 + 0x1p-9f, -0.0999755859375f, 65504.0f, 0x1p-24f}));
}

TEST(Passthrough, SinglePrecisionIsExact) {
  const Object quantizer = make_plugin("quantizer", "passthrough", {{"type", "fp32"}});
  const Tensor tensor = irregular(3, 5, 1e6);
  EXPECT_EQ(decode(quantizer, tensor, encode(quantizer, tensor)), tensor.values);
}

TEST(Passthrough, NamesTheValueThatDoesNotFit) {
  const Object quantizer = make_plugin("quantizer", "passthrough");
  EXPECT_THAT(message_of([&] { encode(quantizer, Tensor{{2}, {1, -70000}}); }), HasSubstr("value 1 is -70000"));
}

TEST(Passthrough, RefusesPartsOfAnotherSize) {
  const Object quantizer = make_plugin("quantizer", "passthrough");
  const Tensor tensor{{2}, {1, 2}};
  StoredParts parts = encode(quantizer, tensor);
  parts.bytes["values"].push_back(0);
  EXPECT_THAT(message_of([&] { decode(quantizer, tensor, parts); }), HasSubstr("4 were expected"));
}

}  // namespace
}  // namespace caddie::plugins::test
