#!/usr/bin/env python3
"""check_eval.py — log-likelihoods of `quern eval` beside those of a scorer made of transformers, item by item.

    VENV/bin/python tools/check_eval.py --model SmolLM2.gguf --gsm8k test.jsonl

Two task files are made of GSM8K's questions: 200 with four short choices, and 200 in GSM8K's own shape, two worked
examples in front and whole worked answers as choices. quern scores them with `--weights f32 --kv f32`; transformers
loads the same model (`quern convert --dtype f32`) and scores by lm-evaluation-harness's protocol, written out below:
context and continuation encoded jointly, white space at the context's end moved, one forward pass per choice in batches
by length. Its output head is asked for the continuation's positions only, which the harness does not spare.

    task ── slices of 25 items ──► quern ──┐                    both by turns, so that a busy machine is busy for both
                              └──► torch ──┴──► WORK/eval/*.json    kept under a hash of all that they depend on

So it may be stopped at any time, and the same command goes on. Run by hand; needs torch and transformers. Ends with 1
where a difference is beyond --tolerance, or where another choice is picked though both are further apart than that."""
import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file or a model directory")
    p.add_argument("--gsm8k", type=pathlib.Path, required=True, help="test.jsonl as distributed")
    p.add_argument("--items", type=int, default=200, help="of each kind")
    p.add_argument("--slice", type=int, default=25, help="items between two marks of what is done")
    p.add_argument("--tolerance", type=float, default=1e-3)
    p.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="what transformers computes in")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"))
    o = p.parse_args()
    for path in (o.model, o.gsm8k, o.quern):
        if not path.exists():
            sys.exit(f"{path} is not there")
    (o.work / "eval").mkdir(parents=True, exist_ok=True)
    o.marks = {"model": mark(o.model), "quern": mark(o.quern)}
    return o


def mark(path):
    """What tells a file from another one of its name; of a folder, its files."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]


# ---- the items ----

def final(answer):
    return answer.rsplit("#### ", 1)[1].strip()


def choice_items(rows, n):
    """Four numbers after a question: the right one and the next items' that differ. Every third context ends in a
    blank."""
    for i in range(n):
        values = []
        for row in rows[i:] + rows[:i]:
            values += [final(row["answer"])] if len(values) < 4 and final(row["answer"]) not in values else []
        context = f"Question: {rows[i]['question']}\nAnswer:"
        blank = i % 3 == 0
        yield {"id": str(i), "context": context + (" " if blank else ""),
               "choices": [("" if blank else " ") + v for v in values], "answer": 0}


def worked_items(rows, n):
    """Two worked examples, a question, and two worked answers, of which the second belongs elsewhere."""
    shots = "".join(f"Question: {r['question']}\nAnswer: {r['answer']}\n\n" for r in rows[-2:])
    for i in range(n):
        yield {"id": str(i), "context": f"{shots}Question: {rows[i]['question']}\nAnswer:",
               "choices": [" " + rows[i]["answer"], " " + rows[(i + 1) % len(rows)]["answer"]], "answer": 0}


def slices(o):
    """(task, number of the slice, its items), in order."""
    with open(o.gsm8k, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    if o.items + 2 > len(rows):
        sys.exit(f"{o.gsm8k}: {len(rows)} items; --items {len(rows) - 2} at most")
    for name, make in (("choices", choice_items), ("worked", worked_items)):
        items = list(make(rows, o.items))
        for at in range(0, len(items), o.slice):
            yield name, at // o.slice, items[at:at + o.slice]


# ---- what is done stays done ----

def write_whole(path, text):
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.rename(path)


def kept(o, who, task, items, work, *depends):
    """{"logprobs": [per item, of its choices], "seconds"} of a scorer: read where it was measured, else measured."""
    key = hashlib.sha256(json.dumps([who, task, items, o.threads, o.marks["model"], *depends]).encode()).hexdigest()
    path = o.work / "eval" / f"{task}-{who}-{key[:16]}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    logprobs, seconds = work()
    result = {"task": task, "who": who, "items": len(items), "seconds": seconds, "logprobs": logprobs}
    write_whole(path, json.dumps(result) + "\n")
    return result


# ---- both scorers ----

def quern_now(o, task, items, more):
    task_file, out = o.work / "eval" / f"{task}.jsonl", o.work / "eval" / "items.jsonl"
    lines = [{"task": task, "kind": "choice"}] + items
    task_file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = subprocess.run([o.quern, "eval", task_file, o.model, "--items", out, "--threads", str(o.threads), "--ctx",
                           "2048", "--json", "-q", *more], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          check=False)
    if done.returncode:
        sys.exit(done.stderr or f"{o.quern} ended with {done.returncode}")
    with open(out, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return [r["logprobs"] for r in rows], json.loads(done.stdout)["seconds"]


def quern(o, task, items, *more):
    who = "-".join(["quern"] + [word.strip("-") for word in more])
    return kept(o, who, task, items, lambda: quern_now(o, task, items, more), o.marks["quern"])


def encode_pair(tokenizer, context, continuation):
    rest = context.rstrip()
    context, continuation = rest, context[len(rest):] + continuation
    whole = tokenizer(context + continuation, add_special_tokens=False)["input_ids"]
    return whole, len(tokenizer(context, add_special_tokens=False)["input_ids"])


class Reference:
    """Opened when it is first asked for something that is not done yet."""

    def __init__(self, o):
        self.o, self.model = o, None

    def open(self):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        o, self.torch = self.o, torch
        torch.set_num_threads(o.threads)
        folder = o.work / (o.model.stem + ".f32")
        if not folder.is_dir():
            made = o.work / (o.model.stem + ".f32.part")
            subprocess.run([o.quern, "convert", o.model, made, "--dtype", "f32", "-q", "--force"], check=True)
            made.rename(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, o.dtype)).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def score_batch(self, requests, out):
        torch = self.torch
        longest = max(len(ids) for _, ids, _ in requests)
        x = torch.zeros((len(requests), longest - 1), dtype=torch.long)
        mask = torch.zeros_like(x)
        for row, (_, ids, _) in enumerate(requests):
            x[row, :len(ids) - 1] = torch.tensor(ids[:-1])
            mask[row, :len(ids) - 1] = 1
        with torch.inference_mode():
            hidden = self.model.base_model(x, attention_mask=mask, use_cache=False).last_hidden_state
            for row, (where, ids, start) in enumerate(requests):
                logits = self.model.get_output_embeddings()(hidden[row, start - 1:len(ids) - 1])
                logprobs = torch.log_softmax(logits.double(), dim=-1)
                target = torch.tensor(ids[start:]).unsqueeze(-1)
                out[where[0]][where[1]] = logprobs.gather(-1, target).sum().item()

    def score_now(self, items):
        if not self.model:
            self.open()
        start = time.perf_counter()
        out = [[None] * len(i["choices"]) for i in items]
        requests = []
        for n, item in enumerate(items):
            for c, choice in enumerate(item["choices"]):
                ids, begin = encode_pair(self.tokenizer, item["context"], choice)
                requests.append(((n, c), ids, begin))
        requests.sort(key=lambda r: -len(r[1]))
        for at in range(0, len(requests), self.o.batch):
            self.score_batch(requests[at:at + self.o.batch], out)
        return out, time.perf_counter() - start

    def score(self, task, items):
        return kept(self.o, f"transformers-{self.o.dtype}", task, items, lambda: self.score_now(items), self.o.batch)


# ---- held side by side ----

class Tally:
    def __init__(self):
        self.items = self.alike = self.wrong = 0
        self.difference = self.ours = self.theirs = 0.0

    def add(self, ours, theirs, tolerance):
        self.ours += ours["seconds"]
        self.theirs += theirs["seconds"]
        for x, y in zip(ours["logprobs"], theirs["logprobs"], strict=True):
            a, b = (max(range(len(v)), key=v.__getitem__) for v in (x, y))
            self.items += 1
            self.alike += a == b
            self.wrong += a != b and abs(y[a] - y[b]) > 2 * tolerance   # a tie may fall either way
            self.difference = max(self.difference, *(abs(p - q) for p, q in zip(x, y, strict=True)))

    def line(self, task, dtype):
        return (f"{task}: {self.items} items, greatest difference {self.difference:.2e} from transformers in {dtype}, "
                f"{self.alike} picked alike; quern {self.items / self.ours:.2f} items/s, transformers "
                f"{self.items / self.theirs:.2f}, ratio {self.theirs / self.ours:.2f}")


def main():
    o = options()
    reference = Reference(o)
    tallies = {}
    for task, number, items in slices(o):
        tally = tallies.setdefault(task, Tally())
        ours = quern(o, task, items, "--weights", "f32", "--kv", "f32")
        tally.add(ours, reference.score(task, items), o.tolerance)
        print(f"  slice {number}  {tally.line(task, o.dtype)}", file=sys.stderr, flush=True)
    for task, tally in tallies.items():
        print(tally.line(task, o.dtype))
    return 1 if any(t.difference > o.tolerance or t.wrong for t in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
