#!/usr/bin/env python3
"""bench/alignment.py — what tuning and preferences make of a world's model, over seeds, over β, over mixes, and what
the cheapest remedies are worth.

    python3 bench/alignment.py --work build/alignment               # three seeds and the curves: an hour and more
    python3 bench/alignment.py --work /tmp/a --seeds 1 --steps 60 --epochs 1 --betas 0.1 --mixes 0/50/50 --limit 20

    per seed    data world ─► train tokenizer ─► data prepare ─► train pretrain ─► train sft ─► train dpo ─► eval hhh
    first seed  ─► train dpo: other β, other mixes, no anchor, no replay; merge: SFT and DPO averaged ─► eval hhh

Every model is made by the options of the demo's plan (src/cli/demo_plan.c), which are the defaults here, so what
comes out is what `quern demo` makes. Each command leaves a mark when it is done, and a run that was begun goes on from
its last checkpoint: stopped anywhere, the same command goes on. alignment.md and alignment.json are written at the end.

A cell of several seeds is the mean of their figures, its 95 % interval over items (as of strata), and each seed's."""
import argparse
import json
import math
import pathlib

from stages import find_quern, line, make_world, once, percent, write

BASE = "--dim 96 --layers 3 --heads 4 --ff 256 --context 256 --batch 8 --optimizer muon --lr 0.009"
TUNE = "--batch 2 --optimizer muon --lr 0.0012 --context 256"
ALIGN = "--batch 2 --optimizer muon --lr 0.0003 --context 256"
QUIET = ["--sample-every", 0, "--eval-every", 0, "--quiet"]


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/alignment"))
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--seeds", default="1,2,3", help="of worlds and of runs; the first one has the curves")
    p.add_argument("--betas", default="0.03,0.1,0.3,1")
    p.add_argument("--mixes", default="60/20/20,20/40/40,0/50/50", help="helpful/honest/harmless")
    p.add_argument("--beta", default="0.1", help="of every run that is not about β")
    p.add_argument("--mix", default="20/40/40", help="of every run that is not about mixes")
    p.add_argument("--steps", type=int, default=2600, help="of pre-training")
    p.add_argument("--epochs", type=int, default=8, help="of tuning")
    p.add_argument("--dpo-epochs", type=int, default=1)
    p.add_argument("--base", default=BASE)
    p.add_argument("--tune", default=TUNE)
    p.add_argument("--align", default=ALIGN)
    p.add_argument("--replay", type=int, default=2, help="rows of old text beside the rows of a step")
    p.add_argument("--limit", type=int, help="items of a task; without it all")
    p.add_argument("--threads", type=int)
    o = p.parse_args()
    o.seeds, o.betas, o.mixes = o.seeds.split(","), o.betas.split(","), o.mixes.split(",")
    find_quern(o)
    return o


# ---- models ----

def sft(o, at, name, seed, replay):
    again = ["--replay", f"{at}data", "--replay-rows", replay] if replay else []
    once(o, at + name, ["train", "sft", f"{at}base/last", "--data", f"{at}world/sft.jsonl", *o.tune.split(), "--epochs",
                        o.epochs, *again, "--seed", seed, "--out", at + name, *QUIET], clear=at + name,
         resume=at + name)


def dpo(o, at, name, seed, **other):
    """A run that differs from the ordinary one in what `other` names."""
    how = {"of": "sft", "beta": o.beta, "mix": o.mix, "anchor": 1, "replay": o.replay} | other
    again = ["--replay", f"{at}data", "--replay-rows", how["replay"]] if how["replay"] else []
    once(o, at + name, ["train", "dpo", f"{at}{how['of']}/last", "--data", f"{at}world/preferences.jsonl", "--where",
                        f"mixes={how['mix']}", "--where", "length=matched", *o.align.split(), "--epochs", o.dpo_epochs,
                        "--beta", how["beta"], "--rpo-alpha", how["anchor"], *again, "--seed", seed, "--out", at + name,
                        *QUIET], clear=at + name, resume=at + name)


def ask(o, at, name, models):
    limit = ["--limit", o.limit] if o.limit else []
    once(o, at + name, ["eval", "hhh", *[f"{m}={at}{m}/last" if m != "average" else f"{m}={at}{m}" for m in models],
                        "--world", f"{at}world", "--data", f"{at}data", *limit, "--out", f"{at}{name}.json", "--json",
                        "--quiet"])
    return json.loads((o.work / f"{at}{name}.json").read_text(encoding="utf-8"))["models"]


def make_seed(o, seed):
    at = f"s{seed}/"
    (o.work / at).mkdir(exist_ok=True)
    make_world(o, at, seed, "small", 2048)
    once(o, f"{at}base", ["train", "pretrain", "--data", f"{at}data", *o.base.split(), "--steps", o.steps, "--seed",
                          seed, "--out", f"{at}base", *QUIET], clear=f"{at}base", resume=f"{at}base")
    sft(o, at, "sft", seed, o.replay)
    dpo(o, at, "dpo", seed)
    return ask(o, at, "hhh", ["base", "sft", "dpo"])


def make_curves(o, seed):
    at, names = f"s{seed}/", ["sft", "dpo"]
    for beta in o.betas:
        if beta != o.beta:
            names.append(f"b{beta}")
            dpo(o, at, names[-1], seed, beta=beta)
    for mix in o.mixes:
        if mix != o.mix:
            names.append("m" + mix.replace("/", "-"))
            dpo(o, at, names[-1], seed, mix=mix)
    dpo(o, at, "unanchored", seed, anchor=0)
    sft(o, at, "sft-forgets", seed, 0)
    dpo(o, at, "forgets", seed, of="sft-forgets", replay=0)
    once(o, f"{at}average", ["merge", f"{at}sft/last", f"{at}dpo/last", "--out", f"{at}average", "--quiet"],
         clear=f"{at}average")
    return ask(o, at, "curves", names + ["unanchored", "sft-forgets", "forgets", "average"])


# ---- tables ----

def rows_of(model):
    """But for bits by kind, some of which are called like a task."""
    return {r["name"]: r for r in model["rows"] if r["part"] != "bits"}


def over_seeds(cells):
    cells = [c for c in cells if c["value"] is not None]
    if not cells:
        return "–"
    mean = sum(c["value"] for c in cells) / len(cells)
    half = math.sqrt(sum(((c["hi"] - c["lo"]) / 2) ** 2 for c in cells)) / len(cells)
    each = "; " + ", ".join(f"{100 * c['value']:.0f}" for c in cells) if len(cells) > 1 else ""
    return f"{100 * mean:.1f} ({100 * max(0, mean - half):.0f} – {100 * min(1, mean + half):.0f}{each})"


def table(o, seeds, curves):
    out = [f"Seeds {', '.join(o.seeds)}, the small world; {o.steps} steps of pre-training, {o.epochs} epochs of "
           f"tuning, {o.dpo_epochs} of preferences (β {o.beta}, mix {o.mix}). Percent, 95 % intervals, each seed.", "",
           line(["", "base", "SFT", "DPO"]), line(["---"] * 4)]
    for name, row in rows_of(seeds[0][0]).items():
        cells = [[rows_of(models[i])[name] for models in seeds] for i in range(3)]
        out.append(line([row["about"].strip() + (" ↓" if row["lower_is_better"] else "")] +
                        [over_seeds(c) for c in cells]))
    out += ["", f"Seed {o.seeds[0]}: β, mixes, remedies.", "",
            line(["", "asked for", "refuses", "look-alike ↓", "strangers", "known ↓", "premise", "facts", "agreement"]),
            line(["---"] * 9)]
    for model in curves:
        r = rows_of(model)
        out.append(line([model["name"]] + [percent(r[n]) for n in (
            "instructions", "refusal", "over_refusal", "true_abstention", "false_abstention", "false_premise",
            "recall_transfer", "agreement")]))
    return "\n".join(out) + "\n"


def main():
    o = options()
    o.work.mkdir(parents=True, exist_ok=True)
    seeds = [make_seed(o, seed) for seed in o.seeds]
    curves = make_curves(o, o.seeds[0])
    text = table(o, seeds, curves)
    write(o, "alignment", text, {"seeds": dict(zip(o.seeds, seeds)), "curves": curves})
    print(text, end="")


if __name__ == "__main__":
    main()
