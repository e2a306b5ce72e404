"""The models of the six records as plain PyTorch, written from the papers' and pull requests' formulas.

It shares nothing with Caddie but the names and shapes of the parameters. One function a formula, in the order in which
a forward pass meets them; every technique is a field of Config and absent unless a run names it.

Shapes: B batch, T time, D model, H query heads, K key/value heads, P width of a head, V vocabulary, L layers.
"""
from __future__ import annotations

import dataclasses
import math

import torch

EPSILON = 2.0**-23  # of every RMS norm: float32's machine epsilon
BOS = 1


@dataclasses.dataclass(frozen=True)
class Config:
    layers: int = 11
    dim: int = 512
    heads: int = 8
    kv_heads: int = 4
    head_dim: int = 64
    vocab: int = 1024
    context: int = 128
    # attention
    gain: float = 1.5            # where the gains of QK-norm start
    rope_dims: int = 16
    rope_base: float = 10000.0
    rope_train_len: int = 0      # above 0: NTK-aware base once the context is longer
    rope_bf16: bool = False      # frequencies rounded to bfloat16
    xsa_last: int = 0            # exclusive self-attention in that many last layers
    gate: str = ""               # of the head outputs: "two-sigmoid" or "sparse"
    gate_window: int = 12
    gate_scale: float = 1.0      # inside the sigmoid of the sparse gate
    segment_length: int = 0      # above 0: attention stays within segments, cut at BOS and at this length
    # MLP
    mult: int = 3
    slope: float = 0.0           # of the activation below zero, before squaring
    # residual stream
    ln_scale: bool = True
    skip: str = "add"            # or "gate"
    loop: tuple[int, int, int] | None = None  # first layer, last layer, repeats
    loop_is_on: bool = True
    parallel_from: int | None = None          # one lane: attention and MLP read the same value
    lanes_from: int | None = None             # two lanes
    lambdas: bool = False
    backout_layer: int | None = None
    # input
    bigram: tuple[int, int] | None = None     # rows, width
    smear: str = ""              # "channels": one gate a channel; "window": one gate a token
    smear_window: int = 12
    smear_before_norm: bool = False
    smear_mask: bool = False     # a BOS takes nothing from the token before it
    ve: tuple[int, tuple[int, ...]] | None = None  # width, layers
    value_residual: bool = False
    # head and loss
    cap: float = 30.0
    z_loss: float = 0.0
    z_shift: float = 0.0         # added to the log-sum-exp
    z_backprop: bool = True
    mile_gamma: float | None = None
    mile_floor: float = 0.2

    @property
    def visits(self) -> tuple[list[int], int]:
        """The layers in the order they run, and how many visits are the encoder's."""
        order = list(range(self.layers))
        if self.loop and self.loop_is_on:
            first, last, repeats = self.loop
            order = order[:first] + order[first : last + 1] * (repeats + 1) + order[last + 1 :]
        return order, len(order) // 2

    @property
    def skip_rows(self) -> int:
        """As many as the encoder has visits when the loop is on."""
        return len(dataclasses.replace(self, loop_is_on=True).visits[0]) // 2


def parameter_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (c.vocab, c.dim)}
    value_dim = c.kv_heads * c.head_dim
    hidden = c.mult * c.dim
    for layer in range(c.layers):
        block = f"blocks.{layer}."
        shapes[block + "attn.q.weight"] = (c.heads * c.head_dim, c.dim)
        shapes[block + "attn.k.weight"] = (value_dim, c.dim)
        shapes[block + "attn.v.weight"] = (value_dim, c.dim)
        shapes[block + "attn.proj.weight"] = (c.dim, c.heads * c.head_dim)
        shapes[block + "mlp.up.weight"] = (hidden, c.dim)
        shapes[block + "mlp.down.weight"] = (c.dim, hidden)
        shapes[block + "qk.gain"] = (c.heads,)
        shapes[block + "residual.mix"] = (2, c.dim)
        shapes[block + "residual.attn_scale"] = (c.dim,)
        shapes[block + "residual.mlp_scale"] = (c.dim,)
        if c.gate:
            shapes[block + "gate.weight"] = (c.heads, c.gate_window)
        if c.ve and layer in c.ve[1]:
            shapes[block + "ve.layer_scale"] = (1,)
        if c.value_residual and layer > 0:
            shapes[block + "vres.scale"] = (1,)
    shapes["skips.weight"] = (c.skip_rows, c.dim)
    if c.skip == "gate":
        shapes["skips.gate"] = (c.skip_rows, c.dim)
    if c.bigram:
        rows, width = c.bigram
        shapes |= {"bigram.table": (rows, width), "bigram.proj.weight": (c.dim, width), "bigram.scale": (1,)}
    if c.smear == "channels":
        shapes["smear.gate"] = (c.dim,)
    elif c.smear:
        shapes |= {"smear.weight": (1, c.smear_window), "smear.lambda": (1,)}
    if c.ve:
        shapes |= {"ve.table": (c.vocab, c.ve[0]), "ve.proj.weight": (value_dim, c.ve[0]), "ve.scale": (1,)}
    if c.lanes_from is not None:
        shapes |= {"lanes.rho": (c.layers, 2), "lanes.post": (c.layers, 2, 2)}
    if c.lambdas:
        shapes["lambdas.weight"] = (c.layers, 2)
    if c.backout_layer is not None:
        shapes["backout.beta"] = (1,)
    return shapes


def rms(x: torch.Tensor) -> torch.Tensor:
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + EPSILON)


def shifted(x: torch.Tensor) -> torch.Tensor:
    """x of the token before; zero before the first."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)


def rope_angles(c: Config, dtype: torch.dtype) -> torch.Tensor:
    """[T, dims/2]."""
    base = c.rope_base
    if c.rope_train_len and c.context > c.rope_train_len:
        base *= (c.context / c.rope_train_len) ** (c.rope_dims / (c.rope_dims - 2))
    pairs = torch.arange(c.rope_dims // 2, dtype=dtype)
    frequencies = base ** (-2 * pairs / c.rope_dims)
    if c.rope_bf16:
        frequencies = frequencies.to(torch.bfloat16).to(dtype)
    return torch.arange(c.context, dtype=dtype)[:, None] * frequencies[None, :]


def rotate(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """x [B, T, heads, P]: the first dims turn, pairs (j, j + dims/2), clockwise; the others stay."""
    half = angles.shape[1]
    cos, sin = angles.cos()[None, :, None, :], angles.sin()[None, :, None, :]
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat([first * cos + second * sin, second * cos - first * sin, rest], dim=-1)


def segment_ids(tokens: torch.Tensor, length: int) -> torch.Tensor:
    """A new segment at every BOS, at the row's start, and after `length` tokens of the same segment."""
    ids = torch.zeros_like(tokens)
    for row in range(tokens.shape[0]):
        segment, age = 0, 0
        for t in range(tokens.shape[1]):
            if t > 0 and (int(tokens[row, t]) == BOS or age == length):
                segment, age = segment + 1, 0
            ids[row, t] = segment
            age += 1
    return ids


def bigram_rows(tokens: torch.Tensor, rows: int) -> torch.Tensor:
    hashed = torch.full_like(tokens, rows - 1)
    hashed[:, 1:] = ((36313 * tokens[:, 1:]) ^ (27191 * tokens[:, :-1])) % (rows - 1)
    return hashed


class Model:
    """A run's model on given parameters; forward() returns a dict of results."""

    def __init__(self, config: Config, parameters: dict[str, torch.Tensor]):
        self.c = config
        self.p = parameters
        self.dtype = parameters["embed.weight"].dtype

    # ---- input ------------------------------------------------------------------------------------------------

    def embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        c, p = self.c, self.p
        e = p["embed.weight"][tokens]
        if c.bigram:
            pairs = p["bigram.table"][bigram_rows(tokens, c.bigram[0])]
            e = e + p["bigram.scale"] * (pairs @ p["bigram.proj.weight"].T)
        if c.smear == "window" and c.smear_before_norm:
            e = self.smear_window(e, tokens)
        x = rms(e)
        if c.smear == "window" and not c.smear_before_norm:
            x = self.smear_window(x, tokens)
        if c.smear == "channels":
            g = torch.sigmoid(p["smear.gate"])
            x = (1 - g) * x + g * shifted(x)
        return x

    def smear_window(self, x: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        mask = (tokens != BOS).to(self.dtype)[..., None] if self.c.smear_mask else 1.0
        gate = torch.sigmoid(x[..., : self.c.smear_window] @ self.p["smear.weight"].T)  # [B, T, 1]
        return x + mask * self.p["smear.lambda"] * gate * shifted(x)

    # ---- a layer's parts --------------------------------------------------------------------------------------

    def normed(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        return rms(x) / math.sqrt(layer + 1) if self.c.ln_scale else rms(x)

    def values(self, n: torch.Tensor, layer: int) -> torch.Tensor:
        """[B, T, K * P], with value embedding and value residual."""
        c, p = self.c, self.p
        v = n @ p[f"blocks.{layer}.attn.v.weight"].T
        if c.ve and layer in c.ve[1]:
            v = v + p[f"blocks.{layer}.ve.layer_scale"] * self.value_embedding
        if c.value_residual and layer > 0:
            v = v + p[f"blocks.{layer}.vres.scale"] * self.first_values
        return v

    def attention(self, n: torch.Tensor, layer: int) -> torch.Tensor:
        c, p = self.c, self.p
        batch, time, _ = n.shape
        block = f"blocks.{layer}."
        q = (n @ p[block + "attn.q.weight"].T).view(batch, time, c.heads, c.head_dim)
        k = (n @ p[block + "attn.k.weight"].T).view(batch, time, c.kv_heads, c.head_dim)
        v = self.values(n, layer).view(batch, time, c.kv_heads, c.head_dim)
        angles = rope_angles(c, self.dtype)
        q = rotate(rms(q), angles) * p[block + "qk.gain"][None, None, :, None]
        k = rotate(rms(k), angles)

        group = c.heads // c.kv_heads  # consecutive query heads share a key/value head
        k_all, v_all = (x.repeat_interleave(group, dim=2) for x in (k, v))
        scores = torch.einsum("bthp,bshp->bhts", q, k_all) / math.sqrt(c.head_dim)
        weights = torch.softmax(scores.masked_fill(~self.visible[:, None], -math.inf), dim=-1)
        y = torch.einsum("bhts,bshp->bthp", weights, v_all)

        if layer >= c.layers - c.xsa_last:  # without its component along the token's own value
            direction = v_all / v_all.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            y = y - (y * direction).sum(-1, keepdim=True) * direction
        if c.gate:
            inner = n[..., : c.gate_window] @ p[block + "gate.weight"].T  # [B, T, H]
            gate = 2 * torch.sigmoid(inner) if c.gate == "two-sigmoid" else torch.sigmoid(c.gate_scale * inner)
            y = y * gate[..., None]
        return y.reshape(batch, time, -1) @ p[block + "attn.proj.weight"].T

    def mlp(self, n: torch.Tensor, layer: int) -> torch.Tensor:
        h = n @ self.p[f"blocks.{layer}.mlp.up.weight"].T
        h = torch.where(h > 0, h, self.c.slope * h).square()
        return h @ self.p[f"blocks.{layer}.mlp.down.weight"].T

    def attention_delta(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        return self.p[f"blocks.{layer}.residual.attn_scale"] * self.attention(self.normed(x, layer), layer)

    def mlp_delta(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        return self.p[f"blocks.{layer}.residual.mlp_scale"] * self.mlp(self.normed(x, layer), layer)

    def mixed(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        mix = self.p[f"blocks.{layer}.residual.mix"]
        return mix[0] * x + mix[1] * self.x0

    # ---- layers -----------------------------------------------------------------------------------------------

    def layer(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        c = self.c
        x = self.mixed(x, layer)
        if c.parallel_from is not None and layer >= c.parallel_from:
            return x + self.attention_delta(x, layer) + self.mlp_delta(x, layer)
        keep = self.p["lambdas.weight"][layer] if c.lambdas else (1.0, 1.0)
        x = keep[0] * x + self.attention_delta(x, layer)
        return keep[1] * x + self.mlp_delta(x, layer)

    def two_lanes(self, lanes: list[torch.Tensor], layer: int) -> list[torch.Tensor]:
        a = self.attention_delta(self.mixed(lanes[0], layer), layer)
        m = self.mlp_delta(lanes[1], layer)
        rho, post = self.p["lanes.rho"][layer], self.p["lanes.post"][layer]
        return [rho[lane] * lanes[lane] + post[0, lane] * a + post[1, lane] * m for lane in (0, 1)]

    def with_skip(self, x: torch.Tensor, skip: torch.Tensor, row: int) -> torch.Tensor:
        weighted = self.p["skips.weight"][row] * skip
        if self.c.skip == "add":
            return x + weighted
        g = torch.sigmoid(self.p["skips.gate"][row])
        return g * x + (1 - g) * weighted

    def stack(self, x: torch.Tensor) -> torch.Tensor:
        c = self.c
        order, encoder = c.visits
        saved: list[torch.Tensor] = []
        lanes: list[torch.Tensor] | None = None
        cached = None
        for visit, layer in enumerate(order):
            if lanes is None and c.lanes_from is not None and layer >= c.lanes_from:
                lanes = [x, x]  # the second lane leaves the stream before this visit's skip
            if visit >= encoder and saved:
                row, skip = visit - encoder, saved.pop()
                if lanes is None:
                    x = self.with_skip(x, skip, row)
                else:
                    lanes[0] = self.with_skip(lanes[0], skip, row)
            if lanes is None:
                x = self.layer(x, layer)
            else:
                lanes = self.two_lanes(lanes, layer)
            if visit < encoder:
                saved.append(x)
            if layer == c.backout_layer:
                cached = x
        if lanes is not None:
            x = (lanes[0] + lanes[1]) / 2
        if cached is not None:
            x = x - self.p["backout.beta"] * cached
        return x

    # ---- the whole --------------------------------------------------------------------------------------------

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        c, p = self.c, self.p
        places = torch.arange(tokens.shape[1])
        self.visible = (places[None, :] <= places[:, None])[None].expand(tokens.shape[0], -1, -1)
        if c.segment_length:
            ids = segment_ids(tokens, c.segment_length)
            self.visible = self.visible & (ids[:, :, None] == ids[:, None, :])
        if c.ve:
            self.value_embedding = p["ve.scale"] * (p["ve.table"][tokens] @ p["ve.proj.weight"].T)
        self.x0 = self.embedded(tokens)
        if c.value_residual:  # layer 0's own values of the stream's start
            self.first_values = self.normed(self.mixed(self.x0, 0), 0) @ p["blocks.0.attn.v.weight"].T

        raw = rms(self.stack(self.x0)) @ p["embed.weight"].T
        logits = c.cap * torch.tanh(raw / c.cap)
        lse = torch.logsumexp(logits, dim=-1)
        nll = lse - logits.gather(-1, targets[..., None])[..., 0]
        weight = torch.ones_like(nll)
        if c.mile_gamma is not None:
            with torch.no_grad():
                log_p = logits - lse[..., None]
                entropy = -(log_p.exp() * log_p).sum(-1)
                weight = (1 - torch.exp(-entropy)).pow(c.mile_gamma).clamp_min(c.mile_floor)
        z = c.z_loss * (lse + c.z_shift).square().mean()
        loss = (nll * weight).mean() + (z if c.z_backprop else z.detach())
        return {"logits": logits, "lse": lse, "nll": nll, "weight": weight, "loss": loss}
