#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

using nlohmann::json;

std::shared_ptr<Object> muon(const json& config) {
  return std::make_shared<Object>(make_plugin("optimizer", "muon", config));
}

// The direction Muon takes from a gradient: one step without momentum, decay and shape scale.
std::vector<double> direction(json config, const graph::Shape& shape, const std::vector<double>& gradient) {
  config["momentum"] = 0;
  config["lr"] = 1;
  Session session = build_update(muon(config), shape);
  session.set("gradient", gradient);
  session.run();
  const double scale = std::sqrt(std::max(1.0, static_cast<double>(shape[1]) / static_cast<double>(shape[2])));
  std::vector<double> taken = session.get("bank");
  for (double& value : taken) value = -value / scale;
  return taken;
}

const json kFixed = {{"ns_table", "fixed"}};
const json kPolar = {{"ns_table", "polar-express"}};
json with_rows(json config) {
  config["row_normalise"] = true;
  return config;
}

TEST(Muon, NewtonSchulz) {  // G21
  const std::vector<double> U = {3, 1, 0, 1, 2, -1};
  const graph::Shape shape = {1, 2, 3};
  expect_near(direction(kFixed, shape, U),
              {0.8068938854, -0.1071965354, 0.2256966983, -0.1523358751, 0.8238117415, -0.5247542199});
  expect_near(direction(kPolar, shape, U),
              {1.000136332, 0.133484513, 0.1199365587, 0.1094972013, 0.8186771959, -0.4693068773});
  expect_near(direction(with_rows(kFixed), shape, U),
              {0.8745650825, -0.1707199045, 0.2773449592, -0.1487882884, 0.7765758312, -0.4957031564});
  expect_near(direction(with_rows(kPolar), shape, U),
              {1.032775705, 0.05171182849, 0.1755280439, 0.1120808296, 0.9039788499, -0.519971144});
  expect_near(direction(kFixed, {1, 3, 2}, {3, 1, 1, 2, 0, -1}),
              {0.8068938854, -0.1523358751, -0.1071965354, 0.8238117415, 0.2256966983, -0.5247542199});
}

TEST(Muon, RowVectorsAndZeros) {  // G21: a single row is normalised and multiplied by 0.696 or 0.859
  expect_near(direction(kFixed, {1, 1, 2}, {3, 4}), {0.417861858, 0.557149144});
  expect_near(direction(kPolar, {1, 1, 2}, {3, 4}), {0.5154772467, 0.6873029957});
  expect_near(direction(with_rows(kFixed), {1, 2, 2}, {0, 0, 0, 0}), {0, 0, 0, 0});
}

TEST(Muon,
     SingularValueMap) {  // G22: the norm of diag(s, sqrt(1 - s^2)) is 1, so s goes through the iterations as it is
  const std::vector<double> sigmas = {1, 0.5, 0.1, 0.01, 0.001};
  const std::vector<double> fixed = {0.6964364095, 0.7654385305, 0.7121200817, 0.6989170633, 0.4705439512};
  const std::vector<double> polar = {0.8591289631, 0.9106108757, 1.059161138, 1.027110178, 0.8588726435};
  for (std::size_t i = 0; i < sigmas.size(); ++i) {
    const std::vector<double> matrix = {sigmas[i], 0, 0, std::sqrt(1 - sigmas[i] * sigmas[i])};
    EXPECT_NEAR(direction(kFixed, {1, 2, 2}, matrix)[0], fixed[i], 2e-6) << sigmas[i];
    EXPECT_NEAR(direction(kPolar, {1, 2, 2}, matrix)[0], polar[i], 2e-6) << sigmas[i];
  }
}

// Two steps from the golden start; the bank's values after each.
std::vector<std::vector<double>> two_steps(json config, Session* out = nullptr) {
  config["lr"] = 0.02;
  config["momentum"] = 0.95;
  config["weight_decay"] = 0.1;
  Session session = build_update(muon(config), {1, 3, 2});
  session.set("bank", {0.5, -0.25, 0.1, 0.2, -0.3, 0.4});
  std::vector<std::vector<double>> weights;
  session.set("gradient", {0.2, 0.1, -0.1, 0.3, 0.0, 0.5});
  session.run(0);
  weights.push_back(session.get("bank"));
  session.set("gradient", {0.1, -0.2, 0.3, 0.1, -0.2, 0.0});
  session.run(1);
  weights.push_back(session.get("bank"));
  if (out != nullptr) *out = std::move(session);
  return weights;
}

TEST(Muon, TwoSteps) {  // G23
  Session session = build_update(muon(kFixed), {1, 3, 2});
  const auto plain = two_steps(kFixed, &session);
  expect_near(plain[0], {0.4752215057, -0.2531650029, 0.1106792522, 0.1906249813, -0.3008428499, 0.3837606855});
  expect_near(plain[1], {0.4616703185, -0.2425826313, 0.09116095104, 0.1712122045, -0.2875918912, 0.3672757263});
  expect_near(session.get("state/muon.bank.momentum"), {0.29, -0.105, 0.205, 0.385, -0.2, 0.475});
  const auto equalised = two_steps(with_rows(kPolar));
  expect_near(equalised[0], {0.4777109093, -0.2567084729, 0.1079567447, 0.1830486908, -0.2988308673, 0.3819430991});
  expect_near(equalised[1], {0.464668312, -0.2469305106, 0.09191183468, 0.166781554, -0.2889660584, 0.3688839947});
}

TEST(Muon, EqualsTheOracle) {  // momentum that warms up, a falling schedule, decay, a bank of two tall matrices
  for (const nlohmann::ordered_json& golden : oracle()["muon"]) {
    SCOPED_TRACE(golden["ns_table"].get<std::string>() + (golden["row_normalise"] ? ", rows" : ""));
    Session session = build_update(muon({{"ns_table", golden["ns_table"]},
                                         {"row_normalise", golden["row_normalise"]},
                                         {"lr", 0.03},
                                         {"weight_decay", 0.1},
                                         {"momentum_start", 0.8},
                                         {"momentum", 0.95},
                                         {"momentum_steps", 3}}),
                                   {2, 4, 3});
    session.set("bank", wave({2, 4, 3}, 1).values);
    for (int step = 0; step < 4; ++step) {
      session.set("gradient", wave({2, 4, 3}, 10 + step).values);
      session.set("scale", {1 - 0.2 * step});
      session.run(step);
    }
    expect_near(session.get("bank"), flat(golden["weights"]), 1e-10);
  }
}

TEST(Muon, TheMatricesOfABankDoNotMix) {
  const std::vector<double> a = {3, 1, 0, 1, 2, -1};
  const std::vector<double> b = {0.1, 0.2, -0.3, 0.4, 0.1, 0.6};
  std::vector<double> both = a;
  both.insert(both.end(), b.begin(), b.end());
  std::vector<double> expected = direction(kFixed, {1, 2, 3}, a);
  const std::vector<double> second = direction(kFixed, {1, 2, 3}, b);
  expected.insert(expected.end(), second.begin(), second.end());
  expect_near(direction(kFixed, {2, 2, 3}, both), expected, 1e-12);
}

TEST(Muon, MomentumWarmsUp) {  // G24
  const std::vector<std::int64_t> steps = {0, 1, 750, 1500, 2000};
  const std::vector<double> mu = {0.92, 0.9200466667, 0.955, 0.99, 0.99};
  Session session =
      build_update(muon({{"momentum_start", 0.92}, {"momentum", 0.99}, {"momentum_steps", 1500}}), {1, 2, 2});
  for (std::size_t i = 0; i < steps.size(); ++i) {
    session.run(steps[i]);
    expect_near(session.get("scalar/muon.momentum"), {mu[i]});
  }
}

TEST(Muon, TheScheduleScalesStepAndDecay) {
  Session session = build_update(muon({{"lr", 0.1}, {"weight_decay", 0.5}}), {1, 2, 2});
  session.set("bank", {1, 2, 3, 4});
  session.set("scale", {0.5});
  session.run();  // no gradient: only decay, 1 - 0.1 * 0.5 * 0.5
  expect_near(session.get("bank"), {0.975, 1.95, 2.925, 3.9}, 1e-12);
  session.set("scale", {0});
  session.set("gradient", {1, 0, 0, 1});
  session.run();
  expect_near(session.get("bank"), {0.975, 1.95, 2.925, 3.9}, 1e-12);
}

TEST(Muon, RefusesWhatIsNoMatrix) {
  for (const graph::Shape& shape : {graph::Shape{3}, graph::Shape{3, 8}, graph::Shape{3, 2, 2, 2}}) {
    const std::string message = message_of([&] { build_update(muon(json::object()), shape, "scalar"); });
    EXPECT_NE(message.find("muon orthogonalises matrices"), std::string::npos) << message;
  }
}

TEST(Muon, RefusesMoreIterationsThanTheTableHas) {
  const std::string message = message_of([] { muon({{"ns_table", "polar-express"}, {"ns_steps", 6}}); });
  EXPECT_NE(message.find("ends after 5 iterations"), std::string::npos) << message;
  EXPECT_EQ(message_of([] { muon({{"ns_table", "fixed"}, {"ns_steps", 6}}); }), "");
}

}  // namespace
}  // namespace caddie::plugins::test
