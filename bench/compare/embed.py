#!/usr/bin/env python3
"""Vectors of texts, beside PyTorch: sentences of about thirty tokens, quern and PyTorch in turn, in one run.

    python3 bench/compare/embed.py MODEL_DIR TEXT [--quern build/release/quern] [--weights f32|bf16] [--rounds 5]

TEXT is any prose; 256 sentences are cut out of it. PyTorch (transformers, SDPA, in one process that stays) takes the
best of several batch sizes, padding to the longest of a batch; its tokenizer's time is left in, as quern's is. quern
gets the sentences eight times in one file and its own clock is read, start and loading left out. Prints JSON: texts per
second of each round, their medians, the ratio, the smallest cosine between the two."""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import common
from common import fail

SENTENCES, COPIES = 256, 8

PEER = r"""
import json, sys, time, torch
from transformers import AutoModel, AutoTokenizer
path, dtype, sentences = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
torch.set_num_threads(int(sys.argv[4]))
tok = AutoTokenizer.from_pretrained(path)
model = AutoModel.from_pretrained(path, dtype=getattr(torch, {"f32": "float32", "bf16": "bfloat16"}[dtype])).eval()
def embed(batch):
    out = []
    with torch.inference_mode():
        for i in range(0, len(sentences), batch):
            q = tok(sentences[i:i + batch], padding=True, return_tensors="pt")
            h, m = model(**q).last_hidden_state.float(), q["attention_mask"].unsqueeze(-1).float()
            out.append(torch.nn.functional.normalize((h * m).sum(1) / m.sum(1), dim=-1))
    return torch.cat(out)
first = embed(32).tolist()
print(json.dumps({"tokens": sum(len(tok(s)["input_ids"]) for s in sentences), "vectors": first}), flush=True)
for line in sys.stdin:
    best = None
    for batch in (16, 32, 64, 256):
        start = time.perf_counter()
        embed(batch)
        took = time.perf_counter() - start
        if best is None or took < best[0]:
            best = (took, batch)
    print(json.dumps({"rate": len(sentences) / best[0], "batch": best[1]}), flush=True)
"""


def sentences_of(text):
    words = text.read_text(encoding="utf-8", errors="ignore").split()
    if len(words) < 22 * SENTENCES:
        fail(f"{text}: {22 * SENTENCES} words are needed")
    return [" ".join(words[22 * i:22 * i + 22]) for i in range(SENTENCES)]


def run_quern(args, lines):
    command = [args.quern, "embed", args.model, "-f", lines, "--json", "--weights", args.weights, "--threads",
               str(args.threads)]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    rate = re.search(r"in ([0-9.]+) s: ([0-9]+) texts/s", done.stderr)
    if done.returncode or not rate:
        fail(done.stderr)
    return SENTENCES * COPIES / float(rate.group(1)), [json.loads(x)["embedding"] for x in
                                                       done.stdout.splitlines()[:SENTENCES]]


def answered(peer):
    """The next line of the peer, whose own last words are on stderr."""
    line = peer.stdout.readline()
    return json.loads(line) if line else fail("PyTorch's side ended")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("text", type=pathlib.Path)
    p.add_argument("--quern", default="build/release/quern")
    p.add_argument("--python", default=common.peers(), help="an interpreter that has torch and transformers")
    p.add_argument("--weights", choices=["f32", "bf16"], default="f32")
    p.add_argument("--rounds", type=common.count, default=common.TURNS)
    p.add_argument("--threads", type=int, default=2)
    args = p.parse_args()
    common.files(args, "quern", "text")
    common.modules(args.python, "torch", "transformers")
    described = common.machine(args.quern, args.threads)
    sentences, ours, theirs, batch = sentences_of(args.text), [], [], None
    with tempfile.TemporaryDirectory() as folder:
        lines, listed = pathlib.Path(folder, "lines.txt"), pathlib.Path(folder, "sentences.json")
        lines.write_text("".join(s + "\n" for s in sentences * COPIES), encoding="utf-8")
        listed.write_text(json.dumps(sentences), encoding="utf-8")
        peer = subprocess.Popen([args.python, "-c", PEER, args.model, args.weights, listed, str(args.threads)],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = answered(peer)
        vectors = None
        for _ in range(args.rounds):
            rate, vectors = run_quern(args, lines)
            ours.append(rate)
            peer.stdin.write("\n")
            peer.stdin.flush()
            answer = answered(peer)
            theirs.append(answer["rate"])
            batch = answer["batch"]
        peer.stdin.close()
        peer.wait()
    cosine = min(sum(a * b for a, b in zip(x, y)) for x, y in zip(vectors, first["vectors"]))
    print(common.turns(args.rounds), file=sys.stderr)
    print(json.dumps({"machine": described, "rounds": args.rounds, "sentences": SENTENCES, "tokens": first["tokens"],
                      "weights": args.weights, "quern": ours, "pytorch": theirs, "pytorch_batch": batch,
                      "ratio": statistics.median(ours) / statistics.median(theirs), "cosine": cosine}, indent=2))


if __name__ == "__main__":
    main()
