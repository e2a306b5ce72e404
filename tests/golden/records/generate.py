#!/usr/bin/env python3
"""Writes the golden values of the six record runs, computed in float64 without Caddie; README.md says what is in them.

    pip install numpy torch --extra-index-url https://download.pytorch.org/whl/cpu
    python3 tests/golden/records/generate.py            (all runs, small and full)
    python3 tests/golden/records/generate.py pr-388     (some)
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch

import pseudo
from model import BOS, Config, Model, parameter_shapes
from runs import PARAMETERS, RUNS, VARIANTS, small

HERE = pathlib.Path(__file__).parent
PROJECTIONS = 4
SAMPLES = 4  # the largest elements, and as many drawn from those that are not zero


def centre_and_scale(path: str, shape: tuple[int, ...], c: Config) -> tuple[float, float]:
    """Uniform numbers in centre +- scale. Matrices keep the size of what they map; what a run starts at zero is not
    zero here, so that no gradient hides behind it."""
    unit = math.sqrt(3.0 / shape[-1])  # of a matrix: outputs as large as inputs
    tied = 1.1 / math.sqrt(c.dim)  # the logit of the token just read stands out, and its probability stays well below 1
    by_name = {
        "embed.weight": (0.0, tied), "bigram.table": (0.0, tied), "bigram.proj.weight": (0.0, unit),
        "bigram.scale": (0.6, 0.1), "smear.gate": (0.0, 1.0),
        "smear.weight": (0.0, 10.0 if c.smear_before_norm else 1.0), "smear.lambda": (0.4, 0.1), "ve.table": (0.0, 1.0), "ve.proj.weight": (0.0, unit), "ve.scale": (0.6, 0.1),
        "skips.weight": (1.0, 0.25), "skips.gate": (0.0, 1.0),
        "lanes.rho": (1.1, 0.2), "lanes.post": (1.0, 0.3), "lambdas.weight": (1.05, 0.2), "backout.beta": (0.2, 0.1),
    }
    by_end = {
        "attn.q.weight": (0.0, unit), "attn.k.weight": (0.0, unit), "attn.v.weight": (0.0, unit),
        "attn.proj.weight": (0.0, unit), "mlp.up.weight": (0.0, unit), "mlp.down.weight": (0.0, unit),
        "qk.gain": (c.gain, 0.5), "residual.mix": (0.5, 0.5), "residual.attn_scale": (1.0, 0.25),
        "residual.mlp_scale": (1.0, 0.25), "gate.weight": (0.0, 1.0), "ve.layer_scale": (1.0, 0.3),
        "vres.scale": (0.0, 0.8),
    }
    return by_name[path] if path in by_name else by_end[path.split(".", 2)[2]]


def stream(c: Config) -> np.ndarray:
    """T + 1 token ids; some are BOS, two of them neighbours."""
    ids = (pseudo.words("tokens", c.context + 1) % np.uint64(c.vocab)).astype(np.int64)
    for place in (0, 13, 14, 29, c.context - 3):
        ids[place] = BOS
    return ids


def fingerprint(name: str, values: np.ndarray) -> dict:
    """What tells a tensor from any other: its norm, projections on pseudo-random vectors, single elements."""
    flat = values.reshape(-1)
    size = np.abs(flat)
    largest = np.argsort(-size, kind="stable")[:SAMPLES]
    nonzero = np.flatnonzero(size)
    drawn = nonzero[(pseudo.words(name + "#elements", SAMPLES) % np.uint64(len(nonzero))).astype(np.int64)]
    elements = sorted({int(i) for i in np.concatenate([largest, drawn])})
    return {
        "norm": float(np.linalg.norm(flat)),
        "projections": [float(flat @ pseudo.numbers(f"{name}#{k}", flat.size)) for k in range(PROJECTIONS)],
        "elements": {str(i): float(flat[i]) for i in elements},
    }


def golden(c: Config) -> dict:
    parameters, how = {}, {}
    for path, shape in parameter_shapes(c).items():
        centre, scale = centre_and_scale(path, shape, c)
        values = pseudo.tensor(path, math.prod(shape), centre, scale)
        parameters[path] = torch.from_numpy(values).reshape(shape).requires_grad_()
        how[path] = {"shape": list(shape), "centre": centre, "scale": scale}
    ids = stream(c)
    tokens, targets = torch.from_numpy(ids[None, :-1]), torch.from_numpy(ids[None, 1:])
    result = Model(c, parameters).forward(tokens, targets)
    result["loss"].backward()
    out = {name: value.detach().numpy()[0] if name != "loss" else value.item() for name, value in result.items()}
    for path, parameter in parameters.items():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, f"{path} has no gradient"
        how[path]["gradient"] = fingerprint("gradient/" + path, parameter.grad.numpy())
    dims = {name: getattr(c, name) for name in ("layers", "dim", "heads", "kv_heads", "head_dim", "vocab", "context")}
    return {
        "dims": dims,
        "parameter_count": sum(math.prod(entry["shape"]) for entry in how.values()),
        "mile_gamma": c.mile_gamma,
        "tokens": ids[:-1].tolist(),
        "targets": ids[1:].tolist(),
        "loss": out["loss"],
        "nll": out["nll"].tolist(),
        "logits": fingerprint("logits", out["logits"]) | {"norms": np.linalg.norm(out["logits"], axis=-1).tolist()},
        "parameters": how,
        "about": {  # nothing is compared with these
            "weight": [float(out["weight"].min()), float(out["weight"].max())],
            "lse": [float(out["lse"].min()), float(out["lse"].max())],
            "largest_logit": float(np.abs(out["logits"]).max()),
        },
    }


def write(file: pathlib.Path, config: Config) -> None:
    made = golden(config)
    file.write_text(json.dumps(made, separators=(",", ":")).replace('"blocks.', '\n"blocks.') + "\n")
    norms = [entry["gradient"]["norm"] for entry in made["parameters"].values()]
    print(f"{file.relative_to(HERE)}: loss {made['loss']:.9f}, {made['parameter_count']:,} parameters, "
          f"gradient norms {min(norms):.2e} to {max(norms):.2e}, {made['about']}", flush=True)


def main() -> None:
    runs = RUNS | VARIANTS
    for run in sys.argv[1:] or runs:
        write(HERE / "small" / f"{run}.json", small(runs[run]))
        if run in VARIANTS:
            continue
        counted = sum(math.prod(shape) for shape in parameter_shapes(RUNS[run]).values())
        assert counted == PARAMETERS[run], f"{run}: {counted} parameters, not {PARAMETERS[run]}"
        write(HERE / f"{run}.json", RUNS[run])


if __name__ == "__main__":
    main()
