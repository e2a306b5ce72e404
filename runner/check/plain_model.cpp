#include "runner/check/plain_model.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/graph/emitter.hpp"

namespace caddie::check {
namespace {

using graph::Shape;
using graph::Value;
using plugins::Build;

using Values = std::vector<Value>;

caddie_tensor_spec tensor(const char* name, const char* role, std::span<const std::int64_t> lengths, double size,
                          bool global, int kind) {
  caddie_tensor_spec spec{};
  spec.struct_size = sizeof spec;
  spec.flags = global ? static_cast<std::uint32_t>(CADDIE_TENSOR_GLOBAL) : 0u;
  spec.name = name;
  spec.role = role;
  spec.dtype = CADDIE_F32;
  spec.rank = static_cast<std::uint32_t>(lengths.size());
  spec.lengths = lengths.data();
  spec.initialiser.struct_size = sizeof spec.initialiser;
  spec.initialiser.kind = kind;
  spec.initialiser.a = kind == CADDIE_INIT_UNIFORM ? -size : 0;
  spec.initialiser.b = size;
  return spec;
}

Value linear(Build& build, Value x, const char* name, std::int64_t outputs, const char* role = "matrix",
             bool global = false) {
  const Shape shape = build.graph().shape(x);
  const std::int64_t inputs = shape[shape.rank() - 1];
  const std::int64_t lengths[] = {outputs, inputs};
  return build.linear(
      x, tensor(name, role, lengths, 1 / std::sqrt(static_cast<double>(inputs)), global, CADDIE_INIT_UNIFORM));
}

Value one(Build& build, const char* hook, const char* part, Values inputs) {
  return build.run_hook(hook, part, std::move(inputs), 1)[0];
}

Values embed(Build& build, const Values& in) {  // tokens [B,T] -> e [B,T,D]
  const std::int64_t lengths[] = {build.dims().vocab, build.dims().dim};
  const Value table = build.declare_parameter(tensor("weight", "embedding", lengths, 1, true, CADDIE_INIT_NORMAL));
  build.set_wire("embedding", table);
  return {build.graph().emit(graph::Op::gather, {table, in[0]})};
}

Values norm(Build& build, const Values& in) { return {build.graph().emit(graph::Op::rms_norm, {in[0]})}; }

Values layer(Build& build, const Values& in) {
  const Value m = one(build, "layer.mix", "", {in[0]});
  const Value n = one(build, "attn.in", "", {one(build, "norm", "attn", {m})});
  const Value attended = one(build, "attn.out", "", {one(build, "attn", "", {n}), n});
  const Value x = one(build, "residual", "attn", {one(build, "residual.in", "attn", {m}), attended});
  const Value n1 = one(build, "mlp.in", "", {one(build, "norm", "mlp", {x})});
  const Value hidden = one(build, "mlp.out", "", {one(build, "mlp", "", {n1}), n1});
  return {one(build, "residual", "mlp", {one(build, "residual.in", "mlp", {x}), hidden})};
}

Values attend(Build& build, const Values& in) {
  const plugins::Dims& dims = build.dims();
  const graph::Emitter emit{build.graph()};
  const Shape rows = build.graph().shape(in[0]);
  const auto heads = [&](const char* name, std::int64_t count) {
    return emit.reshape(linear(build, in[0], name, count * dims.head_dim), {rows[0], rows[1], count, dims.head_dim});
  };
  if (build.graph().failed()) return {0};
  const Value v = one(build, "attn.v", "", {heads("v.weight", dims.kv_heads), in[0]});
  const Value q0 = heads("q.weight", dims.heads);
  const Values qk = build.run_hook("attn.qk", "", {q0, heads("k.weight", dims.kv_heads), in[0]}, 2);
  Values operands = {qk[0], qk[1], v};
  if (const Value segments = build.wire("segments"); segments != 0) operands.push_back(segments);
  graph::Attributes attributes;
  attributes.set("scale", 1 / std::sqrt(static_cast<double>(dims.head_dim)));
  const Value y = build.graph().emit(graph::Op::attention, operands, std::move(attributes));
  const Value mixed = one(build, "attn.y", "", {y, v, in[0]});
  if (build.graph().failed()) return {0};
  const Value joined = emit.reshape(mixed, {rows[0], rows[1], dims.heads * dims.head_dim});
  return {linear(build, joined, "proj.weight", dims.dim)};
}

Values mlp(Build& build, const Values& in) {
  const Value hidden = one(build, "mlp.act", "", {linear(build, in[0], "up.weight", 2 * build.dims().dim)});
  if (build.graph().failed()) return {0};
  return {linear(build, hidden, "down.weight", build.dims().dim)};
}

Values activation(Build& build, const Values& in) { return {build.graph().emit(graph::Op::tanh, {in[0]})}; }
Values residual(Build& build, const Values& in) { return {build.graph().emit(graph::Op::add, {in[0], in[1]})}; }
Values head(Build& build, const Values& in) {
  return {linear(build, in[0], "weight", build.dims().vocab, "head", true)};
}
Values token_loss(Build& build, const Values& in) {
  const Value first = build.graph().emit(graph::Op::cross_entropy, {in[0], in[1]});
  return {first, build.graph().output_of(first, 1), build.graph().output_of(first, 2)};
}

template <Values (*function)(Build&, const Values&)>
caddie_code call(void*, caddie_build* build, const caddie_value* inputs, std::uint32_t input_count,
                 caddie_value* outputs, std::uint32_t, caddie_error*) {
  const Values made = function(*plugins::from_abi(build), {inputs, inputs + input_count});
  std::ranges::copy(made, outputs);
  return CADDIE_OK;
}

struct Supplier {
  const char* hook;
  caddie_hook_function function;
};
constexpr Supplier kSuppliers[] = {
    {"embed", call<embed>},       {"norm", call<norm>}, {"layer", call<layer>},
    {"attn", call<attend>},       {"mlp", call<mlp>},   {"mlp.act", call<activation>},
    {"residual", call<residual>}, {"head", call<head>}, {"loss.token", call<token_loss>},
};

}  // namespace

std::vector<plugins::BlockInstance> with_plain_blocks(std::vector<plugins::BlockInstance> blocks) {
  std::vector<plugins::BlockInstance> all;
  for (const Supplier& supplier : kSuppliers) {
    const bool supplied = std::ranges::any_of(blocks, [&](const plugins::BlockInstance& block) {
      return std::ranges::any_of(block.attachments, [&](const plugins::Attachment& attachment) {
        return attachment.hook == supplier.hook && attachment.kind == plugins::HookKind::provide;
      });
    });
    if (supplied) continue;
    plugins::BlockInstance plain;
    plain.name = std::string("plain.") + supplier.hook;
    plain.attachments.push_back(
        {.hook = supplier.hook, .kind = plugins::HookKind::provide, .function = supplier.function});
    all.push_back(std::move(plain));
  }
  for (plugins::BlockInstance& block : blocks) all.push_back(std::move(block));
  return all;
}

}  // namespace caddie::check
