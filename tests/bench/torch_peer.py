"""The GPT of gpt.cpp in PyTorch, as a peer of run.py: torch_peer.py DIR THREADS eager|compile f32|bf16"""
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from peer import serve

folder, threads, mode, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(threads)
L, D, H, T, V, B = map(int, open(f"{folder}/sizes.txt").read().split())


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.attproj = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.fc, self.fcproj = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (z.view(b, t, H, D // H).transpose(1, 2) for z in self.qkv(self.ln1(x)).split(D, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attproj(y.transpose(1, 2).reshape(b, t, D))
        return x + self.fcproj(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, D), nn.Embedding(T, D)
        self.blocks = nn.ModuleList(Block() for _ in range(L))
        self.lnf = nn.LayerNorm(D)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.lnf(x), self.wte.weight)
        return F.cross_entropy(logits.float().view(-1, V), targets.reshape(-1))


model = Gpt()
weights = numpy.fromfile(f"{folder}/weights.bin", dtype=numpy.float32)
offset = 0
with torch.no_grad():
    def take(parameter):
        global offset
        count = parameter.numel()
        parameter.copy_(torch.from_numpy(weights[offset : offset + count]).view_as(parameter))
        offset += count

    take(model.wte.weight)
    take(model.wpe.weight)
    for name in ("ln1", "qkv", "attproj", "ln2", "fc", "fcproj"):
        for part in ("weight", "bias"):
            for block in model.blocks:
                take(getattr(getattr(block, name), part))
    take(model.lnf.weight)
    take(model.lnf.bias)
assert offset == weights.size
tokens = torch.from_numpy(numpy.fromfile(f"{folder}/tokens.bin", dtype=numpy.int32)).long().view(-1, B, T + 1)

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.01, fused=True)
forward = torch.compile(model) if mode == "compile" else model
steps = 0


def step():
    global steps
    batch = tokens[steps % len(tokens)]
    steps += 1
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
        loss = forward(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


serve(f"torch {torch.__version__} {mode} {dtype}", step)
