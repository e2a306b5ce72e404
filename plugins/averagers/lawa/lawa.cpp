// LAWA: the mean of the last few snapshots, taken in equal distances all through training (Kaddour 2022, "Stop Wasting
// My Time!", arXiv:2209.14981).
//
//   every `every` steps:   snapshot <- weights, in place of the oldest of k
//   at the end:            weights <- mean of the snapshots there are
//
// The k snapshots are kept whole, and every step writes them all: memory and time grow with k.
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct Lawa : Averager {
  static constexpr Identity identity{.id = "lawa",
                                     .summary = "mean of the last k snapshots of the weights",
                                     .citation = "Kaddour 2022, arXiv:2209.14981"};

  Integer k{this, "k", 10, "snapshots that are kept", range(1, 1000)};
  Integer every{this, "every", 100, "steps between two snapshots", at_least(1)};

  void accumulate(Graph& g, const std::string&, Value parameter) const override {
    const Value slot = g.step_scalar("slot", [this](const Step& step) { return slot_after(step.step + 1); });
    const Value taken = g.state("taken", {});
    g.set_state(taken, taken + g.le(g.constant(0), slot));
    const Value snapshots = kept(g, parameter);
    Lengths row(static_cast<std::size_t>(snapshots.rank()), 1);
    row[1] = k;
    Lengths one = snapshots.shape();  // [N, 1, ...]
    one[1] = 1;
    g.set_state(snapshots, g.where(g.eq(g.iota(row, 1), slot), parameter.reshape(one), snapshots));
  }

  Value finish(Graph& g, const std::string&, Value parameter, Value current) const override {
    const Value taken = g.state("taken", {});
    const Value there = g.clamp(taken, 1, static_cast<double>(k.value()));
    return g.where(g.lt(g.constant(0), taken), g.sum(kept(g, parameter), {1}) / there, current);
  }

 private:
  [[nodiscard]] Value kept(Graph& g, Value parameter) const {  // [N, k, ...]
    Lengths shape = parameter.shape();
    shape.insert(shape.begin() + 1, k);
    return g.state("snapshots", shape);
  }

  // Where the snapshot after so many steps goes; -1 when there is none.
  [[nodiscard]] double slot_after(int64_t steps) const {
    return steps % every == 0 ? static_cast<double>((steps / every - 1) % k) : -1;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Lawa)
