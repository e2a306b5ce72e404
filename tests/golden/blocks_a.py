#!/usr/bin/env python3
"""Blocks computed without Caddie, in float64, from the formulas of their papers: the oracle of
tests/plugins/block_oracle_test.cpp.

    pip install torch
    python3 tests/golden/blocks_a.py > tests/golden/blocks_a.json

A case is a list of calls of hooks. The value k of call c is the leaf "in<c>.<k>", a wire the leaf "wire.<name>"; they and
every parameter hold 0.8 * sin(1.7 i + 0.9 s + 0.3), i the element and s the leaf's place among the sorted names. The loss is the sum over calls of
(first result) * sin(1.7 i + 0.9 (100 + c) + 0.3). Gradients come from autograd.
"""
import json
import math

import torch

torch.set_default_dtype(torch.float64)


def wave(shape, salt, size):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return (size * torch.sin(1.7 * i + 0.9 * salt + 0.3)).reshape(shape)


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


# ---- the blocks, position by position and head by head -------------------------------------------------------------


def smear_one(p, x, tokens):
    g = sigmoid(p["smear-gate.gate"])
    rows = []
    for b in range(x.shape[0]):
        before = torch.zeros(x.shape[2])
        for t in range(x.shape[1]):
            rows.append((1 - g) * x[b, t] + g * before)
            before = x[b, t]
    return torch.stack(rows).reshape(x.shape)


def smear_two(p, x, tokens, mask, bos=1):
    w = p["smear-gate.weight"][0]
    rows = []
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            y = x[b, t]
            if t > 0 and not (mask and tokens[b][t] == bos):
                y = y + p["smear-gate.lambda"] * sigmoid(torch.dot(w, x[b, t, : len(w)])) * x[b, t - 1]
            rows.append(y)
    return torch.stack(rows).reshape(x.shape)


def bigram(p, e, tokens):
    table, proj = p["bigram-hash.table"], p["bigram-hash.proj.weight"]
    last = table.shape[0] - 1
    rows = []
    for b, row in enumerate(tokens):
        for t, token in enumerate(row):
            i = last if t == 0 else ((36313 * token) ^ (27191 * row[t - 1])) % last
            rows.append(e[b, t] + p["bigram-hash.scale"] * (proj @ table[i]))
    return torch.stack(rows).reshape(e.shape)


def value_embedding(p, v, tokens, layer):
    r = [[p["value-embedding.proj.weight"] @ p["value-embedding.table"][token] for token in row] for row in tokens]
    r = p["value-embedding.scale"] * torch.stack([torch.stack(row) for row in r])  # [B, T, K*P]
    eta = p[f"blocks.{layer}.value-embedding.layer_scale"]
    return (v.reshape(r.shape) + eta * r).reshape(v.shape)


def xsa(y, v, eps=1e-12):
    H, K = y.shape[2], v.shape[2]
    heads = []
    for h in range(H):
        own = v[:, :, h // (H // K)]
        unit = own / torch.clamp(torch.linalg.vector_norm(own, dim=-1, keepdim=True), min=eps)
        heads.append(y[:, :, h] - torch.sum(y[:, :, h] * unit, dim=-1, keepdim=True) * unit)
    return torch.stack(heads, dim=2)


def rms(x, eps=2.0**-23):
    return x / torch.sqrt(torch.mean(x * x, dim=-1, keepdim=True) + eps)


def mtp_loss(p, x, targets, heads, cap):
    """x [B, T, D] behind the final norm; the mean over heads of the mean loss of the positions that still have a target."""
    means = []
    for k in range(1, heads + 1):
        total, count = 0, 0
        for b, row in enumerate(targets):
            for t in range(len(row) - k):
                logits = cap * torch.tanh(p[f"mtp-heads.head.{k}.weight"] @ x[b, t] / cap)
                total, count = total + torch.logsumexp(logits, 0) - logits[row[t + k]], count + 1
        means.append(total / count)
    return sum(means) / heads


def layer_norm(p, path, x, eps=1e-5):
    rows = []
    for row in x.reshape(-1, x.shape[-1]):
        centred = row - torch.mean(row)
        rows.append(centred / torch.sqrt(torch.mean(centred**2) + eps) * p[path + ".weight"] + p[path + ".bias"])
    return torch.stack(rows).reshape(x.shape)


def gate_heads(y, gates):
    """gates: one function of [B, T] numbers a head."""
    return torch.stack([y[:, :, h] * g[:, :, None] for h, g in enumerate(gates)], dim=2)


# ---- cases ----------------------------------------------------------------------------------------------------------

TOKENS = [[1, 12, 3, 1, 9], [4, 1, 1, 7, 12]]
TARGETS = [[12, 3, 1, 9, 0], [1, 1, 7, 12, 5]]
STREAM = {"hook": "embed.out", "visit": -1, "shapes": [[2, 5, 7]]}
DIMS = {"vocab": 13, "dim": 7, "heads": 6, "kv_heads": 2, "head_dim": 3, "layers": 5, "batch": 2, "context": 5}
VALUES = [[2, 5, 2, 3]]
HEADS = [[2, 5, 6, 3], [2, 5, 2, 3], [2, 5, 7]]


def short(values):
    return [float(f"{value:.12g}") for value in values.detach().reshape(-1).tolist()]


def case(name, blocks, parameters, calls, run, visits=(0,), wires=None):
    """run(parameters, inputs of all calls) gives the first result of every call."""
    names = dict(parameters) | {f"wire.{wire}": shape for wire, shape in (wires or {}).items()}
    for c, call in enumerate(calls):
        for k, shape in enumerate(call["shapes"]):
            names[f"in{c}.{k}"] = shape
    leaves = {}
    for salt, leaf in enumerate(sorted(names)):
        leaves[leaf] = wave(names[leaf], salt, 0.8).requires_grad_(True)
    inputs = [[leaves[f"in{c}.{k}"] for k in range(len(call["shapes"]))] for c, call in enumerate(calls)]
    outputs = run(leaves, inputs)
    loss = sum(torch.sum(out * wave(out.shape, 100 + c, 1)) for c, out in enumerate(outputs))
    loss.backward()
    gradients = {leaf: short(value.grad) for leaf, value in leaves.items() if value.grad is not None}
    return {"name": name, "dims": DIMS, "blocks": blocks, "tokens": TOKENS, "targets": TARGETS, "wires": wires or {}, "visits": list(visits), "calls": calls,
            "parameters": parameters, "outputs": [short(out) for out in outputs], "gradients": gradients}


def at_visits(hook, visits, shapes):
    return [{"hook": hook, "visit": visit, "shapes": shapes} for visit in range(len(visits))]


def cases():
    yield case("smear_one", {"smear-gate": {"variant": "v1"}}, {"smear-gate.gate": [7]},
               [dict(STREAM, hook="stream.in")], lambda p, x: [smear_one(p, x[0][0], TOKENS)])
    for window, mask in ((3, True), (7, False)):
        yield case("smear_two_masked" if mask else "smear_two_whole_token",
                   {"smear-gate": {"variant": "v2", "window": window, "bos_mask": mask}},
                   {"smear-gate.weight": [1, window], "smear-gate.lambda": [1]}, [STREAM],
                   lambda p, x, mask=mask: [smear_two(p, x[0][0], TOKENS, mask)])
    yield case("bigram", {"bigram-hash": {"buckets": 11, "dim": 3}},
               {"bigram-hash.table": [11, 3], "bigram-hash.proj.weight": [7, 3], "bigram-hash.scale": [1]}, [STREAM],
               lambda p, x: [bigram(p, x[0][0], TOKENS)])

    shared = {"value-embedding.table": [13, 4], "value-embedding.proj.weight": [6, 4], "value-embedding.scale": [1]}
    scales = {f"blocks.{layer}.value-embedding.layer_scale": [1] for layer in (2, 4)}
    visits = (1, 2, 4, 2)
    yield case("value_embedding", {"value-embedding": {"dim": 4, "layers": [2, 4]}}, shared | scales,
               at_visits("attn.v", visits, VALUES),
               lambda p, v: [v[c][0] if layer == 1 else value_embedding(p, v[c][0], TOKENS, layer)
                             for c, layer in enumerate((1, 2, 4, 2))], visits)

    visits = (0, 1, 0, 3)
    own = {f"blocks.{layer}.value-residual.scale": [1] for layer in (1, 3)}
    yield case("value_residual_scaled_first", {"value-residual": {"mode": "scaled-first"}}, own,
               at_visits("attn.v", visits, VALUES),
               lambda p, v: [v[c][0] if layer == 0 else v[c][0] + p[f"blocks.{layer}.value-residual.scale"] * v[0][0]
                             for c, layer in enumerate((0, 1, 0, 3))], visits)
    own = {f"blocks.{layer}.value-residual.mix": [2] for layer in (1, 3)}

    def mixed(p, v):
        outputs = []
        for c, layer in enumerate((0, 1, 0, 3)):
            m = p.get(f"blocks.{layer}.value-residual.mix")
            outputs.append(v[c][0] if m is None else m[0] * v[0][0] + m[1] * v[c][0])
        return outputs

    yield case("value_residual_mix", {"value-residual": {"mode": "mix"}}, own, at_visits("attn.v", visits, VALUES), mixed,
               visits)

    def both(p, v):  # neither v_first nor the sum with it holds value embeddings of layer 0
        later = v[1][0] + p["blocks.1.value-residual.scale"] * v[0][0]
        return [value_embedding(p, v[0][0], TOKENS, 0), value_embedding(p, later, TOKENS, 1)]

    own = {f"blocks.{layer}.value-embedding.layer_scale": [1] for layer in (0, 1)}
    yield case("value_embedding_behind_value_residual", {"value-embedding": {"dim": 4}, "value-residual": {}},
               shared | own | {"blocks.1.value-residual.scale": [1]}, at_visits("attn.v", (0, 1), VALUES), both, (0, 1))

    visits = (0, 1, 4, 1)
    for hook in ("attn.in", "mlp.in"):
        yield case("ln_scale_" + hook[:-3], {"ln-scale": {}}, {}, at_visits(hook, visits, [[2, 5, 7]]),
                   lambda p, n: [n[c][0] / math.sqrt(layer + 1) for c, layer in enumerate((0, 1, 4, 1))], visits)

    def normalised(p, n, embed, eps=1e-5):
        first = layer_norm(p, "layer-norm.embed", n[0][0], eps) if embed else 1.0 * n[0][0]
        layers = [layer_norm(p, f"blocks.{layer}.layer-norm.{part}", n[c][0], eps)
                  for c, layer, part in ((1, 1, "attn"), (2, 1, "mlp"), (3, 3, "attn"), (4, 1, "attn"))]
        return [first, *layers, layer_norm(p, "layer-norm.head", n[5][0], eps)]

    places = [("embed", -1), ("attn", 0), ("mlp", 0), ("attn", 1), ("attn", 2), ("head", -1)]  # layers 1, 3 and 1 again
    calls = [{"hook": "norm", "part": part, "visit": visit, "shapes": [[2, 5, 7]]} for part, visit in places]
    own = {f"{path}.{name}": [7] for name in ("weight", "bias")
           for path in ("blocks.1.layer-norm.attn", "blocks.1.layer-norm.mlp", "blocks.3.layer-norm.attn", "layer-norm.head")}
    behind = {"layer-norm.embed.weight": [7], "layer-norm.embed.bias": [7]}
    yield case("layer_norm", {"layer-norm": {}}, own | behind, calls, lambda p, n: normalised(p, n, True), (1, 3, 1))
    yield case("layer_norm_of_gpt2", {"layer-norm": {"embed": False, "eps": 0.1}}, own, calls,
               lambda p, n: normalised(p, n, False, 0.1), (1, 3, 1))

    yield case("xsa_three_heads_a_group", {"xsa": {}}, {}, at_visits("attn.y", (0,), HEADS),
               lambda p, a: [xsa(a[0][0], a[0][1])])
    yield case("xsa_every_head_alone", {"xsa": {}}, {}, at_visits("attn.y", (0,), [HEADS[0], HEADS[0], HEADS[2]]),
               lambda p, a: [xsa(a[0][0], a[0][1])])

    def windowed(p, n, block, scale):
        w = p[f"blocks.0.{block}.weight"]
        return [sigmoid(scale * torch.einsum("btc,c->bt", n[:, :, : w.shape[1]], w[h])) for h in range(6)]

    yield case("attn_out_gate", {"attn-out-gate": {"window": 3}}, {"blocks.0.attn-out-gate.weight": [6, 3]},
               at_visits("attn.y", (0,), HEADS),
               lambda p, a: [gate_heads(a[0][0], [2 * g for g in windowed(p, a[0][2], "attn-out-gate", 1)])])
    yield case("sparse_attn_gate_behind_xsa", {"sparse-attn-gate": {"window": 4, "scale": 0.7}, "xsa": {}},
               {"blocks.0.sparse-attn-gate.weight": [6, 4]}, at_visits("attn.y", (0,), HEADS),
               lambda p, a: [gate_heads(xsa(a[0][0], a[0][1]), windowed(p, a[0][2], "sparse-attn-gate", 0.7))])

    def dense(p, n):
        w, b = p["blocks.0.gated-attention.weight"], p.get("blocks.0.gated-attention.bias", torch.zeros(6))
        return [sigmoid(torch.einsum("btc,c->bt", n, w[h]) + b[h]) for h in range(6)]

    for bias in (False, True):
        own = {"blocks.0.gated-attention.weight": [6, 7]}
        yield case("gated_attention_with_bias" if bias else "gated_attention", {"gated-attention": {"bias": bias}},
                   own | ({"blocks.0.gated-attention.bias": [6]} if bias else {}), at_visits("attn.y", (0,), HEADS),
                   lambda p, a: [gate_heads(a[0][0], dense(p, a[0][2]))])

    for heads in (1, 3):
        own = {f"mtp-heads.head.{k}.weight": [13, 7] for k in range(1, heads + 1)}
        yield case(f"mtp_heads_{heads}",
                   {"mtp-heads": {"heads": heads, "weight": 0.3}, "rms-norm": {}, "logit-softcap": {"cap": 2},
                    "cross-entropy": {}}, own, [{"hook": "loss.term", "visit": -1, "shapes": [[]]}],
                   lambda p, x, heads=heads: [x[0][0] + 0.3 * mtp_loss(p, rms(p["wire.mtp-heads.stream"]), TARGETS, heads, 2)],
                   wires={"mtp-heads.stream": [2, 5, 7]})


if __name__ == "__main__":
    print(json.dumps(list(cases()), indent=None, separators=(",", ":")).replace('{"name"', '\n{"name"'))
