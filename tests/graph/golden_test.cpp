// Golden vectors of the training and architecture specification, worked out outside of Caddie to ten digits.
#include <gtest/gtest.h>

#include <cmath>

#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "tests/graph/run.hpp"

namespace caddie::graph::testing {
namespace {

constexpr double kTolerance = 2e-9;

// ---- G01: RMS norm, its epsilon and its gradient --------------------------------------------------------------------

namespace g01 {
const Numbers x{1.0, 2.0, 3.0, 4.0};
const Numbers tiny{0.005, -0.004, 0.003, 0.006};
const Numbers g{0.1, -0.2, 0.3, 0.4};
const Numbers y{0.3651483688, 0.7302967375, 1.095445106, 1.460593475};
const Numbers dx{0.009737290259, -0.126584767, 0.02921187078, 0.03894916104};
const Numbers tiny_y{1.075350649, -0.8602805189, 0.6452103892, 1.290420778};
const Numbers tiny_y_coarse{0.05649086447, -0.04519269158, 0.03389451868, 0.06778903737};
}  // namespace g01

Value weighted_sum(const Emitter& e, Value x, Value weights) {
  return e.reduce(Op::reduce_sum, e.mul(x, weights), {}, false);
}

TEST(Golden, G01_rms_norm) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {4});
  const Value g = graph.leaf(LeafKind::input, "g", DType::f32, {4});
  const Value y = graph.emit(Op::rms_norm, {x});
  graph.output("y", y);
  graph.output("coarse", graph.emit(Op::rms_norm, {x}, Attributes().set("eps", 0x1p-7)));
  graph.output("dx", (*gradients(graph, weighted_sum({graph}, y, g), std::vector<Value>{x}))[0]);
  const Named results = run(graph, {{"x", g01::x}, {"g", g01::g}});
  expect_near(results.at("y"), g01::y, kTolerance, "y");
  expect_near(results.at("dx"), g01::dx, kTolerance, "dx");
  const Named tiny = run(graph, {{"x", g01::tiny}, {"g", g01::g}});
  expect_near(tiny.at("y"), g01::tiny_y, kTolerance, "tiny y");
  expect_near(tiny.at("coarse"), g01::tiny_y_coarse, kTolerance, "tiny y, coarse epsilon");
}

// ---- G02: norm of a query, partial rotary embedding, gain -----------------------------------------------------------

namespace g02 {
const Numbers q{1.0, -2.0, 3.0, 0.5, 2.0, -1.0, 0.25, 4.0};
const Numbers normed{
    0.4759712874, -0.9519425748, 1.427913862, 0.2379856437, 0.9519425748, -0.4759712874, 0.1189928219, 1.90388515};
const Numbers out{
    0.7139569311, -1.427913862, 2.141870793, 0.3569784656, 1.427913862, -0.7139569311, 0.1784892328, 2.855827725,
    2.188074702, -1.424272742, 0.5564836866, 0.3712395174, 1.427913862, -0.7139569311, 0.1784892328, 2.855827725,
    1.945434147, -1.399448811, 1.145701084, 0.4559765867, 1.427913862, -0.7139569311, 0.1784892328, 2.855827725};
}  // namespace g02

TEST(Golden, G02_query_norm_rope_and_gain) {
  Graph graph;
  const Value q = graph.leaf(LeafKind::input, "q", DType::f32, {1, 1, 1, 8});
  const Value cosine = graph.leaf(LeafKind::input, "cos", DType::f32, {3, 2});
  const Value sine = graph.leaf(LeafKind::input, "sin", DType::f32, {3, 2});
  const Emitter e{graph};
  const Value normed = graph.emit(Op::rms_norm, {q});
  graph.output("normed", normed);
  const Value turned = graph.emit(Op::rope, {e.broadcast(normed, {1, 3, 1, 8}), cosine, sine});
  graph.output("out", e.scale(turned, 1.5));
  Named leaves{{"q", g02::q}};
  for (const double position : {0.0, 1.0, 7.0}) {
    for (const double frequency : {1.0, 1.0 / std::sqrt(10000.0)}) {
      leaves["cos"].push_back(std::cos(position * frequency));
      leaves["sin"].push_back(std::sin(position * frequency));
    }
  }
  const Named results = run(graph, leaves);
  expect_near(results.at("normed"), g02::normed, kTolerance, "normed");
  expect_near(results.at("out"), g02::out, kTolerance, "out");
}

// ---- G05: grouped-query attention; removing the part of y along the token's own value, and back ---------------------

namespace g05 {
const Numbers q{
    0.0, 0.3, -0.27, -0.89, -0.45, -0.99, 0.06, 1.34, -0.49, -0.62, 0.49, 0.36, 0.11, -0.93, -0.03, 0.7, -1.34,
    -0.46, -1.9, -1.29, -1.84, -0.24, -1.27, 0.27, 0.16, -0.19, -2.52, -0.54, -0.05, 0.11, -1.53, -0.48, -0.98,
    -0.81, 1.06, -0.81, -0.03, 0.88, -0.58, -0.11, 0.11, 0.06, -1.23, 0.08, 1.36, -1.55, 0.86, 0.12};
const Numbers k{
    -0.64, 2.0, 0.76, -1.2, 0.07, 0.58, -0.19, 0.68, -0.07, 0.67, 1.44, -0.68, 0.2, -0.46, 0.13, -1.19, -0.58,
    -0.2, 0.9, 1.15, -1.32, -0.79, 0.65, -1.99};
const Numbers v{
    -0.46, -0.1, 1.26, 0.69, -0.33, -0.37, -0.25, 1.52, -0.43, -0.3, 0.35, -0.12, -0.2, -1.11, -0.01, -0.44, 1.17,
    0.65, -0.02, 0.67, -0.34, 1.05, -0.01, 0.58};
const Numbers g{
    -1.29, 0.35, -1.69, -2.04, -0.3, -0.9, 0.16, 2.24, -0.83, -0.62, 0.21, 0.49, -0.18, -0.21, 0.7, 0.52, -1.03,
    -0.08, 0.04, -1.05, 0.26, -0.86, 0.97, 0.19, 0.09, -0.59, -0.12, -2.0, -1.13, 0.36, -2.13, 0.85, -1.75, 0.76,
    -0.85, 0.78, 0.13, -1.54, 1.25, 1.44, -0.07, -0.27, -0.16, -0.98, 1.1, -0.54, -0.05, -0.79};
const Numbers y{
    -0.46, -0.1, 1.26, 0.69, -0.46, -0.1, 1.26, 0.69, -0.33, -0.37, -0.25, 1.52, -0.33, -0.37, -0.25, 1.52,
    -0.4522658011, -0.1515613263, 1.025395965, 0.4811766285, -0.4502204434, -0.1651970438, 0.9633534505,
    0.4259519724, -0.2581710432, -0.7788725231, -0.1173926952, 0.4370403443, -0.26034262, -0.7665112401,
    -0.12140176, 0.4697810398, 0.01263868525, 0.02523229157, 0.5064181693, 0.3349081755, -0.1560693622,
    -0.0136562472, 0.7995098561, 0.4836707764, -0.2885899734, -0.3131428943, -0.1180736087, 0.6615375952,
    -0.2660159836, -0.3507000894, -0.05915467766, 0.2484180377};
const Numbers z{
    -5.551115123e-17, -1.387778781e-17, 2.220446049e-16, 1.110223025e-16, -5.551115123e-17, -1.387778781e-17,
    2.220446049e-16, 1.110223025e-16, 5.551115123e-17, 5.551115123e-17, 0.0, -2.220446049e-16, 5.551115123e-17,
    5.551115123e-17, 0.0, -2.220446049e-16, 0.1127384157, 0.2426276621, 0.5655088122, 0.6388522238, 0.1023821578,
    0.2203396547, 0.5135606356, 0.5801666518, -0.1592409184, -0.2298103304, -0.112446189, 0.6546866189,
    -0.1651855234, -0.2383893543, -0.1166439051, 0.6791266522, -0.1155242047, -0.04596931397, 0.5086089879,
    0.2615157513, -0.2169485808, -0.04747803529, 0.8005505265, 0.4488083179, -0.2548670532, -0.4172872066,
    -0.1170817581, 0.6040102608, -0.2951291453, -0.2607917957, -0.06001094712, 0.2980816666};
const Numbers dy{
    -1.889551919, 0.2196626264, -0.04774909202, -1.140672122, 0.09758106157, -0.8135693344, -0.929026386,
    1.643628408, -0.6793344026, -0.4510719059, 0.3241406041, -0.203974873, -0.08517241379, -0.1036781609,
    0.7718390805, 0.0832183908, -0.3962773191, 0.362132103, -0.4758207868, -0.8731471588, 0.7433584264,
    -0.5227731909, 0.5765687227, 0.3248907237, 0.2971360349, 0.5596049939, -0.1096431983, -1.544300723,
    -1.201810615, -0.03854891527, -2.133590531, 0.6920166462, -1.220583746, 1.054120141, -0.8590498505,
    1.083169992, 0.0825358147, -1.566368992, 1.250811354, 1.412819655, -0.2507603242, 0.288230413, -0.1653164801,
    -0.6716441528, 0.7940962305, 0.4047028174, -0.05899716969, -0.268164158};
const Numbers dv{
    1.791970857, 0.5939067081, 0.9767754781, -0.5029562858, 0.7645068164, 0.5547500668, -1.095979685, 0.1207564822,
    -0.7158502639, -0.4092605148, -1.52647034, -0.8639237588, 0.5304378105, -0.1060523732, 1.143943413,
    0.0004344045739, 0.08593651317, -0.05284030701, 0.2266822908, -0.09203861947, -0.3081645494, -0.4504234022,
    -0.104893974, 0.6329649754};
}  // namespace g05

TEST(Golden, G05_grouped_query_attention) {
  Graph graph;
  const Value q = graph.leaf(LeafKind::input, "q", DType::f32, {1, 3, 4, 4});
  const Value k = graph.leaf(LeafKind::input, "k", DType::f32, {1, 3, 2, 4});
  const Value v = graph.leaf(LeafKind::input, "v", DType::f32, {1, 3, 2, 4});
  graph.output("y", graph.emit(Op::attention, {q, k, v}, Attributes().set("scale", 0.5)));
  expect_near(run(graph, {{"q", g05::q}, {"k", g05::k}, {"v", g05::v}}).at("y"), g05::y, kTolerance, "y");
}

TEST(Golden, G05_projection_off_the_own_value_and_its_gradient) {
  Graph graph;
  const Value y = graph.leaf(LeafKind::parameter, "y", DType::f32, {1, 3, 4, 4});
  const Value v = graph.leaf(LeafKind::parameter, "v", DType::f32, {1, 3, 2, 4});
  const Value g = graph.leaf(LeafKind::input, "g", DType::f32, {1, 3, 4, 4});
  const Emitter e{graph};
  const Value unit = e.reshape(e.mul(v, e.op(Op::rsqrt, e.sum_last(e.mul(v, v)))), {1, 3, 2, 1, 4});
  const Value heads = e.reshape(y, {1, 3, 2, 2, 4});
  const Value along = e.mul(e.sum_last(e.mul(heads, unit)), unit);
  const Value z = e.reshape(e.sub(heads, along), {1, 3, 4, 4});
  graph.output("z", z);
  const auto found = *gradients(graph, weighted_sum(e, z, g), std::vector<Value>{y, v});
  graph.output("dy", found[0]);
  graph.output("dv", found[1]);
  const Named results = run(graph, {{"y", g05::y}, {"v", g05::v}, {"g", g05::g}});
  expect_near(results.at("z"), g05::z, kTolerance, "z");
  expect_near(results.at("dy"), g05::dy, kTolerance, "dy");
  expect_near(results.at("dv"), g05::dv, kTolerance, "dv");
}

// ---- G17: soft cap, cross-entropy, z-loss and their gradients -------------------------------------------------------

struct G17 {
  Numbers x;
  double target;
  Numbers z;
  double lse, loss;
  Numbers d_loss;
  double z_loss;
  Numbers d_z_loss;
};

const G17 kG17[] = {
    {{0.0, 10.0, -20.0, 45.0}, 1, {0.0, 9.645382126, -17.48348836, 27.15444761}, 27.15444763, 17.50906551,
     {1.61054637e-12, -0.8966295373, 2.71502685e-20, 0.1807066344}, 0.07373640263,
     {8.746699414e-15, 1.211695479e-10, 1.474501088e-22, 0.0009813977683}},
    {{1.0, 2.0, 0.0, 0.5}, 0, {0.9996297942, 1.997042295, 0.0, 0.4999537088}, 2.544209173, 1.544579379,
     {-0.7857250352, 0.5760228009, 0.07853513513, 0.129440595}, 0.0006473000316,
     {0.0001084671049, 0.0002931044988, 3.996196224e-05, 6.586478982e-05}},
};

// As cross_entropy of capped logits, and as the one operation on x I^T.
TEST(Golden, G17_soft_cap_cross_entropy_and_z_loss) {
  for (const G17& golden : kG17) {
    for (const bool fused : {false, true}) {
      Graph graph;
      const Emitter e{graph};
      const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {4});
      const Value target = graph.leaf(LeafKind::input, "target", DType::i32, {});
      const Value z = e.scale(e.op(Op::tanh, e.div(x, e.scalar(30))), 30);
      Value nll = 0;
      if (fused) {
        const Numbers unit{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
        const Value w = graph.emit(Op::constant, {}, Attributes().set("values", unit).set("shape", Axes{4, 4}));
        nll = graph.emit(Op::linear_cross_entropy, {x, w, target}, Attributes().set("cap", 30.0));
      } else {
        nll = graph.emit(Op::cross_entropy, {z, target});
      }
      const Value lse = graph.output_of(nll, 1);
      const Value z_loss = e.scale(e.mul(lse, lse), 1e-4);
      graph.output("z", z);
      graph.output("nll", nll);
      graph.output("lse", lse);
      graph.output("z_loss", z_loss);
      graph.output("d_nll", (*gradients(graph, nll, std::vector<Value>{x}))[0]);
      graph.output("d_z_loss", (*gradients(graph, z_loss, std::vector<Value>{x}))[0]);
      const Named results = run(graph, {{"x", golden.x}, {"target", {golden.target}}});
      expect_near(results.at("z"), golden.z, kTolerance, "z");
      expect_near(results.at("lse"), {golden.lse}, kTolerance, "lse");
      expect_near(results.at("nll"), {golden.loss}, kTolerance, "nll");
      expect_near(results.at("d_nll"), golden.d_loss, kTolerance, "d nll");
      expect_near(results.at("z_loss"), {golden.z_loss}, kTolerance, "z-loss");
      expect_near(results.at("d_z_loss"), golden.d_z_loss, kTolerance, "d z-loss");
    }
  }
}

TEST(Golden, G17_uniform_logits_give_the_logarithm_of_their_number) {
  for (const auto& [words, logarithm] : {std::pair{1024, 6.931471806}, {8192, 9.010913347}}) {
    Graph graph;
    const Value x = graph.leaf(LeafKind::input, "x", DType::f32, {words});
    const Value target = graph.leaf(LeafKind::input, "target", DType::i32, {});
    const Value nll = graph.emit(Op::cross_entropy, {x, target});
    graph.output("nll", nll);
    graph.output("entropy", graph.output_of(nll, 2));
    const Named results = run(graph, {{"target", {3}}});
    EXPECT_NEAR(results.at("nll")[0], logarithm, kTolerance);
    EXPECT_NEAR(results.at("entropy")[0], logarithm, kTolerance);
  }
}

}  // namespace
}  // namespace caddie::graph::testing
