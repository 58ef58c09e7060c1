#!/usr/bin/env python3
"""bench/compare/tuning.py — LoRA, full fine-tuning and DPO in quern and in TRL with PEFT, turn by turn on one machine.

    python3 bench/compare/tuning.py --model MODEL.gguf --data DATA --python VENV/bin/python

LoRA of rank 16 on all linear layers, and all weights: both sides pack the examples into rows of 512, four of them a
step (quern whole ones side by side, TRL one long stream that it cuts); DPO on two pairs a step. quern adapts the
published GGUF as it is (full fine-tuning: the numbers that it stands for), TRL the same numbers as a directory, which
`quern convert` writes. A figure is the median over --repeat turns: tokens, or pairs, a second. A token is one that the
model reads in a step, of a prompt or an answer, taught or not; padding is none, on either side. Tokens a step stand
beside it (of DPO they are not alike: quern reads a prompt once for both answers); memory is the most of a process."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import common

TASKS = ["lora", "full", "dpo"]
MODES = ["fp32", "bf16"]
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
    p.add_argument("--modes", default=",".join(MODES if common.bf16_dots() else MODES[:1]),
                   help="TRL's; without it bf16 too where the CPU has instructions for it")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=3, help="steps of one run, behind two that warm up")
    p.add_argument("--repeat", type=common.count, default=common.TURNS)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench/tuning"))
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/tuning.json"))
    return p.parse_args()


def trl_run(o, task, mode):
    script = pathlib.Path(__file__).with_name("tuning_trl.py")
    return common.said([o.python, script, task, mode, o.work / "hf", o.data / EXAMPLES[task], o.steps, o.threads])


def peak_mb(command):
    """Runs it; the most memory that it had."""
    done = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = done.stderr.read().decode()
    _, status, usage = os.wait4(done.pid, 0)
    if status != 0:
        common.fail(f"{' '.join(map(str, command))}\n{error[-2000:]}")
    return usage.ru_maxrss / 976.6


def quern_run(o, task):
    out = o.work / "run"
    shutil.rmtree(out, ignore_errors=True)
    how = {"lora": ["train", "sft", o.model, "--lora", "--batch", 4], "full": ["train", "sft", o.model, "--weights",
           "f32", "--batch", 4], "dpo": ["train", "dpo", o.model, "--lora", "--batch", 2]}[task]
    memory = peak_mb([o.quern, *how, "--data", o.data / EXAMPLES[task], "--context", 512, "--steps", o.steps + WARM,
                         "--lr", "1e-4", "--eval-every", 0, "--sample-every", 0, "--checkpoint-every", 0, "--out", out,
                         "--threads", o.threads, "-q"])
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = sum(line["step_seconds"] for line in lines[WARM:])
    tokens = sum(line["step_tokens"] for line in lines[WARM:])
    pairs = sum(line.get("judged", 0) for line in lines[WARM:])
    return {"tokens_per_second": tokens / seconds, "tokens_per_step": tokens / o.steps,
            "pairs_per_second": pairs / seconds, "memory_mb": memory, "loss": [line["loss"] for line in lines]}


def wanted(o):
    """The tasks and the modes, all that they need being there."""
    tasks, modes = common.among("--tasks", o.tasks, TASKS), common.among("--modes", o.modes, MODES)
    common.files(o, "quern", "model")
    for task in tasks:
        if not (o.data / EXAMPLES[task]).is_file():
            common.fail(f"--data {o.data}: {EXAMPLES[task]} is not in it")
    common.modules(o.python, "torch", "trl", "peft", "transformers", "datasets")
    return tasks, modes


def main():
    o = options()
    tasks, modes = wanted(o)
    result = {"repeat": o.repeat, "machine": common.machine(o.quern, o.threads), "tasks": {}}
    o.work.mkdir(parents=True, exist_ok=True)
    if not (o.work / "hf" / "config.json").is_file():
        common.run([o.quern, "convert", o.model, o.work / "hf", "--dtype", "f32"])
    rows = []
    for task in tasks:
        runs = {name: [] for name in [*modes, "quern"]}
        for _ in range(o.repeat):
            for mode in modes:
                runs[mode].append(said(task, mode, trl_run(o, task, mode)))
            runs["quern"].append(said(task, "quern", quern_run(o, task)))
        result["tasks"][task] = runs
        key = "pairs_per_second" if task == "dpo" else "tokens_per_second"
        middle = {name: {k: common.median([r[k] for r in of]) for k in (key, "tokens_per_step", "memory_mb")}
                  for name, of in runs.items()}
        best = max(middle[mode][key] for mode in modes)
        for name, of in middle.items():
            rows.append([f"{task} {name}", f"{of[key]:.3g}", f"{of['tokens_per_step']:.0f}", f"{of['memory_mb']:.0f}",
                         f"{of[key] / best:.2f}" if name == "quern" else ""])
    common.heading(o.model.name, result["machine"], o.repeat)
    common.table(["", "tokens or pairs/s", "tokens a step", "MB", "ratio"], rows)
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
