#!/usr/bin/env python3
"""bench/compare/evaluation.py — items per second of `quern eval` beside a scorer made of transformers.

    VENV/bin/python bench/compare/evaluation.py --model SmolLM2.gguf --gsm8k test.jsonl

The items, the reference scorer and its batches are those of tools/check_eval.py: one forward pass per choice, longest
first, as lm-evaluation-harness does it. quern runs with its weights as they are and in f32. Loading counts on neither
side."""
import json
import pathlib
import sys

import common

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_eval  # noqa: E402


def main():
    o = check_eval.options()
    result = {"machine": common.machine(o.quern), "threads": o.threads, "items": o.items, "rows": []}
    reference = check_eval.Reference(o)
    for path in check_eval.make_tasks(o):
        items = check_eval.read_items(path)
        row = {"task": path.stem}
        for weights in ("as-is", "f32"):
            row[f"quern {weights}"] = len(items) / check_eval.quern(o, path, "--weights", weights)[1]
        row["transformers f32"] = len(items) / reference.score(items)[1]
        result["rows"].append(row)
        print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v:8}" for k, v in row.items()), flush=True)
    out = o.work / "evaluation.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
