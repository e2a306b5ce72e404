// U-Net skips: the first half of the visits keeps its outputs, the second half takes them back, last in first out
// (Ronneberger et al. 2015, arXiv:1505.04597; gated: openai/parameter-golf PR #1204).
//
//   decoder visit j reads the output s of encoder visit (encoder - 1 - j), while there is one:
//   add:   x <- x + w_j * s
//   gate:  x <- g * x + (1 - g) * (w_j * s),   g = sigmoid(gate_j)
//
// Row j of the weights belongs to the decoder's position, whichever layer runs there. The first decoder visit takes
// back what it reads anyway. A gate gets a gradient once its skip differs from the stream: not while all layers are the
// identity.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <string>

namespace {

using namespace caddie;

struct UnetSkip : Block {
  static constexpr Identity identity{
      .id = "unet-skip",
      .summary = "outputs of the first half of the layers join the second half, last in first out",
      .citation = "Ronneberger et al. 2015, arXiv:1505.04597"};

  Text mode{this, "mode", "add", "how a skip joins the stream", {"add", "gate"}};
  Number weight_init{this, "weight_init", 1.0, "weight of every skip at the start", range(-1000, 1000)};
  Number gate_init{this, "gate_init", 0.0, "gate of every skip at the start, before the sigmoid", range(-100, 100)};
  Integer rows{this, "rows", 0, "rows of the weights; 0: as many as the plan of visits has skips",
               range(0, CADDIE_MAX_VISITS)};

  void attach(Hooks& hooks) override {
    hooks.chain("layer.in", &UnetSkip::pop);
    hooks.chain("layer.out", &UnetSkip::push);
  }

  Value push(Graph& g, Value x) const {
    if (g.info().visit < g.info().encoder_visits) g.set_wire(wire_name(g.info().visit).c_str(), x);
    return x;
  }

  Value pop(Graph& g, Value x) const {  // x [B, T, D]
    const int position = g.info().visit - g.info().encoder_visits;
    const int source = g.info().encoder_visits - 1 - position;
    if (position < 0 || source < 0) return x;
    const Value skip = row(g, "weight", weight_init, position) * g.wire(wire_name(source).c_str());
    if (mode == "add") return x + skip;
    const Value keep = g.sigmoid(row(g, "gate", gate_init, position));
    return keep * x + (1 - keep) * skip;
  }

 private:
  static std::string wire_name(int visit) { return "skip." + std::to_string(visit); }

  [[nodiscard]] int64_t row_count(const Graph& g) const {
    const int64_t skips = std::min(g.info().encoder_visits, g.info().visits - g.info().encoder_visits);
    if (rows == 0) return skips;
    if (rows < skips) {
      throw Failure("\"rows\" is " + std::to_string(rows.value()) + ", but this plan of visits has " +
                    std::to_string(skips) + " skips: set it to that or more");
    }
    return rows;
  }

  [[nodiscard]] Value row(Graph& g, const char* name, double initial, int position) const {  // [D]
    const int64_t D = g.info().dim;
    const Value table = g.parameter(name, "scalar", {row_count(g), D}, Init::constant(initial), Scope::model);
    return table.slice(0, position, position + 1).reshape({D});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(UnetSkip)
