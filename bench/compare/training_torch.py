"""bench/compare/training_torch.py SHAPE MODE STEPS — PyTorch's side of training.py: one process, one model, one way.

SHAPE is one of `quern bench train`'s; MODE: fp32, fp32c (torch.compile), bf16 (autocast), bf16c. Prints one line of
JSON: the seconds of every step behind three that warm up, and the peak memory of the process."""
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

SHAPES = {  # arch, width, layers, heads, feed-forward, vocabulary, rows, tokens of a row
    "llama-1m": ("llama", 128, 4, 4, 352, 512, 32, 128),
    "llama-15m": ("llama", 288, 6, 6, 768, 32000, 8, 256),
    "gpt2-124m": ("gpt2", 768, 12, 12, 3072, 50257, 2, 512),
}
WARM = 3


def attend(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


class GptBlock(nn.Module):
    def __init__(self, width, heads, ff):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, ff), nn.Linear(ff, width)

    def forward(self, x):
        b, t, width = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(width, 2))
        x = x + self.out(attend(q, k, v))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).type_as(x)


class LlamaBlock(nn.Module):
    def __init__(self, width, heads, ff):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width, 1e-5), nn.RMSNorm(width, 1e-5)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = nn.Linear(width, ff, bias=False), nn.Linear(width, ff, bias=False)
        self.down = nn.Linear(ff, width, bias=False)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        y = self.norm1(x)
        q, k, v = (w(y).view(b, t, self.heads, -1).transpose(1, 2) for w in (self.q, self.k, self.v))
        x = x + self.out(attend(rotate(q, cos, sin), rotate(k, cos, sin), v))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Model(nn.Module):
    def __init__(self, arch, width, layers, heads, ff, vocab, context):
        super().__init__()
        self.gpt = arch == "gpt2"
        self.embed = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList((GptBlock if self.gpt else LlamaBlock)(width, heads, ff) for _ in range(layers))
        self.norm = nn.LayerNorm(width) if self.gpt else nn.RMSNorm(width, 1e-5)
        if self.gpt:
            self.positions = nn.Embedding(context, width)
        half = width // heads // 2
        angle = torch.outer(torch.arange(context).float(), 10000.0 ** (-torch.arange(half).float() / half))
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids, targets):
        x = self.embed(ids)
        if self.gpt:
            x = x + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x) if self.gpt else block(x, self.cos, self.sin)
        logits = F.linear(self.norm(x), self.embed.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    shape, mode, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    arch, width, layers, heads, ff, vocab, rows, context = SHAPES[shape]
    torch.manual_seed(0)
    torch.set_num_threads(int(sys.argv[4]))
    model = Model(arch, width, layers, heads, ff, vocab, context)
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, std=0.02)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    step_model = torch.compile(model) if mode.endswith("c") else model
    data = torch.randint(0, vocab, (WARM + steps, rows, context + 1))
    seconds = []
    for x in data:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=mode.startswith("bf16")):
            loss = step_model(x[:, :-1].contiguous(), x[:, 1:].contiguous())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds[WARM:], "first": seconds[0], "tokens": rows * context, "peak_kib": peak}))


if __name__ == "__main__":
    main()
