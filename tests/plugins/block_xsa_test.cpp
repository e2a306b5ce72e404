#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// Three tokens, four query heads, two key/value heads, four channels; Y is what attention made of V.
const char* const kG05 = R"({
  "V": [
    [[-0.46, -0.1, 1.26, 0.69], [-0.33, -0.37, -0.25, 1.52]],
    [[-0.43, -0.3, 0.35, -0.12], [-0.2, -1.11, -0.01, -0.44]],
    [[1.17, 0.65, -0.02, 0.67], [-0.34, 1.05, -0.01, 0.58]]],
  "G": [
    [[-1.29, 0.35, -1.69, -2.04], [-0.3, -0.9, 0.16, 2.24], [-0.83, -0.62, 0.21, 0.49], [-0.18, -0.21, 0.7, 0.52]],
    [[-1.03, -0.08, 0.04, -1.05], [0.26, -0.86, 0.97, 0.19], [0.09, -0.59, -0.12, -2.0], [-1.13, 0.36, -2.13, 0.85]],
    [[-1.75, 0.76, -0.85, 0.78], [0.13, -1.54, 1.25, 1.44], [-0.07, -0.27, -0.16, -0.98], [1.1, -0.54, -0.05, -0.79]]],
  "Y": [
    [[-0.46, -0.1, 1.26, 0.69], [-0.46, -0.1, 1.26, 0.69], [-0.33, -0.37, -0.25, 1.52], [-0.33, -0.37, -0.25, 1.52]],
    [[-0.4522658011, -0.1515613263, 1.025395965, 0.4811766285], [-0.4502204434, -0.1651970438, 0.9633534505, 0.4259519724],
     [-0.2581710432, -0.7788725231, -0.1173926952, 0.4370403443], [-0.26034262, -0.7665112401, -0.12140176, 0.4697810398]],
    [[0.01263868525, 0.02523229157, 0.5064181693, 0.3349081755], [-0.1560693622, -0.0136562472, 0.7995098561, 0.4836707764],
     [-0.2885899734, -0.3131428943, -0.1180736087, 0.6615375952], [-0.2660159836, -0.3507000894, -0.05915467766, 0.2484180377]]],
  "Z": [
    [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    [[0.1127384157, 0.2426276621, 0.5655088122, 0.6388522238], [0.1023821578, 0.2203396547, 0.5135606356, 0.5801666518],
     [-0.1592409184, -0.2298103304, -0.112446189, 0.6546866189], [-0.1651855234, -0.2383893543, -0.1166439051, 0.6791266522]],
    [[-0.1155242047, -0.04596931397, 0.5086089879, 0.2615157513], [-0.2169485808, -0.04747803529, 0.8005505265, 0.4488083179],
     [-0.2548670532, -0.4172872066, -0.1170817581, 0.6040102608], [-0.2951291453, -0.2607917957, -0.06001094712, 0.2980816666]]],
  "dY": [
    [[-1.889551919, 0.2196626264, -0.04774909202, -1.140672122], [0.09758106157, -0.8135693344, -0.929026386, 1.643628408],
     [-0.6793344026, -0.4510719059, 0.3241406041, -0.203974873], [-0.08517241379, -0.1036781609, 0.7718390805, 0.0832183908]],
    [[-0.3962773191, 0.362132103, -0.4758207868, -0.8731471588], [0.7433584264, -0.5227731909, 0.5765687227, 0.3248907237],
     [0.2971360349, 0.5596049939, -0.1096431983, -1.544300723], [-1.201810615, -0.03854891527, -2.133590531, 0.6920166462]],
    [[-1.220583746, 1.054120141, -0.8590498505, 1.083169992], [0.0825358147, -1.566368992, 1.250811354, 1.412819655],
     [-0.2507603242, 0.288230413, -0.1653164801, -0.6716441528], [0.7940962305, 0.4047028174, -0.05899716969, -0.268164158]]],
  "dV": [
    [[1.791970857, 0.5939067081, 0.9767754781, -0.5029562858], [0.7645068164, 0.5547500668, -1.095979685, 0.1207564822]],
    [[-0.7158502639, -0.4092605148, -1.52647034, -0.8639237588], [0.5304378105, -0.1060523732, 1.143943413, 0.0004344045739]],
    [[0.08593651317, -0.05284030701, 0.2266822908, -0.09203861947], [-0.3081645494, -0.4504234022, -0.104893974, 0.6329649754]]]
})";

HookCase attended(const Array& y, const Array& v) {
  return {.blocks = {{"xsa"}}, .hook = "attn.y", .inputs = {y, v}, .outputs = 1, .dims = {.layers = 1}};
}

// xsa with a loss of the given gradient on its output.
Session weighed(const nlohmann::json& golden) {
  const Dims dims = {.layers = 1};
  const Blocks blocks(dims, {{"xsa"}});
  Build build(dims, {}, &blocks.model->blocks());
  build.set_visits({0}, 0);
  build.enter_visit(0);
  graph::Graph& graph = build.graph();
  const graph::Value y = graph.leaf(graph::LeafKind::parameter, "y", graph::DType::f32, {1, 3, 4, 4});
  const graph::Value v = graph.leaf(graph::LeafKind::parameter, "v", graph::DType::f32, {1, 3, 2, 4});
  const graph::Value weight = graph.leaf(graph::LeafKind::input, "G", graph::DType::f32, {1, 3, 4, 4});
  const graph::Value z = build.run_hook("attn.y", "", {y, v}, 1)[0];
  const graph::Value loss = graph.emit(graph::Op::reduce_sum, {graph.emit(graph::Op::mul, {z, weight})});
  Session session(build.take(), {{"z", z}}, loss);
  session.set("y", flat(golden["Y"]));
  session.set("v", flat(golden["V"]));
  session.set("G", flat(golden["G"]));
  session.run();
  return session;
}

TEST(Xsa, TakesTheOwnValueOutOfEveryHead) {  // G05, forward and backward
  const nlohmann::json golden = nlohmann::json::parse(kG05);
  Session session = weighed(golden);
  expect_near(session.get("z"), flat(golden["Z"]));
  expect_near(session.gradient("y"), flat(golden["dY"]));
  expect_near(session.gradient("v"), flat(golden["dV"]));
  session.expect_gradients();
}

TEST(Xsa, HeadsAreOrthogonalToTheOwnValue) {
  Session session = build_hook(attended(wave({2, 3, 6, 5}, 1), wave({2, 3, 2, 5}, 2)));
  session.run();
  const std::vector<double> z = session.get("out0");
  const std::vector<double> v = session.get("in1");
  for (std::size_t token = 0; token < 6; ++token) {
    for (std::size_t head = 0; head < 6; ++head) {
      double product = 0;
      for (std::size_t i = 0; i < 5; ++i) product += z[(token * 6 + head) * 5 + i] * v[(token * 2 + head / 3) * 5 + i];
      EXPECT_NEAR(product, 0, 1e-12);
    }
  }
  session.expect_gradients();
}

TEST(Xsa, AValueOfZeroTakesNothingAndHasAFiniteGradient) {
  Session session = build_hook(attended(wave({1, 1, 2, 3}, 1), real({1, 1, 1, 3}, {0, 0, 0})));
  session.run();
  EXPECT_EQ(session.get("out0"), session.get("in0"));
  for (const double slope : session.gradient("in1")) EXPECT_EQ(slope, 0);
}

TEST(Xsa, AValueShorterThanEpsIsDividedByEps) {
  HookCase test = attended(real({1, 1, 1, 2}, {1, 2}), real({1, 1, 1, 2}, {0.3, 0.4}));
  test.blocks[0].config = {{"eps", 0.8}};
  Session session = build_hook(test);
  session.run();
  const double along = (1 * 0.3 + 2 * 0.4) / (0.8 * 0.8);
  expect_near(session.get("out0"), {1 - 0.3 * along, 2 - 0.4 * along});
  session.expect_gradients();
}

TEST(Xsa, RefusesHeadsThatDoNotGroup) {
  const std::string message = message_of([] { build_hook(attended(wave({1, 1, 4, 2}, 1), wave({1, 1, 3, 2}, 2))); });
  EXPECT_NE(message.find("multiple of the number of key/value heads, 3"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
