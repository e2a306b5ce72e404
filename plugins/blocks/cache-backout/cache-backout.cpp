// Cache and backout: the stream after one layer is kept, and a share of it is taken out again at the end, so that what
// early layers needed does not have to be predicted from (modded-nanogpt; openai/parameter-golf PR #1130).
//
//   layer.out of `layer`:  cache = x        after the last layer:  x <- x - beta cache,   beta = 0.1 at the start
//
// Where the layer runs more than once, its last output is kept.
#include <caddie/plugin.hpp>
#include <string>

namespace {

using namespace caddie;

struct CacheBackout : Block {
  static constexpr Identity identity{
      .id = "cache-backout",
      .summary = "takes a share of an earlier layer's output out of the stream at the end",
      .citation = "modded-nanogpt; openai/parameter-golf PR #1130"};

  Integer layer{this, "layer", 7, "the layer whose output is kept", range(0, CADDIE_MAX_VISITS - 1)};
  Number beta_init{this, "beta_init", 0.1, "the share taken out, at the start", range(-1000, 1000)};

  void attach(Hooks& hooks) override {
    hooks.chain("layer.out", &CacheBackout::keep);
    hooks.chain("stream.out", &CacheBackout::back_out);
  }

  Value keep(Graph& g, Value x) const {
    if (g.layer() == layer) g.set_wire("cache", x);
    return x;
  }

  Value back_out(Graph& g, Value x) const {  // x [B, T, D]
    const Value cache = g.wire_or_none("cache");
    if (!cache) {
      throw Failure("\"layer\" is " + std::to_string(layer.value()) + ", which never ran; the model has " +
                    std::to_string(g.layers()) + " layers, the last is " + std::to_string(g.layers() - 1));
    }
    return x - g.parameter("beta", "scalar", {1}, Init::constant(beta_init), Scope::model) * cache;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(CacheBackout)
