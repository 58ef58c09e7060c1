"""bench/compare/nanogpt_torch.py TEXT SEED THREADS — PyTorch's side of nanogpt.py: nanoGPT's CPU recipe for characters.

4 layers, 4 heads, 128 wide, rows of 64, batches of 12, 2000 steps of AdamW without dropout, the first nine tenths of
the text. Prints one line of JSON: seconds of the steps, and the loss on all windows of 64 of the last tenth."""
import json
import math
import pathlib
import sys
import time

import torch
from training_torch import Model

CONTEXT, BATCH, STEPS, WARMUP, RATE, LEAST = 64, 12, 2000, 100, 1e-3, 1e-4


def fresh(model):
    """GPT-2's: 0.02, what writes into the residual stream less by the root of twice the layers."""
    for name, p in model.named_parameters():
        if p.dim() > 1:
            torch.nn.init.normal_(p, std=0.02 / math.sqrt(8) if name.endswith(("out.weight", "down.weight")) else 0.02)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(p)


def validation(model, ids):
    with torch.no_grad():
        rows = (len(ids) - 1) // CONTEXT
        x, y = ids[:rows * CONTEXT].view(rows, CONTEXT), ids[1:rows * CONTEXT + 1].view(rows, CONTEXT)
        parts = [model(x[i:i + 256], y[i:i + 256]).item() * x[i:i + 256].numel() for i in range(0, rows, 256)]
        return sum(parts) / (rows * CONTEXT)


def rate(step):
    if step < WARMUP:
        return RATE * (step + 1) / (WARMUP + 1)
    along = (step - WARMUP) / (STEPS - WARMUP)
    return LEAST + 0.5 * (1 + math.cos(math.pi * along)) * (RATE - LEAST)


def main():
    text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    torch.manual_seed(int(sys.argv[2]))
    torch.set_num_threads(int(sys.argv[3]))
    number = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([number[c] for c in text])
    part = int(0.9 * len(ids))
    train, held = ids[:part], ids[part:]
    model = Model("gpt2", 128, 4, 4, 512, len(number), CONTEXT)
    fresh(model)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}],
                                  lr=RATE, betas=(0.9, 0.99))
    start = time.perf_counter()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        at = torch.randint(len(train) - CONTEXT, (BATCH,))
        x = torch.stack([train[i:i + CONTEXT] for i in at])
        y = torch.stack([train[i + 1:i + CONTEXT + 1] for i in at])
        optimizer.zero_grad()
        model(x, y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "loss": validation(model, held)}))


if __name__ == "__main__":
    main()
