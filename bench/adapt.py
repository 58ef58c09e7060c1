#!/usr/bin/env python3
"""bench/adapt.py — a published GGUF adapted: answers, then preferences, then one file again, run by llama.cpp too.

    python3 bench/adapt.py --model SmolLM2-135M-Instruct.Q4_1.gguf --data DATA --python VENV/bin/python

What docs/FINETUNE.md describes, with its figures: LoRA on the quantized file by Alpaca rows, merged; DPO with LoRA on
what came out, merged; exported as F32 and as Q8_0. Held-out loss, margin and accuracy before and after; what a merge
and a quantization cost (`quern verify`); the perplexity of a text in quern and, where --python has llama_cpp, in
llama.cpp. What is there already in --work is not made again."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "compare"))
import common  # noqa: E402

LLAMA_CPP = """
import json, math, sys
import llama_cpp, numpy as np
ids, ctx = json.load(sys.stdin), int(sys.argv[2])
m = llama_cpp.Llama(sys.argv[1], n_ctx=ctx, n_batch=ctx, n_ubatch=ctx, logits_all=True, verbose=False)
nll, n = 0.0, 0
for start in range(0, len(ids) // ctx * ctx, ctx):
    m.reset()
    m.eval(ids[start:start + ctx])
    rows = np.asarray(m.scores[:ctx], dtype=np.float64)
    for i in range(ctx // 2, ctx - 1):
        top = rows[i].max()
        nll += top + math.log(np.exp(rows[i] - top).sum()) - rows[i][ids[start + i + 1]]
        n += 1
print(math.exp(nll / n))
"""


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--python", default=common.peers(), help="an interpreter that has llama_cpp and numpy")
    p.add_argument("--model", type=pathlib.Path, required=True)
    p.add_argument("--data", type=pathlib.Path, required=True, help="a folder with alpaca_en_demo.json, wiki_demo.txt")
    p.add_argument("--sft-steps", type=int, default=60)
    p.add_argument("--dpo-steps", type=int, default=30)
    p.add_argument("--windows", type=int, default=8, help="of 256 tokens, for perplexity")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench/adapt"))
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/adapt.json"))
    return p.parse_args()


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def train(o, kind, model, data, name, steps, rate, more):
    """The evaluations before and after. A rate of 0 for one step is what the model was."""
    base = [o.quern, "train", kind, model, "--lora", "--data", o.data / data, "--context", 512, "--threads", o.threads,
            "--sample-every", 0, "--checkpoint-every", 0, "-q", *more]
    for run, n, lr in ((o.work / f"{name}-before", 1, 0), (o.work / name, steps, rate)):
        if not (run / "last").exists():
            common.run([*base, "--steps", n, "--lr", lr, "--eval-every", max(1, n // 4), "--out", run])
    def last(run):
        return [line for line in metrics(run) if "eval_loss" in line][-1]
    before, after = last(o.work / f"{name}-before"), last(o.work / name)
    seconds = sum(line["step_seconds"] for line in metrics(o.work / name))
    return before, after, seconds


def merge(o, model, run, out, dtype):
    if not out.exists():
        done = subprocess.run([str(w) for w in (o.quern, "merge", model, run / "last", "--out", out, "--dtype", dtype,
                                                "--verify", "--json", "--threads", o.threads)], capture_output=True,
                              text=True, check=False)
        (out.parent / (out.name + ".json")).write_text(done.stdout, encoding="utf-8")
        if done.returncode not in (0, 13):
            common.fail(done.stderr[-2000:])
    return json.loads((out.parent / (out.name + ".json")).read_text(encoding="utf-8"))["verify"]


def perplexity(o, model):
    text = o.work / "text.txt"
    text.write_bytes((o.data / "wiki_demo.txt").read_bytes()[:200_000].decode("utf-8", "ignore").encode())
    own = common.said([o.quern, "eval", "ppl", model, "-f", text, "--ctx", 256, "--windows", o.windows,
                       "--json", "-q", "--threads", o.threads])["ppl"]
    ids = common.run([o.quern, "tokenize", model, "--ids", "--no-special", "-f", text]).split()[:256 * o.windows]
    done = subprocess.run([o.python, "-c", LLAMA_CPP, str(model), "256"], input=json.dumps([int(i) for i in ids]),
                          capture_output=True, text=True, check=False)
    return own, float(done.stdout) if done.returncode == 0 else None


def main():
    o = options()
    o.work.mkdir(parents=True, exist_ok=True)
    tuned, aligned, small = (o.work / name for name in ("tuned.gguf", "aligned.gguf", "aligned-q8_0.gguf"))
    result = {"machine": common.machine(o.quern)}
    before, after, seconds = train(o, "sft", o.model, "alpaca_en_demo.json", "sft", o.sft_steps, "2e-4", ["--batch", 4])
    rows = [["held-out loss, SFT", f"{before['eval_loss']:.4f}", f"{after['eval_loss']:.4f}", f"{seconds:.0f} s"]]
    result["sft"] = {"before": before, "after": after, "seconds": seconds}
    result["merge"] = merge(o, o.model, o.work / "sft", tuned, "f32")
    before, after, seconds = train(o, "dpo", tuned, "dpo_en_demo.json", "dpo", o.dpo_steps, "1e-4", ["--batch", 2])
    rows.append(["held-out margin, DPO", f"{before['eval_rewards/margins']:.3f}",
                 f"{after['eval_rewards/margins']:.3f}", f"{seconds:.0f} s"])
    rows.append(["held-out pairs right", f"{before['eval_rewards/accuracies']:.2f}",
                 f"{after['eval_rewards/accuracies']:.2f}", ""])
    result["dpo"] = {"before": before, "after": after, "seconds": seconds}
    result["merge_dpo"] = merge(o, tuned, o.work / "dpo", aligned, "f32")
    result["quantized"] = merge(o, tuned, o.work / "dpo", small, "q8_0")
    result["perplexity"] = {}
    for name, path in (("published", o.model), ("aligned, F32", aligned), ("aligned, Q8_0", small)):
        own, theirs = perplexity(o, path)
        result["perplexity"][name] = [own, theirs]
        apart = f"{100 * abs(theirs / own - 1):.4f} % apart" if theirs else "llama_cpp is not there"
        rows.append([f"perplexity, {name}", f"{own:.4f}", f"{theirs:.4f}" if theirs else "", apart])
    common.table(["", "before, or quern", "after, or llama.cpp", ""], rows)
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
