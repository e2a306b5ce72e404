"""The small twin of PR #2163 in PyTorch, as a peer of run.py --twin: twin_peer.py DIR THREADS eager|compile f32|bf16

The model is that of tests/golden/records, with two changes that leave its mathematics alone: PyTorch's own attention, and
segments found for a whole batch at once, ahead of the clock.
"""
import dataclasses
import math
import os
import sys

import numpy
import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/records"))
import model as records  # noqa: E402
from runs import RUNS  # noqa: E402

from peer import serve  # noqa: E402

folder, threads, mode, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(threads)
batch, context, vocab, rate = open(f"{folder}/sizes.txt").read().split()
B, T, V, RATE = int(batch), int(context), int(vocab), float(rate)
config = dataclasses.replace(RUNS["pr-2163"], dim=128, heads=4, kv_heads=2, head_dim=32, vocab=V, context=T, rope_dims=8,
                             segment_length=256)


class Model(records.Model):
    def attention(self, n, layer):
        c, p, block = self.c, self.p, f"blocks.{layer}."
        q = (n @ p[block + "attn.q.weight"].T).view(B, T, c.heads, c.head_dim)
        k = (n @ p[block + "attn.k.weight"].T).view(B, T, c.kv_heads, c.head_dim)
        v = self.values(n, layer).view(B, T, c.kv_heads, c.head_dim)
        q = records.rotate(records.rms(q), self.angles) * p[block + "qk.gain"][None, None, :, None]
        k = records.rotate(records.rms(k), self.angles)
        k_all, v_all = (x.repeat_interleave(c.heads // c.kv_heads, dim=2) for x in (k, v))
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k_all.transpose(1, 2), v_all.transpose(1, 2),
                                           attn_mask=self.visible[:, None]).transpose(1, 2)
        direction = v_all / v_all.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        y = y - (y * direction).sum(-1, keepdim=True) * direction
        gate = torch.sigmoid(c.gate_scale * (n[..., : c.gate_window] @ p[block + "gate.weight"].T))
        return (y * gate[..., None]).reshape(B, T, -1) @ p[block + "attn.proj.weight"].T

    def loss(self, tokens, targets, visible, angles):
        c, p = self.c, self.p
        self.visible, self.angles = visible, angles
        self.x0 = self.embedded(tokens)
        raw = records.rms(self.stack(self.x0)) @ p["embed.weight"].T
        logits = c.cap * torch.tanh(raw / c.cap)
        lse = torch.logsumexp(logits, dim=-1)
        nll = lse - logits.gather(-1, targets[..., None])[..., 0]
        return nll.mean() + c.z_loss * lse.square().mean()


parameters, offset = {}, 0
weights = numpy.fromfile(f"{folder}/weights.bin", dtype=numpy.float32)
shapes = records.parameter_shapes(config)
for line in open(f"{folder}/parameters.txt"):
    path, *lengths = line.split()
    shape = tuple(map(int, lengths))
    assert shapes.pop(path) == shape, f"{path} has shape {shape}"
    count = math.prod(shape)
    parameters[path] = torch.from_numpy(weights[offset : offset + count].copy()).view(shape).requires_grad_()
    offset += count
assert not shapes and offset == weights.size, f"not given: {list(shapes)}"
tokens = torch.from_numpy(numpy.fromfile(f"{folder}/tokens.bin", dtype=numpy.int32)).long().view(-1, B, T + 1)


def visible_of(ids):
    """[B, T, T]; a segment ends before a BOS and after segment_length tokens."""
    segments = records.segment_ids(ids, config.segment_length)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    return causal[None] & (segments[:, :, None] == segments[:, None, :])


masks = [visible_of(batch[:, :-1]) for batch in tokens]
angles = records.rope_angles(config, torch.float32)
model = Model(config, parameters)
loss_of = torch.compile(model.loss) if mode == "compile" else model.loss
trained = list(parameters.values())
steps = 0


def step():
    global steps
    number = steps % len(tokens)
    steps += 1
    for parameter in trained:
        parameter.grad = None
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
        loss = loss_of(tokens[number, :, :-1].contiguous(), tokens[number, :, 1:].contiguous(), masks[number], angles)
    loss.backward()
    with torch.no_grad():
        given = [p for p in trained if p.grad is not None]
        torch._foreach_add_(given, [p.grad for p in given], alpha=-RATE)
    return loss.item()


serve(f"torch {torch.__version__} {mode} {dtype}", step)
