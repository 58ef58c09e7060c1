#!/usr/bin/env python3
"""bench/compare/training.py — a training step in quern and in PyTorch, turn by turn on one machine.

    python3 bench/compare/training.py --python VENV/bin/python --threads 2

Forward, backward and update with AdamW on the same shapes. PyTorch's best of --modes counts; its processes and quern's
alternate, and a figure is the median over --repeat runs of the median step of each. Without --modes bf16 is tried where
the CPU has instructions for it. Writes a table and JSON."""
import argparse
import os
import pathlib

import common

SHAPES = ["llama-1m", "llama-15m", "gpt2-124m"]
MODES = ["fp32", "fp32c", "bf16", "bf16c"]


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--python", default=common.peers(), help="an interpreter that has torch")
    p.add_argument("--shapes", default=",".join(SHAPES))
    p.add_argument("--modes", default=",".join(MODES if common.bf16_dots() else MODES[:2]),
                   help="PyTorch's ways: c stands for torch.compile")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=8, help="steps of one run, behind those that warm up")
    p.add_argument("--repeat", type=common.count, default=common.TURNS)
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/training.json"))
    return p.parse_args()


def torch_run(o, shape, mode):
    script = pathlib.Path(__file__).with_name("training_torch.py")
    done = common.said([o.python, script, shape, mode, o.steps, o.threads])
    return {"tokens_per_second": done["tokens"] / common.median(done["seconds"]), "memory_mb": done["peak_kib"] / 976.6,
            "first_step_s": done["first"]}


def quern_run(o, shape):
    out = common.said([o.quern, "bench", "train", "--shape", shape, "--threads", o.threads, "--repeat",
                       o.steps, "--json"])
    return {"tokens_per_second": out["tokens_per_second"], "memory_mb": out["peak_bytes"] / 1e6, "share": out["share"],
            "compute": out["compute"]}


def middle(runs, key):
    return common.median([run[key] for run in runs])


def main():
    o = options()
    shapes, modes = common.among("--shapes", o.shapes, SHAPES), common.among("--modes", o.modes, MODES)
    common.files(o, "quern")
    common.modules(o.python, "torch")
    result = {"repeat": o.repeat, "machine": common.machine(o.quern, o.threads), "shapes": {}}
    rows = []
    for shape in shapes:
        runs = {mode: [] for mode in modes}
        runs["quern"] = []
        for _ in range(o.repeat):
            for mode in modes:
                runs[mode].append(torch_run(o, shape, mode))
                runs["quern"].append(quern_run(o, shape))
        best = max(modes, key=lambda mode: middle(runs[mode], "tokens_per_second"))
        ours, theirs = (middle(runs[who], "tokens_per_second") for who in ("quern", best))
        result["shapes"][shape] = {"best_mode": best, "ratio": ours / theirs, "runs": runs}
        for mode in modes:
            rows.append([f"{shape} {mode}", f"{middle(runs[mode], 'tokens_per_second'):.0f}",
                         f"{middle(runs[mode], 'memory_mb'):.0f}", "", ""])
        memory = middle(runs["quern"], "memory_mb")
        rows.append([f"{shape} quern {runs['quern'][0]['compute']}", f"{ours:.0f}", f"{memory:.0f}",
                     f"{100 * middle(runs['quern'], 'share'):.0f} %", f"{ours / theirs:.2f}"])
    common.heading("training steps", result["machine"], o.repeat)
    common.table(["", "tokens/s", "MB", "of peak", "ratio"], rows)
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
