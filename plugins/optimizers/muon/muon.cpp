// Muon: momentum whose direction is replaced by the nearest semi-orthogonal matrix, so that all singular directions of
// a hidden matrix move equally (Jordan et al. 2024, kellerjordan.github.io/posts/muon).
//
//   M <- mu M + G        U = G + mu M (Nesterov), or M
//   O = NS(U)            Newton-Schulz: X <- a X + (b X X^T + c (X X^T)^2) X, from X = U / ||U||
//   W <- (1 - lr wd) W - lr sqrt(max(1, m/n)) O
//
// The table of (a, b, c) is either one row that is good enough for every iteration, or a row for each iteration (Polar
// Express, Amsel et al. 2025, arXiv:2505.16932). row_normalise divides the rows of U by their lengths first (MuonEq-R,
// arXiv:2603.28254). All matrices of a bank [N, m, n] are orthogonalised at once, each by its own norm.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace {

using namespace caddie;

struct Row {
  double a, b, c;
};

constexpr Row kFixed = {3.4445, -4.7750, 2.0315};
constexpr std::array<Row, 5> kPolarExpress = {{{8.156554524902461, -22.48329292557795, 15.878769915207462},
                                               {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                                               {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                                               {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                                               {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}}};
constexpr double kTiny = 1e-7;  // keeps zero matrices and zero rows at zero

struct Muon : Optimizer {
  static constexpr Identity identity{.id = "muon",
                                     .summary = "momentum with orthogonalised updates, for hidden matrices",
                                     .citation = "Jordan et al. 2024, kellerjordan.github.io/posts/muon"};

  Number lr{this, "lr", 0.02, "learning rate", range(0, 1000)};
  Number momentum{this, "momentum", 0.95, "mu, once warmed up", range(0, 1)};
  Number momentum_start{this, "momentum_start", 0.85, "mu of the first step", range(0, 1)};
  Integer momentum_steps{this, "momentum_steps", 0,
                         "steps in which mu goes from momentum_start to momentum; 0: no warm-up", at_least(0)};
  Flag nesterov{this, "nesterov", true, "look ahead with the momentum"};
  Number weight_decay{this, "weight_decay", 0.0, "decoupled weight decay, times the learning rate", range(0, 1000)};
  Integer ns_steps{this, "ns_steps", 5, "Newton-Schulz iterations", range(1, 50)};
  Text ns_table{this, "ns_table", "fixed", "coefficients of the iterations", {"fixed", "polar-express"}};
  Flag row_normalise{this, "row_normalise", false, "rows of unit length before the iterations"};

  void configure() override {
    if (ns_table == "polar-express" && ns_steps > static_cast<int64_t>(kPolarExpress.size())) {
      throw Failure("\"ns_steps\" is " + std::to_string(ns_steps.value()) +
                    ", but the table polar-express ends after 5 iterations");
    }
  }

  Value update(Graph& g, const Bank& bank, Value parameter, Value gradient, Value scale) const override {
    if (parameter.rank() != 3) {
      throw Failure("muon orthogonalises matrices; the tensors of " + bank.name + " have rank " +
                    std::to_string(parameter.rank() - 1) + ": let another optimizer claim them, such as adamw");
    }
    const Value mu = g.step_scalar("momentum", [this](const Step& step) { return momentum_at(step.step); });
    const Value old_momentum = g.state("momentum", parameter.shape());
    const Value new_momentum = mu * old_momentum + gradient;
    g.set_state(old_momentum, new_momentum);

    const Value direction = orthogonalise(g, nesterov ? gradient + mu * new_momentum : new_momentum);
    const auto [N, m, n] = parameter.dims<3>();
    const double shape_scale = std::sqrt(std::max(1.0, static_cast<double>(m) / static_cast<double>(n)));
    const Value rate = lr * scale;
    return parameter * (1 - weight_decay * rate) - shape_scale * rate * direction;
  }

  [[nodiscard]] double momentum_at(int64_t step) const {
    if (step >= momentum_steps) return momentum;
    const double done = static_cast<double>(step) / static_cast<double>(momentum_steps.value());
    return (1 - done) * momentum_start + done * momentum;
  }

 private:
  [[nodiscard]] Value orthogonalise(Graph& g, Value x) const {  // [N, m, n]
    if (row_normalise) x = x / g.max(length(g, x, {2}), kTiny);
    const bool tall = x.dim(1) > x.dim(2);
    if (tall) x = x.transpose({0, 2, 1});  // work with the smaller Gram matrix
    x = x / (length(g, x, {1, 2}) + kTiny);
    for (int64_t i = 0; i < ns_steps; ++i) {
      const auto [a, b, c] = ns_table == "fixed" ? kFixed : kPolarExpress[static_cast<std::size_t>(i)];
      const Value gram = g.dot(x, x, {2}, {2}, {0}, {0});
      const Value polynomial = b * gram + c * multiply(g, gram, gram);
      x = a * x + multiply(g, polynomial, x);
    }
    return tall ? x.transpose({0, 2, 1}) : x;
  }

  static Value multiply(Graph& g, Value a, Value b) { return g.dot(a, b, {2}, {1}, {0}, {0}); }  // N matrix products
  static Value length(Graph& g, Value x, const Lengths& axes) { return g.sqrt(g.sum(x * x, axes, true)); }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Muon)
