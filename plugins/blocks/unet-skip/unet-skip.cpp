// U-Net skips: the first half of the visits keeps its outputs, the second half takes them back, last in first out
// (Ronneberger et al. 2015, arXiv:1505.04597; gated: openai/parameter-golf PR #1204).
//
//   decoder step j reads the output s of encoder step (steps - 1 - j), while there is one:
//   add:   x <- x + w_j * s
//   gate:  x <- g * x + (1 - g) * (w_j * s),   g = sigmoid(gate_j)
//
// A step is a visit of a layer with its immediate repeats: the first of them takes a skip back, the last one's output
// is kept. Row j of the weights belongs to the decoder's step, whichever layer runs there. The first step takes back
// what it reads anyway. A gate gets a gradient once its skip differs from the stream: not while all layers are the
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
  Integer rows{this, "rows", 0,
               "rows of the weights; 0: as many as the shorter half of the visits at the end of the run",
               range(0, CADDIE_MAX_VISITS)};

  void attach(Hooks& hooks) override {
    hooks.chain("layer.in", &UnetSkip::pop);
    hooks.chain("layer.out", &UnetSkip::push);
  }

  Value pop(Graph& g, Value x) const {  // x [B, T, D]
    const bool again = repeats(g);
    g.set_wire(visit_name(g.info().visit, g.layer()).c_str(), x);
    if (encoder(g) || again) return x;
    const int step = count(g, "skip.taken.");
    const int source = count(g, "skip.") - 1 - step;
    if (source < 0) return x;
    g.set_wire(numbered("skip.taken.", step).c_str(), x);
    g.note("skip", {static_cast<double>(step), static_cast<double>(source)});
    const Value skip = row(g, "weight", weight_init, step) * g.wire(numbered("skip.", source).c_str());
    if (mode == "add") return x + skip;
    const Value keep = g.sigmoid(row(g, "gate", gate_init, step));
    return keep * x + (1 - keep) * skip;
  }

  Value push(Graph& g, Value x) const {
    if (encoder(g)) g.set_wire(numbered("skip.", count(g, "skip.") - (repeats(g) ? 1 : 0)).c_str(), x);
    return x;
  }

 private:
  static bool encoder(const Graph& g) { return g.info().visit < g.info().encoder_visits; }

  // What was met so far is told by the wires that are there: visits with their layers, kept outputs, skips taken.
  static std::string numbered(const char* prefix, int number) { return prefix + std::to_string(number); }
  static std::string visit_name(int visit, int layer) {
    return "skip.visit." + std::to_string(visit) + "." + std::to_string(layer);
  }
  static int count(const Graph& g, const char* prefix) {
    int number = 0;
    while (g.wire_or_none(numbered(prefix, number).c_str())) ++number;
    return number;
  }

  // The visit before this one was of the same layer, in the same half.
  static bool repeats(const Graph& g) {
    const int visit = g.info().visit;
    return visit != g.info().encoder_visits && g.wire_or_none(visit_name(visit - 1, g.layer()).c_str());
  }

  [[nodiscard]] int64_t row_count(const Graph& g, int step) const {
    const auto shorter = [](int32_t visits, int32_t encoder) { return std::min(encoder, visits - encoder); };
    const auto& info = g.info();
    if (rows == 0) {
      return std::max(shorter(info.visits, info.encoder_visits), shorter(info.final_visits, info.final_encoder_visits));
    }
    if (rows <= step) {
      throw Failure("\"rows\" is " + std::to_string(rows.value()) +
                    ", but this plan of visits has more skips: leave it at 0");
    }
    return rows;
  }

  [[nodiscard]] Value row(Graph& g, const char* name, double initial, int step) const {  // [D]
    const int64_t D = g.info().dim;
    const Value table = g.parameter(name, "scalar", {row_count(g, step), D}, Init::constant(initial), Scope::model);
    return table.slice(0, step, step + 1).reshape({D});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(UnetSkip)
