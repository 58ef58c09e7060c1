#!/usr/bin/env python3
"""bench/compare/tuning.py — LoRA, full fine-tuning and DPO in quern and in TRL with PEFT, turn by turn on one machine.

    python3 bench/compare/tuning.py --model MODEL.gguf --data DATA --python VENV/bin/python

LoRA of rank 16 on all linear layers, rows packed to 512, four of them a step; all weights, batches of the same size;
DPO on two pairs a step. quern adapts the published GGUF as it is (full fine-tuning: the numbers that it stands for),
TRL the same numbers as a directory, which `quern convert` writes. A figure is the median over --repeat turns: tokens
that are no padding, or pairs, a second; memory is the most of a process."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import common

TASKS = ["lora", "full", "dpo"]
EXAMPLES = {"lora": "alpaca_en_demo.json", "full": "alpaca_en_demo.json", "dpo": "dpo_en_demo.json"}
WARM = 2


def said(task, name, run):
    """One line as each run ends: a table comes late, and a run of an hour may be stopped."""
    key = "pairs_per_second" if task == "dpo" else "tokens_per_second"
    print(f"{task} {name}: {run[key]:.4g} a second, {run['memory_mb']:.0f} MB", file=sys.stderr, flush=True)
    return run


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--python", default=common.peers(), help="an interpreter that has torch, trl and peft")
    p.add_argument("--model", type=pathlib.Path, required=True, help="SmolLM2-135M-Instruct as GGUF")
    p.add_argument("--data", type=pathlib.Path, required=True, help="a folder with " + EXAMPLES["lora"])
    p.add_argument("--tasks", default=",".join(TASKS))
    p.add_argument("--modes", default="fp32", help="TRL's: fp32,bf16 where the CPU has bf16 dots")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=3, help="steps of one run, behind two that warm up")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench/tuning"))
    p.add_argument("--json", type=pathlib.Path, default=pathlib.Path("build/bench/tuning.json"))
    return p.parse_args()


def trl_run(o, task, mode):
    script = pathlib.Path(__file__).with_name("tuning_trl.py")
    return json.loads(common.run([o.python, script, task, mode, o.work / "hf", o.data / EXAMPLES[task], o.steps,
                                  o.threads]).splitlines()[-1])


def peak_mb(command):
    """Runs it; the most memory that it had."""
    before = time.perf_counter()
    done = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = done.stderr.read().decode()
    _, status, usage = os.wait4(done.pid, 0)
    if status != 0:
        common.fail(f"{' '.join(map(str, command))}\n{error[-2000:]}")
    return usage.ru_maxrss / 976.6, time.perf_counter() - before


def quern_run(o, task):
    out = o.work / "run"
    shutil.rmtree(out, ignore_errors=True)
    how = {"lora": ["train", "sft", o.model, "--lora", "--batch", 4], "full": ["train", "sft", o.model, "--weights",
           "f32", "--batch", 4], "dpo": ["train", "dpo", o.model, "--lora", "--batch", 2]}[task]
    memory, _ = peak_mb([o.quern, *how, "--data", o.data / EXAMPLES[task], "--context", 512, "--steps", o.steps + WARM,
                         "--lr", "1e-4", "--eval-every", 0, "--sample-every", 0, "--checkpoint-every", 0, "--out", out,
                         "--threads", o.threads, "-q"])
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = sum(line["step_seconds"] for line in lines[WARM:])
    tokens = sum(line["step_tokens"] for line in lines[WARM:])
    pairs = sum(line.get("judged", 0) for line in lines[WARM:])
    return {"tokens_per_second": tokens / seconds, "pairs_per_second": pairs / seconds, "memory_mb": memory,
            "loss": [line["loss"] for line in lines]}


def main():
    o = options()
    result = {"machine": common.machine(o.quern), "tasks": {}}
    o.work.mkdir(parents=True, exist_ok=True)
    if not (o.work / "hf" / "config.json").is_file():
        common.run([o.quern, "convert", o.model, o.work / "hf", "--dtype", "f32"])
    rows = []
    for task in o.tasks.split(","):
        runs = {mode: [] for mode in o.modes.split(",")}
        runs["quern"] = []
        for _ in range(o.repeat):
            for mode in o.modes.split(","):
                runs[mode].append(said(task, mode, trl_run(o, task, mode)))
            runs["quern"].append(said(task, "quern", quern_run(o, task)))
        result["tasks"][task] = runs
        key = "pairs_per_second" if task == "dpo" else "tokens_per_second"
        best = max(common.median([r[key] for r in runs[mode]]) for mode in o.modes.split(","))
        for name, of in runs.items():
            speed = common.median([r[key] for r in of])
            rows.append([f"{task} {name}", f"{speed:.3g}", f"{common.median([r['memory_mb'] for r in of]):.0f}",
                         f"{speed / best:.2f}" if name == "quern" else ""])
    common.table(["", "tokens or pairs/s", "MB", "ratio"], rows)
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
