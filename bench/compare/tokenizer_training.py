#!/usr/bin/env python3
"""bench/compare/tokenizer_training.py — byte-level BPE out of a text: quern and Hugging Face's tokenizers in turns.

    python3 bench/compare/tokenizer_training.py --text tinyshakespeare.txt --vocab 8192

quern's whole command counts, files and report included; of tokenizers the training alone, in a process of its own whose
start does not count. Both read the same file with the same threads and must come to the same merges, or there is no
figure. Medians of --repeat runs; memory is the peak of each process, of Python's less what it took before training."""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import common

PEER = """
import json, resource, sys, time
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
text, vocab, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
t.train([text], trainers.BpeTrainer(vocab_size=vocab, special_tokens=["<|endoftext|>"], show_progress=False,
                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
seconds = time.perf_counter() - start
t.save(out)
print(json.dumps({"seconds": seconds, "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}))
"""


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--python", default=common.peers(), help="an interpreter that has tokenizers")
    p.add_argument("--text", type=pathlib.Path, required=True)
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--threads", default="1,2", help="with commas between")
    p.add_argument("--repeat", type=common.count, default=common.TURNS)
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/tokenizer_training.json"))
    return p.parse_args()


def quern(o, threads, folder):
    start = time.perf_counter()
    child = subprocess.Popen([o.quern, "train", "tokenizer", o.text, "--kind", "bpe", "--vocab", str(o.vocab), "--out",
                              folder, "--force", "--threads", str(threads), "-q"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        common.fail("quern train tokenizer failed")
    return {"seconds": time.perf_counter() - start, "kib": used.ru_maxrss}


def tokenizers(o, threads, path):
    done = subprocess.run([o.python, "-c", PEER, o.text, str(o.vocab), path], text=True, stdout=subprocess.PIPE,
                          check=True, env={**os.environ, "RAYON_NUM_THREADS": str(threads)})
    return json.loads(done.stdout.splitlines()[-1])


def merges(path):
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m)
            for m in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["model"]["merges"]]


def main():
    o = options()
    common.files(o, "quern", "text")
    common.modules(o.python, "tokenizers")
    most = max(map(int, o.threads.split(",")))
    result, rows = {"machine": common.machine(o.quern, most), "text": o.text.name, "bytes": o.text.stat().st_size,
                    "vocab": o.vocab, "repeat": o.repeat, "runs": {}}, []
    with tempfile.TemporaryDirectory() as work:
        for threads in o.threads.split(","):
            runs = {"quern": [], "tokenizers": []}
            for _ in range(o.repeat):
                runs["quern"].append(quern(o, threads, f"{work}/own"))
                runs["tokenizers"].append(tokenizers(o, threads, f"{work}/peer.json"))
            if merges(f"{work}/own/tokenizer.json") != merges(f"{work}/peer.json"):
                common.fail("the merges are not the same")
            result["runs"][threads] = runs

            def middle(who, key, runs=runs):
                return common.median([run[key] for run in runs[who]])
            rows.append([f"{threads} threads", f"{middle('tokenizers', 'seconds'):.2f} s",
                         f"{middle('quern', 'seconds'):.3f} s",
                         f"{middle('tokenizers', 'seconds') / middle('quern', 'seconds'):.1f}",
                         f"{middle('tokenizers', 'kib') / 1000:.0f} MB", f"{middle('quern', 'kib') / 1000:.0f} MB"])
    common.heading(f"{o.text.name}, {result['bytes'] / 1e6:.1f} MB, vocabulary {o.vocab}, merges equal",
                   result["machine"], o.repeat)
    common.table(["", "tokenizers", "quern", "ratio", "memory", "quern's"], rows)
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
