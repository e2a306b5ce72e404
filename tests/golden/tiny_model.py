#!/usr/bin/env python3
"""Two tiny models computed without Caddie, in float64: the oracle of tests/plugins/model_tiny_test.cpp.

    pip install numpy autograd
    python3 tests/golden/tiny_model.py > tests/golden/tiny_model.json

Every parameter holds 0.4 * sin(1.7 i + 0.9 s + 0.3), i its element and s its place among the sorted names. Of every gradient
g the output has sum(g), sum(g * sin(1.7 i + 45.3)) and the first three elements; gradients come from autograd.
"""
import json

import autograd.numpy as np
from autograd import grad

VARIANTS = [
    {
        "name": "gated",
        "dims": {"layers": 2, "dim": 16, "heads": 2, "kv_heads": 1, "head_dim": 8, "vocab": 32, "batch": 2, "context": 8},
        "blocks": {
            "embed": {"use": "token-embedding"},
            "norm": {"use": "rms-norm"},
            "layer": {"use": "sequential-layer"},
            "attn": {"use": "gqa"},
            "qk": {"use": "qk-gain"},
            "rope": {"use": "partial-rope", "dims": 4},
            "mlp": {"use": "mlp", "mult": 2},
            "act": {"use": "act-leaky-relu2"},
            "resid": {"use": "resid-mix"},
            "skip": {"use": "unet-skip", "mode": "gate"},
            "head": {"use": "tied-head"},
            "cap": {"use": "logit-softcap", "cap": 3},
            "loss": {"use": "cross-entropy"},
            "zloss": {"use": "z-loss", "weight": 0.01},
        },
    },
    {
        "name": "plain",
        "dims": {"layers": 5, "dim": 12, "heads": 4, "kv_heads": 2, "head_dim": 6, "vocab": 20, "batch": 1, "context": 6},
        "blocks": {
            "loss": {"use": "cross-entropy"},
            "head": {"use": "untied-head"},
            "skip": {"use": "unet-skip", "mode": "add"},
            "resid": {"use": "plain-residual"},
            "act": {"use": "act-relu2"},
            "mlp": {"use": "mlp", "mult": 1.5},
            "rope": {"use": "partial-rope", "dims": 0, "base": 100, "scaling": "ntk", "train_len": 3},
            "attn": {"use": "gqa"},
            "layer": {"use": "sequential-layer"},
            "norm": {"use": "rms-norm", "eps": 1e-5},
            "embed": {"use": "token-embedding"},
        },
    },
]


def wave(shape, salt, size):
    i = np.arange(int(np.prod(shape)))
    return size * np.sin(1.7 * i + 0.9 * salt + 0.3).reshape(shape)


def tokens(dims):
    b, t = np.arange(dims["batch"])[:, None], np.arange(dims["context"])[None, :]
    return (7 * b + 5 * t * t + 3) % dims["vocab"], (11 * b + 3 * t + 1) % dims["vocab"]


def shapes(dims, blocks):
    L, D, P = dims["layers"], dims["dim"], dims["head_dim"]
    H, K, V = dims["heads"], dims["kv_heads"], dims["vocab"]
    hidden = round(blocks["mlp"]["mult"] * D)
    table = {"embed.weight": (V, D), "skip.weight": (L // 2, D)}
    if blocks["skip"]["mode"] == "gate":
        table["skip.gate"] = (L // 2, D)
    if blocks["head"]["use"] == "untied-head":
        table["head.weight"] = (V, D)
    for layer in range(L):
        at = f"blocks.{layer}."
        table[at + "attn.q.weight"] = (H * P, D)
        table[at + "attn.k.weight"] = (K * P, D)
        table[at + "attn.v.weight"] = (K * P, D)
        table[at + "attn.proj.weight"] = (D, H * P)
        table[at + "mlp.up.weight"] = (hidden, D)
        table[at + "mlp.down.weight"] = (D, hidden)
        if "qk" in blocks:
            table[at + "qk.gain"] = (H,)
        if blocks["resid"]["use"] == "resid-mix":
            table[at + "resid.mix"] = (2, D)
            table[at + "resid.attn_scale"] = (D,)
            table[at + "resid.mlp_scale"] = (D,)
    return dict(sorted(table.items()))


def rotate(x, rope, context):
    """x [B, T, heads, P]: the pairs (j, j + R/2) turn clockwise."""
    R = rope["dims"] or x.shape[-1]
    base = rope.get("base", 10000)
    if rope.get("scaling") == "ntk" and context > rope["train_len"]:
        base = base * (context / rope["train_len"]) ** (R / (R - 2))
    theta = base ** (-2 * np.arange(R // 2) / R)
    angle = np.arange(context)[:, None] * theta[None, :]
    cos, sin = np.cos(angle)[None, :, None, :], np.sin(angle)[None, :, None, :]
    a, b, rest = x[..., : R // 2], x[..., R // 2 : R], x[..., R:]
    return np.concatenate([a * cos + b * sin, b * cos - a * sin, rest], axis=-1)


def per_token(p, dims, blocks, ids, targets):
    """Logits [B, T, V]; nll and log-sum-exp [B, T]."""
    B, T, D, P = dims["batch"], dims["context"], dims["dim"], dims["head_dim"]
    H, K, L = dims["heads"], dims["kv_heads"], dims["layers"]
    eps = blocks["norm"].get("eps", 2.0**-23)

    def rms(x):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)

    def attention(n, at):
        q = (n @ p[at + "attn.q.weight"].T).reshape(B, T, H, P)
        k = (n @ p[at + "attn.k.weight"].T).reshape(B, T, K, P)
        v = (n @ p[at + "attn.v.weight"].T).reshape(B, T, K, P)
        if "qk" in blocks:
            q, k = rms(q), rms(k)
        q, k = rotate(q, blocks["rope"], T), rotate(k, blocks["rope"], T)
        if "qk" in blocks:
            q = q * p[at + "qk.gain"][None, None, :, None]
        heads = []
        for h in range(H):
            kv = h // (H // K)
            score = np.einsum("btp,bsp->bts", q[:, :, h], k[:, :, kv]) / np.sqrt(P)
            score = score + np.triu(np.full((T, T), -1e30), 1)[None]
            weight = np.exp(score - np.max(score, axis=-1, keepdims=True))
            weight = weight / np.sum(weight, axis=-1, keepdims=True)
            heads.append(np.einsum("bts,bsp->btp", weight, v[:, :, kv]))
        return np.concatenate(heads, axis=-1) @ p[at + "attn.proj.weight"].T

    def mlp(n, at):
        u = n @ p[at + "mlp.up.weight"].T
        slope = 0.5 if blocks["act"]["use"] == "act-leaky-relu2" else 0.0
        return np.where(u > 0, u, slope * u) ** 2 @ p[at + "mlp.down.weight"].T

    scaled = blocks["resid"]["use"] == "resid-mix"
    x = x0 = rms(p["embed.weight"][ids])
    kept = []
    for layer in range(L):
        at = f"blocks.{layer}."
        j = layer - L // 2
        if j >= 0 and kept:
            skip = p["skip.weight"][j] * kept.pop()
            if blocks["skip"]["mode"] == "gate":
                gate = 1 / (1 + np.exp(-p["skip.gate"][j]))
                x = gate * x + (1 - gate) * skip
            else:
                x = x + skip
        if scaled:
            x = p[at + "resid.mix"][0] * x + p[at + "resid.mix"][1] * x0
        x = x + (p[at + "resid.attn_scale"] if scaled else 1.0) * attention(rms(x), at)
        x = x + (p[at + "resid.mlp_scale"] if scaled else 1.0) * mlp(rms(x), at)
        if layer < L // 2:
            kept.append(x)
    logits = rms(x) @ p["head.weight" if "head.weight" in p else "embed.weight"].T
    if "cap" in blocks:
        logits = blocks["cap"]["cap"] * np.tanh(logits / blocks["cap"]["cap"])
    top = np.max(logits, axis=-1, keepdims=True)
    lse = (np.log(np.sum(np.exp(logits - top), axis=-1, keepdims=True)) + top)[..., 0]
    chosen = np.sum(logits * np.eye(dims["vocab"])[targets], axis=-1)
    return logits, lse - chosen, lse


def run(variant):
    dims, blocks = variant["dims"], variant["blocks"]
    ids, targets = tokens(dims)
    parameters = {name: wave(shape, s, 0.4) for s, (name, shape) in enumerate(shapes(dims, blocks).items())}

    def loss(p):
        _, nll, lse = per_token(p, dims, blocks, ids, targets)
        return np.mean(nll) + blocks.get("zloss", {"weight": 0})["weight"] * np.mean(lse * lse)

    logits, nll, lse = per_token(parameters, dims, blocks, ids, targets)
    gradients = {}
    for name, g in grad(loss)(parameters).items():
        probe = np.sum(g * wave(g.shape, 50, 1.0))
        gradients[name] = {"sum": np.sum(g), "probe": probe, "first": list(g.reshape(-1)[:3])}
    return dict(variant, tokens=ids.reshape(-1).tolist(), targets=targets.reshape(-1).tolist(), loss=loss(parameters),
                logits_first_row=logits[0, 0].tolist(), nll=nll.reshape(-1).tolist(), lse=lse.reshape(-1).tolist(),
                gradients=gradients)


if __name__ == "__main__":
    print(json.dumps([run(variant) for variant in VARIANTS], indent=1))
