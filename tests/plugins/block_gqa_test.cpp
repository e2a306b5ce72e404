#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

const char* const kG05 = R"({
  "Q": [
    [[0.0, 0.3, -0.27, -0.89], [-0.45, -0.99, 0.06, 1.34], [-0.49, -0.62, 0.49, 0.36], [0.11, -0.93, -0.03, 0.7]],
    [[-1.34, -0.46, -1.9, -1.29], [-1.84, -0.24, -1.27, 0.27], [0.16, -0.19, -2.52, -0.54], [-0.05, 0.11, -1.53, -0.48]],
    [[-0.98, -0.81, 1.06, -0.81], [-0.03, 0.88, -0.58, -0.11], [0.11, 0.06, -1.23, 0.08], [1.36, -1.55, 0.86, 0.12]]],
  "K": [
    [[-0.64, 2.0, 0.76, -1.2], [0.07, 0.58, -0.19, 0.68]],
    [[-0.07, 0.67, 1.44, -0.68], [0.2, -0.46, 0.13, -1.19]],
    [[-0.58, -0.2, 0.9, 1.15], [-1.32, -0.79, 0.65, -1.99]]],
  "V": [
    [[-0.46, -0.1, 1.26, 0.69], [-0.33, -0.37, -0.25, 1.52]],
    [[-0.43, -0.3, 0.35, -0.12], [-0.2, -1.11, -0.01, -0.44]],
    [[1.17, 0.65, -0.02, 0.67], [-0.34, 1.05, -0.01, 0.58]]],
  "Y": [
    [[-0.46, -0.1, 1.26, 0.69], [-0.46, -0.1, 1.26, 0.69], [-0.33, -0.37, -0.25, 1.52], [-0.33, -0.37, -0.25, 1.52]],
    [[-0.4522658011, -0.1515613263, 1.025395965, 0.4811766285], [-0.4502204434, -0.1651970438, 0.9633534505, 0.4259519724], [-0.2581710432, -0.7788725231, -0.1173926952, 0.4370403443], [-0.26034262, -0.7665112401, -0.12140176, 0.4697810398]],
    [[0.01263868525, 0.02523229157, 0.5064181693, 0.3349081755], [-0.1560693622, -0.0136562472, 0.7995098561, 0.4836707764], [-0.2885899734, -0.3131428943, -0.1180736087, 0.6615375952], [-0.2660159836, -0.3507000894, -0.05915467766, 0.2484180377]]]
})";
constexpr Dims kDims = {.dim = 16, .heads = 4, .kv_heads = 2, .head_dim = 4, .layers = 11};

// A weight [rows, 16] that turns the t-th unit vector into the given values of token t.
std::vector<double> lookup_weight(const std::vector<double>& values_by_token, std::size_t rows) {
  std::vector<double> weight(rows * 16, 0.0);
  for (std::size_t t = 0; t < 3; ++t) {
    for (std::size_t r = 0; r < rows; ++r) weight[r * 16 + t] = values_by_token[t * rows + r];
  }
  return weight;
}

Array unit_vectors() {
  Array n = real({1, 3, 16}, std::vector<double>(48, 0.0));
  for (std::size_t t = 0; t < 3; ++t) n.values[t * 16 + t] = 1;
  return n;
}

Session attention(const nlohmann::json& config = nlohmann::json::object(),
                  const std::map<std::string, Array>& wires = {}) {
  return build_hook({.blocks = {{"gqa", config}},
                     .hook = "attn",
                     .inputs = {unit_vectors()},
                     .wires = wires,
                     .dims = kDims,
                     .visits = {7}});
}

const TensorDeclaration& parameter(const Session& session, const std::string& name) {
  for (const TensorDeclaration& tensor : session.built().parameters) {
    if (tensor.path == "blocks.7.gqa." + name) return tensor;
  }
  throw std::runtime_error("no parameter " + name);
}

TEST(Gqa, GroupsOfQueryHeadsShareAKeyValueHead) {  // G05
  const nlohmann::json golden = nlohmann::json::parse(kG05);
  Session session = attention();
  session.set("blocks.7.gqa.q.weight", lookup_weight(flat(golden["Q"]), 16));
  session.set("blocks.7.gqa.k.weight", lookup_weight(flat(golden["K"]), 8));
  session.set("blocks.7.gqa.v.weight", lookup_weight(flat(golden["V"]), 8));
  std::vector<double> identity(256, 0.0);
  for (std::size_t i = 0; i < 16; ++i) identity[17 * i] = 1;
  session.set("blocks.7.gqa.proj.weight", identity);
  session.run();
  expect_near(session.get("out0"), flat(golden["Y"]));
}

TEST(Gqa, Gradients) {
  Session session = attention();
  int salt = 0;
  for (const char* name : {"q", "k", "v", "proj"}) {
    const TensorDeclaration& tensor = parameter(session, std::string(name) + ".weight");
    session.set(tensor.path, wave(tensor.shape, salt++).values);
  }
  session.set("in0", wave({1, 3, 16}, 9).values);
  session.expect_gradients();
}

TEST(Gqa, SegmentsDoNotSeeEachOther) {
  Session session = attention({}, {{"segments", whole({1, 3}, {0, 1, 1})}});
  session.set("blocks.7.gqa.proj.weight", wave({16, 16}, 1).values);
  session.set("in0", wave({1, 3, 16}, 2).values);
  session.run();
  const std::vector<double> before = session.get("out0");
  std::vector<double> changed = wave({1, 3, 16}, 2).values;
  for (std::size_t i = 0; i < 16; ++i) changed[i] += 1;  // the first token, a segment of its own
  session.set("in0", changed);
  session.run();
  const std::vector<double> after = session.get("out0");
  EXPECT_NE(before[0], after[0]);
  for (std::size_t i = 16; i < 48; ++i) EXPECT_EQ(before[i], after[i]);
}

TEST(Gqa, StartsAsTheIdentity) {
  const Session zero = attention();
  for (const char* name : {"q.weight", "k.weight", "v.weight"}) {
    EXPECT_EQ(parameter(zero, name).initialiser.kind, CADDIE_INIT_UNIFORM);
    EXPECT_EQ(parameter(zero, name).initialiser.b, 0.25);  // 1 / sqrt(16 inputs)
    EXPECT_EQ(parameter(zero, name).role, "matrix");
  }
  EXPECT_EQ(parameter(zero, "proj.weight").initialiser.kind, CADDIE_INIT_ZEROS);
}

TEST(Gqa, RefusesHeadsThatDoNotGroup) {
  const std::string message = message_of([] {
    build_hook({.blocks = {{"gqa"}},
                .hook = "attn",
                .inputs = {unit_vectors()},
                .dims = {.dim = 16, .heads = 4, .kv_heads = 3, .head_dim = 4}});
  });
  EXPECT_NE(message.find("must be a multiple of the number of key/value heads, 3"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
