// Exponential moving average of the weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv:1703.01780).
//
//   average <- decay * average + (1 - decay) * weights      after every step, from the initial weights on
//
// 1 / (1 - decay) steps is its time constant. The average is used at the end, never inside training.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct Ema : Averager {
  static constexpr Identity identity{.id = "ema",
                                     .summary = "exponential moving average of the weights",
                                     .citation = "Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv:1703.01780"};

  Number decay{this, "decay", 0.9965, "share of the old average that a step keeps", range(0, 1)};

  void accumulate(Graph& g, const std::string&, Value parameter) const override {
    const Value average = state(g, parameter);
    g.set_state(average, decay * average + (1 - decay) * parameter);
  }

  Value finish(Graph& g, const std::string&, Value parameter, Value) const override { return state(g, parameter); }

 private:
  static Value state(Graph& g, Value parameter) {
    return g.state("average", parameter.shape(), Init::copy_of(parameter));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Ema)
