#!/usr/bin/env python3
"""bench/grid.py — models of several sizes on the same tokens of one world: what grows with size, and what each number
stores.

    python3 bench/grid.py --work build/grid                 # 0.3, 1, 3, 10 M, 20 M tokens: an hour and more
    python3 bench/grid.py --work /tmp/grid --world small --sizes 0.1M,0.3M --tokens 0.2M --limit 40  # does it work?

    data world ─► train tokenizer ─► data prepare ─► train ngram              made once
                                        └─► per size: train pretrain ─► eval suite ─► eval bits      SIZE/
                                                                             └─► grid.md, grid.json  after each size

Sizes are numbers outside the embedding; the dial of `train pretrain --params` finds the shape. Everybody sees the same
rows in the same order: seed, batch, context and steps are fixed, the rule is Muon. Each command leaves a mark when it
is done, and a run that was begun goes on from its last checkpoint: stopped anywhere, the same command goes on. It is
run by hand; nothing but quern and Python is needed.

Stored facts, in bits: what the model knows of a value beyond that it is one of K, log2 K + log2 p(value among all K),
as a mean over the questions of a band (recall_seen: head, torso; recall_tail: tail), never below 0, times the facts of
that band. Beside it per number: outside the embedding, and of all. Its interval draws questions (bootstrap, seeded)."""
import argparse
import json
import math
import pathlib
import random

from stages import find_quern, line, make_world, once, percent, quern, write

BANDS = {"head": "recall_seen", "torso": "recall_seen", "tail": "recall_tail"}


def count(text):
    """"20M" as a number."""
    unit = {"k": 1e3, "m": 1e6, "g": 1e9}.get(text[-1:].lower())
    return round(float(text[:-1]) * unit) if unit else round(float(text))


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/grid"))
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--sizes", default="0.3M,1M,3M,10M", help="outside the embedding, smallest first")
    p.add_argument("--tokens", type=count, default=count("20M"), help="of training, the same for all")
    p.add_argument("--world", default="medium", choices=("small", "medium", "large"))
    p.add_argument("--vocab", type=int, default=4096)
    p.add_argument("--batch", type=int, default=16, help="rows of a step")
    p.add_argument("--context", type=int, default=256)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--lr", help="of Muon; without it the dial's")
    p.add_argument("--limit", type=int, help="items of a task; without it all")
    p.add_argument("--documents", type=int, default=200, help="for bits by kind")
    p.add_argument("--threads", type=int)
    o = p.parse_args()
    o.sizes = o.sizes.split(",")
    o.steps = max(1, o.tokens // (o.batch * o.context))
    find_quern(o)
    return o


def make_data(o):
    make_world(o, "", o.seed, o.world, o.vocab)
    once(o, "ngram", ["train", "ngram", "data", "--out", "ngram", "--max-tokens", "20M", "--quiet"], clear="ngram")


def make_size(o, size):
    run, best = f"{size}/run", f"{size}/run/last"
    rate = ["--lr", o.lr] if o.lr else []
    limit = ["--limit", o.limit] if o.limit else []
    (o.work / size).mkdir(exist_ok=True)
    once(o, f"{size}/run", ["train", "pretrain", "--data", "data", "--params", size, "--steps", o.steps, "--batch",
                            o.batch, "--context", o.context, "--optimizer", "muon", *rate, "--seed", o.seed,
                            "--sample-every", 0, "--out", run, "--quiet"], clear=run, resume=run)
    once(o, f"{size}/suite", ["eval", "suite", best, "--tasks", "world/eval", *limit, "--baseline", "ngram", "--items",
                              f"{size}/items.jsonl", "--out", f"{size}/run/evaluation.json", "--json", "--quiet"])
    once(o, f"{size}/bits", ["eval", "bits", best, "world", "--data", "data", "--documents", o.documents, "--run", run,
                             "--out", f"{size}/run/bits.json", "--json", "--quiet"])


# ---- stored facts ----

def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def log_sum(values):
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def bits_of(item):
    """What is known of the value beyond that it is one of all: ≤ log2 K, below 0 where something else is believed."""
    v = item["logprobs"]
    return math.log2(len(v)) + (v[item["answer"]] - log_sum(v)) / math.log(2)


def stored(o, size):
    """Bits of all facts, with a 95 % interval over questions."""
    world = json.loads((o.work / "world/world.json").read_text(encoding="utf-8"))
    facts = read_lines(o.work / "world/facts.jsonl")[:world["facts"]]
    band_of = {}
    for task in set(BANDS.values()):
        band_of |= {i["id"]: i["groups"]["band"] for i in read_lines(o.work / f"world/eval/{task}.jsonl")[1:]}
    asked = {band: [] for band in BANDS}
    for item in read_lines(o.work / size / "items.jsonl"):
        band = band_of.get(item["id"])
        if band and BANDS[band] == item["task"]:
            asked[band].append(bits_of(item))
    n = {band: sum(f.get("band") == band for f in facts) for band in BANDS}

    def total(sample):
        return sum(n[b] * max(0.0, sum(v) / len(v)) for b, v in sample.items() if v)

    draw = random.Random(o.seed)
    draws = sorted(total({b: draw.choices(v, k=len(v)) for b, v in asked.items() if v}) for _ in range(1000))
    bands = {b: max(0.0, sum(v) / len(v)) if v else None for b, v in asked.items()}
    return {"bits": total(asked), "lo": draws[25], "hi": draws[974], "facts": n, "bits_a_fact": bands}


# ---- the table ----

def result_of(o, size):
    manifest = json.loads((o.work / size / "run/manifest.json").read_text(encoding="utf-8"))
    report = json.loads(quern(o, "report", f"{size}/run", "--json"))["runs"][0]
    evaluation = json.loads((o.work / size / "run/evaluation.json").read_text(encoding="utf-8"))
    model = manifest["model"]
    row = {"size": size, "parameters": manifest["parameters"],
           "outside_embedding": manifest["parameters"] - model["vocab_size"] * model["hidden_size"],
           "layers": model["num_hidden_layers"], "width": model["hidden_size"], "tokens": report["tokens"],
           "seconds": report["seconds"], "eval_loss": report["eval_loss"]["last"],
           "eval_bits_per_byte": report["eval_bits_per_byte"]["last"], "stored": stored(o, size),
           "tasks": {t["name"]: {k: t[k] for k in ("metric", "n", "value", "lo", "hi", "chance", "baselines")}
                     for t in evaluation["tasks"]}}
    row["bits_per_parameter"] = row["stored"]["bits"] / row["parameters"]
    row["bits_per_parameter_outside_embedding"] = row["stored"]["bits"] / row["outside_embedding"]
    return row


def rises(cells):
    """No size falls below a smaller one's interval; and the largest lies above the smallest, intervals apart."""
    steady = all(b["hi"] >= a["lo"] for a, b in zip(cells, cells[1:]))
    return "rises" if steady and cells[-1]["lo"] > cells[0]["hi"] else "steady" if steady else "falls"


def table(o, rows):
    names = list(rows[0]["tasks"])
    out = [f"The {o.world} world, seed {o.seed}; {o.steps} steps of {o.batch} rows of {o.context} tokens "
           f"({o.steps * o.batch * o.context / 1e6:.3g} M), Muon. Percent right, 95 % intervals over items.", "",
           line(["numbers outside the embedding"] + [r["size"] for r in rows] + ["5-gram", "chance", "with size"]),
           line(["---"] * (len(rows) + 4))]
    for label, text in (("exactly", lambda r: f"{r['outside_embedding']:,} ({r['layers']} × {r['width']})"),
                        ("all numbers", lambda r: f"{r['parameters']:,}"),
                        ("validation, bits a byte", lambda r: f"{r['eval_bits_per_byte']:.3f}"),
                        ("seconds of steps", lambda r: f"{r['seconds']:.0f}")):
        out.append(line([label] + [text(r) for r in rows] + ["", "", ""]))
    for name in names:
        cells = [r["tasks"][name] for r in rows]
        gram = next(iter(cells[0]["baselines"].values()), {}).get("value")
        out.append(line([name.replace("_", " ")] + [percent(c) for c in cells] +
                        ["" if gram is None else f"{100 * gram:.1f}",
                         "" if cells[0]["chance"] is None else f"{100 * cells[0]['chance']:.1f}", rises(cells)]))
    for label, text in (("facts stored, bits", lambda r: "{bits:.0f} ({lo:.0f} – {hi:.0f})".format(**r["stored"])),
                        ("bits a number outside", lambda r: f"{r['bits_per_parameter_outside_embedding']:.4f}"),
                        ("bits a number of all", lambda r: f"{r['bits_per_parameter']:.4f}")):
        out.append(line([label] + [text(r) for r in rows] + ["", "", ""]))
    up = sum(rises([r["tasks"][n] for r in rows]) == "rises" for n in names)
    return "\n".join(out + ["", f"{up} of {len(names)} sets rise with size, intervals apart.", ""])


def main():
    o = options()
    o.work.mkdir(parents=True, exist_ok=True)
    make_data(o)
    rows = []
    for size in o.sizes:
        make_size(o, size)
        rows.append(result_of(o, size))
        text = table(o, rows)
        write(o, "grid", text, {"world": o.world, "seed": o.seed, "steps": o.steps, "rows": rows})
    print(text, end="")


if __name__ == "__main__":
    main()
