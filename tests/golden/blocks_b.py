#!/usr/bin/env python3
"""Techniques of depth, lanes, segments, losses, weights and averages computed without Caddie, in float64: the oracle of
tests/plugins/model_oracle_test.cpp and of tests that include tests/plugins/oracle.hpp.

    pip install numpy autograd
    python3 tests/golden/blocks_b.py > tests/golden/blocks_b.json

Every parameter of a model holds size * sin(1.7 i + 0.9 s + 0.3), i its element and s its place among the sorted names. Of
every gradient g the output has sum(g), sum(g * sin(1.7 i + 45.3)) and the first three elements; gradients come from
autograd. The models are written from the formulas, visit by visit, and share no code with the plugins.
"""
import json

import autograd.numpy as np
from autograd import grad
from autograd.tracer import getval as fixed  # a value without its gradient

BOS = 1

MODELS = [
    {
        "name": "lanes",
        "dims": {"layers": 5, "dim": 12, "heads": 2, "kv_heads": 1, "head_dim": 6, "vocab": 23, "batch": 2, "context": 9},
        "step": {"fraction": 0.3, "scale": 0.06},
        "layers": {"lanes": [3, 4]},
        "blocks": {
            "embed": {"use": "token-embedding"},
            "segments": {"use": "varlen-attention", "max_segment": 3},
            "norm": {"use": "rms-norm"},
            "loop": {"use": "depth-recurrence", "start": 1, "end": 2, "loops": 2, "enable_at": 0.25},
            "layer": {"use": "sequential-layer"},
            "lanes": {"use": "parallel-residual", "mode": "two-lane"},
            "attn": {"use": "gqa"},
            "mlp": {"use": "mlp", "mult": 2},
            "act": {"use": "act-leaky-relu2"},
            "resid": {"use": "resid-mix"},
            "skip": {"use": "unet-skip", "mode": "gate"},
            "backout": {"use": "cache-backout", "layer": 2},
            "head": {"use": "tied-head"},
            "cap": {"use": "logit-softcap", "cap": 5},
            "loss": {"use": "cross-entropy"},
            "mile": {"use": "mile-loss"},
            "qat": {"use": "late-qat", "mode": "tanh", "weights": "blocks.?.mlp.* blocks.0.attn.q.*"},
        },
    },
    {
        "name": "single",
        "dims": {"layers": 4, "dim": 10, "heads": 4, "kv_heads": 2, "head_dim": 4, "vocab": 19, "batch": 1, "context": 7},
        "step": {"fraction": 0.9, "scale": 0.1},
        "layers": {"parallel": [2, 3]},
        "blocks": {
            "qat": {"use": "late-qat", "mode": "hard", "range": 7},
            "loss": {"use": "cross-entropy"},
            "mile": {"use": "mile-loss", "gamma": 1.5, "floor": 0.3, "peak": 0.6},
            "head": {"use": "untied-head"},
            "backout": {"use": "cache-backout", "layer": 1},
            "skip": {"use": "unet-skip", "mode": "add", "rows": 2},
            "lambdas": {"use": "resid-lambdas"},
            "resid": {"use": "resid-mix"},
            "act": {"use": "act-relu2"},
            "mlp": {"use": "mlp", "mult": 1.5},
            "attn": {"use": "gqa"},
            "parallel": {"use": "parallel-residual"},
            "layer": {"use": "sequential-layer"},
            "again": {"use": "depth-recurrence", "mode": "repeat", "repeated": [1, 2], "repeats": 2, "enable_at": 0},
            "norm": {"use": "rms-norm"},
            "embed": {"use": "token-embedding"},
        },
    },
]


def wave(shape, salt, size=1.0):
    i = np.arange(int(np.prod(shape)))
    return size * np.sin(1.7 * i + 0.9 * salt + 0.3).reshape(shape)


def tokens(dims):
    b, t = np.arange(dims["batch"])[:, None], np.arange(dims["context"])[None, :]
    ids = (7 * b + 5 * t * t + 4) % dims["vocab"]
    ids = np.where((t + 2 * b) % 5 == 2, BOS, ids)
    return ids, (11 * b + 3 * t + 2) % dims["vocab"]


def visits_of(dims, blocks):
    """Steps of the encoder and of the decoder; a step is a layer and how often it runs in place."""
    L = dims["layers"]
    if "loop" in blocks:
        s, e, n = (blocks["loop"][key] for key in ("start", "end", "loops"))
        order = list(range(e + 1)) + n * list(range(s, e + 1)) + list(range(e + 1, L))
        half = len(order) // 2
        return [(layer, 1) for layer in order[:half]], [(layer, 1) for layer in order[half:]]
    again = blocks["again"]
    steps = [(layer, 1 + again["repeats"] * (layer in again["repeated"])) for layer in range(L)]
    return steps[: L // 2], steps[L // 2 :]


def shapes(dims, blocks):
    L, D, P = dims["layers"], dims["dim"], dims["head_dim"]
    H, K, V = dims["heads"], dims["kv_heads"], dims["vocab"]
    hidden = round(blocks["mlp"]["mult"] * D)
    encoder, decoder = visits_of(dims, blocks)
    rows = min(len(encoder), len(decoder))
    table = {"embed.weight": (V, D), "skip.weight": (rows, D), "backout.beta": (1,)}
    if blocks["skip"]["mode"] == "gate":
        table["skip.gate"] = (rows, D)
    if blocks["head"]["use"] == "untied-head":
        table["head.weight"] = (V, D)
    if "lanes" in blocks:
        table["lanes.rho"] = (L, 2)
        table["lanes.post"] = (L, 2, 2)
    if "lambdas" in blocks:
        table["lambdas.weight"] = (L, 2)
    for layer in range(L):
        at = f"blocks.{layer}."
        table[at + "attn.q.weight"] = (H * P, D)
        table[at + "attn.k.weight"] = (K * P, D)
        table[at + "attn.v.weight"] = (K * P, D)
        table[at + "attn.proj.weight"] = (D, H * P)
        table[at + "mlp.up.weight"] = (hidden, D)
        table[at + "mlp.down.weight"] = (D, hidden)
        table[at + "resid.mix"] = (2, D)
        table[at + "resid.attn_scale"] = (D,)
        table[at + "resid.mlp_scale"] = (D,)
    return dict(sorted(table.items()))


def segments_of(ids, longest):
    """Token by token: the number of the segment, counted from 1."""
    out = np.zeros(ids.shape, dtype=int)
    for b, row in enumerate(ids):
        number, length = 0, longest
        for t, token in enumerate(row):
            if token == BOS or length == longest:
                number, length = number + 1, 0
            out[b, t] = number
            length += 1
    return out


def quantised(w, how, scale):
    """As used in the forward pass; see golden vector G29."""
    R = how.get("range", 31)
    s = fixed(np.maximum(np.max(np.abs(fixed(w)), axis=1, keepdims=True) / R, 1 / R))
    n = np.round(fixed(w) / s)
    if how["mode"] == "hard":
        return w + (s * np.clip(n, -R - 1, R) - fixed(w))
    T = 0.05 ** (1 - scale / 0.15)
    return s * (n + 0.5 * np.tanh((w / s - n) / T))


def gamma_at(how, q):
    top, peak = how.get("gamma", 0.75), how.get("peak", 0.4)
    return top * q / peak if q < peak else max(top * (1 - (q - peak) / (1 - peak)), 0.0)


def per_token(p, model, ids, targets):
    """Logits [B, T, V]; nll, log-sum-exp and entropy [B, T]."""
    dims, blocks, step = model["dims"], model["blocks"], model["step"]
    B, T, P = dims["batch"], dims["context"], dims["head_dim"]
    H, K = dims["heads"], dims["kv_heads"]
    segments = segments_of(ids, blocks["segments"]["max_segment"]) if "segments" in blocks else np.zeros((B, T))
    hidden = (segments[:, :, None] != segments[:, None, :]) | (np.triu(np.ones((T, T)), 1)[None] > 0)

    def rms(x):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 2.0**-23)

    def weight(name):
        touched = blocks["qat"]["mode"] == "hard" or ".mlp." in name or name == "blocks.0.attn.q.weight"
        return quantised(p[name], blocks["qat"], step["scale"]) if touched else p[name]

    def attention(n, layer):
        at = f"blocks.{layer}.attn."
        q = (n @ weight(at + "q.weight").T).reshape(B, T, H, P)
        k = (n @ weight(at + "k.weight").T).reshape(B, T, K, P)
        v = (n @ weight(at + "v.weight").T).reshape(B, T, K, P)
        heads = []
        for h in range(H):
            kv = h // (H // K)
            score = np.einsum("btp,bsp->bts", q[:, :, h], k[:, :, kv]) / np.sqrt(P) + np.where(hidden, -1e30, 0.0)
            a = np.exp(score - np.max(score, axis=-1, keepdims=True))
            heads.append(np.einsum("bts,bsp->btp", a / np.sum(a, axis=-1, keepdims=True), v[:, :, kv]))
        return p[f"blocks.{layer}.resid.attn_scale"] * (np.concatenate(heads, axis=-1) @ weight(at + "proj.weight").T)

    def mlp(n, layer):
        u = n @ weight(f"blocks.{layer}.mlp.up.weight").T
        slope = 0.5 if blocks["act"]["use"] == "act-leaky-relu2" else 0.0
        out = np.where(u > 0, u, slope * u) ** 2 @ weight(f"blocks.{layer}.mlp.down.weight").T
        return p[f"blocks.{layer}.resid.mlp_scale"] * out

    def mixed(x, layer):
        mix = p[f"blocks.{layer}.resid.mix"]
        return mix[0] * x + mix[1] * x0

    def keep(layer, part):
        return p["lambdas.weight"][layer, part] if "lambdas" in blocks else 1.0

    x = x0 = rms(p["embed.weight"][ids])
    other = None  # lane 1
    kept, cache = [], None
    encoder, decoder = visits_of(dims, blocks)
    for j, (layer, times) in enumerate(encoder + decoder):
        in_lanes = layer in model["layers"].get("lanes", [])
        if in_lanes and other is None:
            other = x
        row = j - len(encoder)
        if row >= 0 and kept:
            skip = p["skip.weight"][row] * kept.pop()
            if blocks["skip"]["mode"] == "gate":
                gate = 1 / (1 + np.exp(-p["skip.gate"][row]))
                x = gate * x + (1 - gate) * skip
            else:
                x = x + skip
        for _ in range(times):
            if in_lanes:
                A, M = attention(rms(mixed(x, layer)), layer), mlp(rms(other), layer)
                rho, post = p["lanes.rho"][layer], p["lanes.post"][layer]
                x, other = (rho[0] * x + post[0, 0] * A + post[1, 0] * M, rho[1] * other + post[0, 1] * A + post[1, 1] * M)
            elif layer in model["layers"].get("parallel", []):
                m = mixed(x, layer)
                n = rms(m)
                x = keep(layer, 1) * (keep(layer, 0) * m + attention(n, layer)) + mlp(n, layer)
            else:
                m = mixed(x, layer)
                x1 = keep(layer, 0) * m + attention(rms(m), layer)
                x = keep(layer, 1) * x1 + mlp(rms(x1), layer)
        if layer == blocks["backout"]["layer"]:
            cache = x
        if row < 0:
            kept.append(x)
    if other is not None:
        x = (x + other) / 2
    x = x - p["backout.beta"][0] * cache
    head = weight("head.weight") if "head.weight" in p else p["embed.weight"]
    logits = rms(x) @ head.T
    if "cap" in blocks:
        logits = blocks["cap"]["cap"] * np.tanh(logits / blocks["cap"]["cap"])
    top = np.max(logits, axis=-1, keepdims=True)
    lse = np.log(np.sum(np.exp(logits - top), axis=-1, keepdims=True)) + top
    log_p = logits - lse
    entropy = -np.sum(np.exp(log_p) * log_p, axis=-1)
    return logits, -np.sum(log_p * np.eye(dims["vocab"])[targets], axis=-1), lse[..., 0], entropy


def run_model(model):
    dims, mile = model["dims"], model["blocks"]["mile"]
    ids, targets = tokens(dims)
    parameters = {name: wave(shape, s, 0.4) for s, (name, shape) in enumerate(shapes(dims, model["blocks"]).items())}
    gamma = gamma_at(mile, model["step"]["fraction"])

    def loss(p):
        _, nll, _, entropy = per_token(p, model, ids, targets)
        return np.mean(nll * np.maximum((1 - np.exp(-fixed(entropy))) ** gamma, mile.get("floor", 0.2)))

    logits, nll, lse, entropy = per_token(parameters, model, ids, targets)
    gradients = {}
    for name, g in grad(loss)(parameters).items():
        probe = np.sum(g * wave(g.shape, 50))
        gradients[name] = {"sum": np.sum(g), "probe": probe, "first": list(g.reshape(-1)[:3])}
    return dict(model, tokens=ids.reshape(-1).tolist(), targets=targets.reshape(-1).tolist(), loss=loss(parameters),
                logits_first_row=logits[0, 0].tolist(), nll=nll.reshape(-1).tolist(), lse=lse.reshape(-1).tolist(),
                entropy=entropy.reshape(-1).tolist(), gradients=gradients)


def run_qat():
    """y = x W'^T for W [4, 6] with rows above and below 1; gradients of sum(y * G)."""
    w = np.concatenate([wave((2, 6), 3, 2.5), wave((2, 6), 8, 0.6)])
    x, G = wave((1, 5, 6), 4), wave((1, 5, 4), 100)
    out = {"w": w.reshape(-1).tolist(), "x": x.reshape(-1).tolist(), "cases": []}
    for how, scale in (({"mode": "hard"}, 0.1), ({"mode": "hard", "range": 7}, 0.1), ({"mode": "tanh"}, 0.12),
                       ({"mode": "tanh", "range": 15}, 0.03)):
        f = lambda w, x: np.sum(G * (x @ quantised(w, how, scale).T))
        out["cases"].append({"config": how, "scale": scale, "y": (x @ quantised(w, how, scale).T).reshape(-1).tolist(),
                             "dw": grad(f, 0)(w, x).reshape(-1).tolist(), "dx": grad(f, 1)(w, x).reshape(-1).tolist()})
    return out


def run_segments():
    """Rows with documents of every length, pieces of several lengths; segments token by token."""
    cases = []
    for B, T, longest in ((1, 30, 8), (3, 17, 4), (2, 25, 1), (4, 40, 100)):
        b, t = np.arange(B)[:, None], np.arange(T)[None, :]
        ids = np.where((t * t + 3 * t + 5 * b) % 11 < 2, BOS, (t + b) % 7 + 2)
        cases.append({"batch": B, "context": T, "max_segment": longest, "tokens": ids.reshape(-1).tolist(),
                      "segments": segments_of(ids, longest).reshape(-1).tolist()})
    return cases


def run_lawa():
    """Irregular weights after each of 23 steps: the mean of the last k of those after every `every`-th."""
    weights = [wave((2, 3), step).reshape(-1) for step in range(23)]
    cases = []
    for k, every in ((3, 4), (10, 4), (1, 7), (4, 1), (2, 50)):
        taken = [weights[step] for step in range(23) if (step + 1) % every == 0][-k:]
        mean = sum(taken) / len(taken) if taken else wave((2, 3), 77).reshape(-1)
        cases.append({"k": k, "every": every, "final": mean.tolist()})
    return cases


def run_muon():
    """Four steps on a bank of two 4 x 3 matrices: momentum that warms up, rows normalised, either table, decay."""
    polar = [(8.156554524902461, -22.48329292557795, 15.878769915207462),
             (4.042929935166739, -2.808917465908714, 0.5000178451051316),
             (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
             (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
             (2.3465413258596377, -1.7097828382687081, 0.42323551169305323)]
    cases = []
    for table, rows in (("fixed", False), ("fixed", True), ("polar-express", False), ("polar-express", True)):
        W, M = wave((2, 4, 3), 1), np.zeros((2, 4, 3))
        for step in range(4):
            G, scale = wave((2, 4, 3), 10 + step), 1 - 0.2 * step
            u = min(step / 3, 1)
            mu = (1 - u) * 0.8 + u * 0.95
            M = mu * M + G
            for i in range(2):
                U = G[i] + mu * M[i]
                if rows:
                    U = U / np.maximum(np.linalg.norm(U, axis=1, keepdims=True), 1e-7)
                X = U.T / (np.linalg.norm(U) + 1e-7)
                for a, b, c in polar if table == "polar-express" else [(3.4445, -4.7750, 2.0315)] * 5:
                    A = X @ X.T
                    X = a * X + (b * A + c * A @ A) @ X
                W[i] = (1 - 0.03 * scale * 0.1) * W[i] - 0.03 * scale * np.sqrt(4 / 3) * X.T
        cases.append({"ns_table": table, "row_normalise": rows, "weights": W.reshape(-1).tolist()})
    return cases


def run_adamw():
    """Five steps on a bank of two vectors, with a falling schedule and decay."""
    p, m, v = wave((2, 3), 1), np.zeros((2, 3)), np.zeros((2, 3))
    for k in range(1, 6):
        g, rate = wave((2, 3), 20 + k, 0.1 * k), 0.02 * (1 - 0.15 * k)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        p = p * (1 - rate * 0.3) - rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.99**k)) + 1e-3)
    return p.reshape(-1).tolist()


if __name__ == "__main__":
    print(json.dumps({"models": [run_model(model) for model in MODELS], "qat": run_qat(), "segments": run_segments(),
                      "lawa": run_lawa(), "muon": run_muon(), "adamw": run_adamw()}, indent=1))
