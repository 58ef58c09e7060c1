#!/usr/bin/env python3
"""bench/compare/evaluation.py — items per second of `quern eval` beside a scorer made of transformers.

    VENV/bin/python bench/compare/evaluation.py --model SmolLM2.gguf --gsm8k test.jsonl

The items, the reference scorer and its batches are those of tools/check_eval.py: one forward pass per choice, longest
first, as lm-evaluation-harness does it. quern runs with its weights as they are and in f32. Loading counts on neither
side. All three take each slice of items by turns; what was measured stays in WORK/eval, so that the same command goes
on where it was stopped, and takes over what tools/check_eval.py measured with the same program and threads."""
import json
import pathlib
import sys

import common

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_eval  # noqa: E402


def main():
    o = check_eval.options()
    common.modules(sys.executable, "torch", "transformers", option="the interpreter")
    machine, reference = common.machine(o.quern, o.threads), check_eval.Reference(o)
    seconds, counts = {}, {}
    for task, number, items in check_eval.slices(o):
        counts[task] = counts.get(task, 0) + len(items)
        row = seconds.setdefault(task, {})
        for who, result in (("quern as-is", check_eval.quern(o, task, items, "--weights", "as-is")),
                            ("quern f32", check_eval.quern(o, task, items, "--weights", "f32", "--kv", "f32")),
                            (f"transformers {o.dtype}", reference.score(task, items))):
            row[who] = row.get(who, 0) + result["seconds"]
        print(f"  {task}, slice {number}", file=sys.stderr, flush=True)
    rows = [{"task": task, "items": counts[task], **{who: counts[task] / s for who, s in row.items()}}
            for task, row in seconds.items()]
    head = list(rows[0])
    common.table(head, [[f"{row[k]:.2f}" if isinstance(row[k], float) else row[k] for k in head] for row in rows])
    common.write_json(o.work / "evaluation.json", {"machine": machine, "threads": o.threads, "rows": rows})


if __name__ == "__main__":
    main()
