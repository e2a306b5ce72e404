// Value embedding: attention's values also hold a vector of the token itself, which no layer below has to carry there
// (value embeddings: modded-nanogpt; one small table for several layers: openai/parameter-golf PR #374).
//
//   r_t = scale * (W table[token_t])                    once for the model: table [V, dim], W [K*P, dim], scale = 0.1
//   v_t <- v_t + layer_scale * r_t                      in every layer that "layers" names, layer_scale = 1
//
// r is kept as a wire of this block's own, so that it is computed once, however many layers add it.
#include <caddie/plugin.hpp>

#include <cmath>
#include <string>

namespace {

using namespace caddie;

struct ValueEmbedding : Block {
  static constexpr Identity identity{.id = "value-embedding",
                                     .summary = "a learned vector of the token joins attention's values",
                                     .citation = "modded-nanogpt; openai/parameter-golf PR #374"};

  Integer dim{this, "dim", 128, "channels of the table", range(1, 1 << 20)};
  Number init_std{this, "init_std", 0.01, "standard deviation of the initial table", range(0, 10)};
  Number scale_init{this, "scale_init", 0.1, "scale of the shared term at the start", range(-1000, 1000)};
  Number layer_scale_init{this, "layer_scale_init", 1.0, "scale of a layer at the start", range(-1000, 1000)};
  Text proj_init{this,
                 "proj_init",
                 "orthogonal",
                 "start of the projection: orthogonal, or orthogonal times 1/sqrt(2 layers)",
                 {"orthogonal", "orthogonal-scaled"}};

  void attach(Hooks& hooks) override { hooks.chain("attn.v", &ValueEmbedding::add); }

  Value add(Graph& g, Value v) const {  // v [B, T, K, P]
    const Value layer_scale = g.parameter("layer_scale", "scalar", {1}, Init::constant(layer_scale_init));
    return v + layer_scale * shared(g, v.shape());
  }

 private:
  // r as [B, T, K, P]. The wire's name holds the table's number in this build: two of these blocks do not meet.
  [[nodiscard]] Value shared(Graph& g, const Lengths& shape) const {
    const Init normal = Init::normal(0, init_std);
    const Value table = g.parameter("table", "embedding", {g.info().vocab, dim}, normal, Scope::model);
    const std::string wire = "value-embedding." + std::to_string(table.id());
    if (const Value made = g.wire_or_none(wire.c_str())) return made;

    const Value scale = g.parameter("scale", "scalar", {1}, Init::constant(scale_init), Scope::model);
    const Value rows = g.gather(table, g.wire("tokens"));  // [B, T, dim]
    const int64_t channels = shape[2] * shape[3];
    const Value r = scale * g.linear(rows, "proj.weight", channels, Init::orthogonal(gain(g)), "matrix", Scope::model);
    const Value made = r.reshape(shape);
    g.set_wire(wire.c_str(), made);
    return made;
  }

  [[nodiscard]] double gain(const Graph& g) const {
    return proj_init == "orthogonal" ? 1 : 1 / std::sqrt(2.0 * g.layers());
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ValueEmbedding)
