// Parallel residual: attention and MLP of a layer read the same stream instead of one after the other (Wang &
// Komatsuzaki 2021, GPT-J; Chowdhery et al. 2022, arXiv:2204.02311; two lanes: openai/parameter-golf PR #1204, #2163).
//
//   single:    m = mix(x)         x <- residual(residual(m, attn(norm(m))), mlp(norm(m)))
//
//   two-lane:  lane 0 and lane 1 are both x before the first of these layers
//              A = scaled attn(norm(mix(lane 0)))      M = scaled mlp(norm(lane 1))
//              lane k <- rho[l, k] lane k + post[l, A, k] A + post[l, M, k] M
//              after the last layer   x = (lane 0 + lane 1) / 2, or one of them
//
// Between layers lane 0 is the stream that other blocks see and change; lane 1 forks before U-Net skips act on it and
// travels as the wire "lane1". The scales of A and M are whatever the hook "residual" does to an empty stream.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct ParallelResidual : Block {
  static constexpr Identity identity{
      .id = "parallel-residual",
      .summary = "attention and MLP read the same stream, or a lane each",
      .citation = "Wang & Komatsuzaki 2021, GPT-J; openai/parameter-golf PR #1204, PR #2163"};

  Text mode{this, "mode", "single", "one stream, or a lane for attention and one for the MLP", {"single", "two-lane"}};
  Number rho_init{this, "rho_init", 1.1, "two-lane: what a layer keeps of a lane, at the start", range(-1000, 1000)};
  Number post_init{this, "post_init", 1.0, "two-lane: share of a sub-layer in a lane, at the start",
                   range(-1000, 1000)};
  Text merge{this, "merge", "mean", "two-lane: the stream after the last layer", {"mean", "lane0", "lane1"}};

  void attach(Hooks& hooks) override {
    if (mode == "single") {
      hooks.provide("layer", &ParallelResidual::single);
      return;
    }
    hooks.chain("layer.in", &ParallelResidual::fork, kBeforeSkips);
    hooks.provide("layer", &ParallelResidual::lanes);
    hooks.chain("stream.out", &ParallelResidual::join, kBeforeOthers);
  }

  Value single(Graph& g, Value x) const {  // x [B, T, D]
    const Value m = g.hook("layer.mix", {x});
    const Value attended = attention(g, m);
    const Value hidden = mlp(g, m);
    const Value x1 = g.hook("residual", {g.hook("residual.in", {m}, "attn"), attended}, "attn");
    return g.hook("residual", {g.hook("residual.in", {x1}, "mlp"), hidden}, "mlp");
  }

  Value fork(Graph& g, Value x) const {
    if (!g.wire_or_none("lane1")) g.set_wire("lane1", x);
    return x;
  }

  Value lanes(Graph& g, Value lane0) const {
    const Value lane1 = g.wire("lane1");
    const Value nothing = g.constant({0}, lane0.shape());
    const Value A = g.hook("residual", {nothing, attention(g, g.hook("layer.mix", {lane0}))}, "attn");
    const Value M = g.hook("residual", {nothing, mlp(g, lane1)}, "mlp");

    const int64_t L = g.layers();
    const Value rho = g.parameter("rho", "scalar", {L, 2}, Init::constant(rho_init), Scope::model);
    const Value post = g.parameter("post", "scalar", {L, 2, 2}, Init::constant(post_init), Scope::model);
    const auto next = [&](Value lane, int64_t k) {
      const int64_t l = g.layer();
      return entry(rho, {l, k}) * lane + entry(post, {l, 0, k}) * A + entry(post, {l, 1, k}) * M;
    };
    g.set_wire("lane1", next(lane1, 1));
    return next(lane0, 0);
  }

  Value join(Graph& g, Value lane0) const {
    const Value lane1 = g.wire_or_none("lane1");
    if (!lane1 || merge == "lane0") return lane0;
    return merge == "lane1" ? lane1 : 0.5 * (lane0 + lane1);
  }

 private:
  static constexpr int kBeforeSkips = -100;   // U-Net skips act at phase 0
  static constexpr int kBeforeOthers = -100;  // what else acts at the end acts on the merged stream

  static Value attention(Graph& g, Value x) {
    const Value n = g.hook("attn.in", {g.hook("norm", {x}, "attn")});
    return g.hook("attn.out", {g.hook("attn", {n}), n});
  }
  static Value mlp(Graph& g, Value x) {
    const Value n = g.hook("mlp.in", {g.hook("norm", {x}, "mlp")});
    return g.hook("mlp.out", {g.hook("mlp", {n}), n});
  }

  // One number of a table.
  static Value entry(Value table, const Lengths& at) {
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      table = table.slice(static_cast<int64_t>(axis), at[axis], at[axis] + 1);
    }
    return table.reshape({});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ParallelResidual)
