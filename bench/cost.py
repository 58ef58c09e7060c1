#!/usr/bin/env python3
"""bench/cost.py — what a training step costs over its tokens, and over the length of its rows at a fixed window.

    nice python3 bench/cost.py --threads 2

`quern bench train` on a small llama, a process for each size: first rows of one length, more and more of them; then one
row, longer and longer, whose tokens look back over --window others only. Both should cost what their tokens cost: time
and memory for each 1000 tokens stay where they are. Small steps are led by what does not depend on tokens. Writes a
table as docs/BENCHMARKS.md has it, JSON, and two figures into --figures (docs/img/cost-tokens.svg, cost-length.svg)."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "compare"))
import common  # noqa: E402


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeat", type=int, default=5, help="steps of a size, behind one that warms up")
    p.add_argument("--window", type=int, default=256)
    p.add_argument("--row", type=int, default=256, help="length of the rows whose number grows")
    p.add_argument("--tokens", default="1024,2048,4096,8192,16384")
    p.add_argument("--lengths", default="256,512,1024,2048,4096,8192")
    p.add_argument("--figures", type=pathlib.Path, help="a folder for the figures; without it none are drawn")
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/cost.json"))
    return p.parse_args()


def measure(o, rows, length, window):
    shape = ["--dim", 64, "--layers", 2, "--heads", 2, "--ff", 192, "--vocab", 256]
    out = common.said([o.quern, "bench", "train", *shape, "--batch", rows, "--context", length, "--window",
                       window, "--threads", o.threads, "--repeat", o.repeat, "--json"])
    return {"rows": rows, "length": length, "window": window, "tokens": rows * length, "step_ms": out["step_ms"],
            "best_ms": 1e3 * rows * length / out["most"], "peak_mb": out["peak_bytes"] / 1e6}


def show(runs):
    print("| tokens | rows × length | window | step, median (best) | for 1000 tokens | peak memory |")
    print("|---|---|---|---|---|---|")
    for r in runs:
        thousands = r["tokens"] / 1000
        print(f"| {r['tokens']} | {r['rows']} × {r['length']} | {r['window'] or 'all'} | {r['step_ms']:.0f} "
              f"({r['best_ms']:.0f}) ms | {r['step_ms'] / thousands:.1f} ({r['best_ms'] / thousands:.1f}) ms | "
              f"{r['peak_mb']:.1f} MB |")


def draw(o, name, title, x_name, x, curves):
    rows = "".join(f"{r[x]}\t{r['best_ms']}\t{label}\n" for label, runs in curves for r in runs)
    svg = subprocess.run([o.quern.parent / "figure", title, x_name, "ms"], input=rows, text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    (o.figures / name).write_text(svg, encoding="utf-8")


def main():
    o = options()
    result = {"machine": common.machine(o.quern)}
    result["tokens"] = [measure(o, max(1, int(n) // o.row), o.row, 0) for n in o.tokens.split(",")]
    result["window"] = [measure(o, 1, int(n), o.window) for n in o.lengths.split(",")]
    result["whole"] = [measure(o, 1, int(n), 0) for n in o.lengths.split(",")]
    o.json.parent.mkdir(parents=True, exist_ok=True)
    o.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if o.figures:
        draw(o, "cost-tokens.svg", "A step over its tokens", "tokens of a step", "tokens",
             [(f"rows of {o.row}", result["tokens"])])
        draw(o, "cost-length.svg", "A row over its length", "tokens of the row", "length",
             [(f"looking back over {o.window}", result["window"]), ("over all", result["whole"])])
    show(result["tokens"] + result["window"] + result["whole"])
    print(f"\nload before: {result['machine']['load_before']:.1f}; {o.json}")


if __name__ == "__main__":
    main()
