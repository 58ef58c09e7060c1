#!/usr/bin/env python3
"""check_eval.py — log-likelihoods of `quern eval` beside those of a scorer made of transformers, item by item.

    VENV/bin/python tools/check_eval.py --model SmolLM2.gguf --gsm8k test.jsonl

Two task files are made of GSM8K's questions: 200 with four short choices, and 200 in GSM8K's own shape, two worked
examples in front and whole worked answers as choices. quern scores them with `--weights f32 --kv f32`; transformers
loads the same model (`quern convert --dtype f32`) and scores by lm-evaluation-harness's protocol, written out below:
context and continuation encoded jointly, white space at the context's end moved, one forward pass per choice in batches
by length. Run by hand; needs torch and transformers. Ends with 1 where a difference is beyond --tolerance."""
import argparse
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
    p.add_argument("--tolerance", type=float, default=1e-3)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"))
    return p.parse_args()


# ---- the items ----

def final(answer):
    return answer.rsplit("#### ", 1)[1].strip()


def choice_items(rows, n):
    """Four numbers after a question: the right one and the next items'. Every third context ends in a blank."""
    for i in range(n):
        values = [final(rows[(i + k) % len(rows)]["answer"]) for k in range(4)]
        context = f"Question: {rows[i]['question']}\nAnswer:"
        blank = i % 3 == 0
        yield {"id": str(i), "context": context + (" " if blank else ""),
               "choices": [("" if blank else " ") + v for v in values], "answer": 0}


def worked_items(rows, n):
    """Two worked examples, a question, and two worked answers, of which the second belongs elsewhere."""
    shots = "".join(f"Question: {r['question']}\nAnswer: {r['answer']}\n\n" for r in rows[-2:])
    for i in range(n):
        yield {"id": str(i), "context": f"{shots}Question: {rows[i]['question']}\nAnswer:",
               "choices": [" " + rows[i]["answer"], " " + rows[(i + 1) % n]["answer"]], "answer": 0}


def write_task(path, name, items):
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps({"task": name, "kind": "choice"}) + "\n")
        for item in items:
            f.write(json.dumps(item) + "\n")
    return path


def make_tasks(o):
    rows = [json.loads(line) for line in open(o.gsm8k, encoding="utf-8")]
    return [write_task(o.work / f"{name}.jsonl", name, make(rows, o.items))
            for name, make in (("choices", choice_items), ("worked", worked_items))]


def read_items(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")][1:]


# ---- both scorers ----

def quern(o, path, *more):
    """[log-likelihoods of the choices, per item], seconds of scoring."""
    out = o.work / "items.jsonl"
    done = subprocess.run([o.quern, "eval", path, o.model, "--items", out, "--threads", str(o.threads), "--ctx", "2048",
                           "--json", "-q", *more], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    rows = [json.loads(line) for line in open(out, encoding="utf-8")]
    return [r["logprobs"] for r in rows], json.loads(done.stdout)["seconds"]


def encode_pair(tokenizer, context, continuation):
    kept = context.rstrip()
    context, continuation = kept, context[len(kept):] + continuation
    whole = tokenizer(context + continuation, add_special_tokens=False)["input_ids"]
    return whole, len(tokenizer(context, add_special_tokens=False)["input_ids"])


class Reference:
    def __init__(self, o):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        self.torch, self.batch = torch, o.batch
        torch.set_num_threads(o.threads)
        o.work.mkdir(parents=True, exist_ok=True)
        folder = o.work / (o.model.stem + ".f32")
        if not folder.is_dir():
            subprocess.run([o.quern, "convert", o.model, folder, "--dtype", "f32", "-q"], check=True)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def score_batch(self, requests, out):
        torch = self.torch
        longest = max(len(ids) for _, ids, _ in requests)
        x = torch.zeros((len(requests), longest - 1), dtype=torch.long)
        mask = torch.zeros_like(x)
        for row, (_, ids, _) in enumerate(requests):
            x[row, :len(ids) - 1] = torch.tensor(ids[:-1])
            mask[row, :len(ids) - 1] = 1
        with torch.no_grad():
            logits = self.model(x, attention_mask=mask).logits
        for row, (where, ids, start) in enumerate(requests):
            logprobs = torch.log_softmax(logits[row, start - 1:len(ids) - 1].double(), dim=-1)
            target = torch.tensor(ids[start:]).unsqueeze(-1)
            out[where[0]][where[1]] = logprobs.gather(-1, target).sum().item()

    def score(self, items):
        start = time.perf_counter()
        out = [[None] * len(i["choices"]) for i in items]
        requests = []
        for n, item in enumerate(items):
            for c, choice in enumerate(item["choices"]):
                ids, begin = encode_pair(self.tokenizer, item["context"], choice)
                requests.append(((n, c), ids, begin))
        requests.sort(key=lambda r: -len(r[1]))
        for at in range(0, len(requests), self.batch):
            self.score_batch(requests[at:at + self.batch], out)
        return out, time.perf_counter() - start


def main():
    o = options()
    reference = Reference(o)
    bad = False
    for path in make_tasks(o):
        items = read_items(path)
        ours, seconds = quern(o, path, "--weights", "f32", "--kv", "f32")
        theirs, their_seconds = reference.score(items)
        difference = max(abs(a - b) for x, y in zip(ours, theirs) for a, b in zip(x, y))
        picks = sum(max(range(len(x)), key=x.__getitem__) == max(range(len(y)), key=y.__getitem__)
                    for x, y in zip(ours, theirs))
        print(f"{path.stem}: {len(items)} items, greatest difference {difference:.2e}, {picks} alike; "
              f"quern {len(items) / seconds:.1f} items/s, transformers {len(items) / their_seconds:.1f}")
        bad = bad or difference > o.tolerance or picks < len(items)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
