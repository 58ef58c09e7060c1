#!/usr/bin/env python3
"""bench/compare/nanogpt.py — nanoGPT's CPU recipe for characters in quern and in PyTorch, seed by seed in turns.

    python3 bench/compare/nanogpt.py --text tinyshakespeare.txt --python VENV/bin/python

4 layers, 4 heads, 128 wide, rows of 64, batches of 12, 2000 steps, no dropout; the last tenth is held out, and scored
in windows of 64 that do not overlap. Time is that of the steps: no start, no evaluation. quern runs twice: with fresh
matrices as it makes them, and with GPT-2's deviation of 0.02 as PyTorch's side has them."""
import argparse
import json
import os
import pathlib
import shutil

import common

RECIPE = ["--arch", "gpt2", "--layers", 4, "--heads", 4, "--dim", 128, "--context", 64, "--batch", 12, "--steps", 2000,
          "--lr", "1e-3", "--warmup", 100, "--beta2", "0.99", "--packing", "stream", "--eval-every", 0,
          "--sample-every", 0, "--checkpoint-every", 0]


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--python", default=common.peers(), help="an interpreter that has torch")
    p.add_argument("--text", type=pathlib.Path, required=True)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench/nanogpt"))
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/nanogpt.json"))
    return p.parse_args()


def prepare(o):
    """The first nine tenths of the characters to learn from, the rest to be scored by."""
    text = o.text.read_text(encoding="utf-8")
    part = int(0.9 * len(text))
    shutil.rmtree(o.work, ignore_errors=True)
    o.work.mkdir(parents=True)
    (o.work / "train.txt").write_text(text[:part], encoding="utf-8")
    (o.work / "held.txt").write_text(text[part:], encoding="utf-8")
    common.run([o.quern, "train", "tokenizer", o.text, "--kind", "char", "--fallback", "unk", "--vocab", 512, "--out",
                o.work / "tokenizer", "-q"])
    common.run([o.quern, "data", "prepare", o.work / "train.txt", "--tokenizer", o.work / "tokenizer", "--validation",
                0, "--out", o.work / "data", "-q"])


def quern_run(o, seed, name, more):
    out = o.work / f"{name}-{seed}"
    common.run([o.quern, "train", "pretrain", "--data", o.work / "data", "--out", out, *RECIPE, "--seed", seed,
                "--threads", o.threads, "-q", *more])
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    tokens = RECIPE[RECIPE.index("--batch") + 1] * RECIPE[RECIPE.index("--context") + 1]
    score = common.said([o.quern, "eval", "ppl", out / "last", "-f", o.work / "held.txt", "--ctx", 64,
                         "--protocol", "full", "--json", "-q"])
    return {"seconds": sum(tokens / line["tokens_per_second"] for line in lines), "loss": score["nll"]}


def torch_run(o, seed):
    script = pathlib.Path(__file__).with_name("nanogpt_torch.py")
    return common.said([o.python, script, o.text, seed, o.threads])


def main():
    o = options()
    common.files(o, "quern", "text")
    common.modules(o.python, "torch")
    result = {"machine": common.machine(o.quern, o.threads)}
    runs = {"PyTorch, 0.02": [], "quern, 0.02": [], "quern": []}
    prepare(o)
    for seed in range(1, o.seeds + 1):
        runs["PyTorch, 0.02"].append(torch_run(o, seed))
        runs["quern, 0.02"].append(quern_run(o, seed, "narrow", ["--init-std", "0.02"]))
        runs["quern"].append(quern_run(o, seed, "own", []))
    torch = common.median([r["seconds"] for r in runs["PyTorch, 0.02"]])
    rows = []
    for name, of in runs.items():
        seconds = common.median([r["seconds"] for r in of])
        loss = sum(r["loss"] for r in of) / len(of)
        rows.append([name, f"{seconds:.1f}", f"{torch / seconds:.2f}", f"{loss:.3f}"])
    common.table(["2000 steps", "seconds", "ratio", "nats a character"], rows)
    result["runs"] = runs
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
