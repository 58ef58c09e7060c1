#!/usr/bin/env python3
"""bench/compare/tokenizing.py — quern and tiktoken, turn by turn on one thread, on the vocabulary of one GGUF file.

    python3 bench/compare/tokenizing.py --model SmolLM2-135M-Instruct.Q4_1.gguf --text shakespeare.txt wiki.txt

tiktoken gets the file's merges as ranks and the pattern that its pre-tokenizer comes to (numbers cut apart, then
GPT-2's). Both must give the same ids, or there is no figure. Each is a process of its own per run, alternating. The
ratio is that of the first sight of the text in a process, when quern's cache of words is empty. Warm is the median of
--inner times behind it, which that cache serves: it stands beside. Figures are medians over --repeat runs."""
import argparse
import json
import pathlib
import statistics
import sys
import time

import common

PATTERN = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+")


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file whose tokenizer.ggml.pre is smollm")
    p.add_argument("--text", type=pathlib.Path, nargs="+", required=True)
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--python", default=common.peers(), help="an interpreter that has tiktoken and gguf")
    p.add_argument("--repeat", type=common.count, default=common.TURNS)
    p.add_argument("--inner", type=common.count, default=3)
    p.add_argument("--json", type=common.target, default=pathlib.Path("build/bench/tokenizing.json"))
    p.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    return p.parse_args()


# ---- tiktoken, in a process of its own ----

def texts_of(reader, key):
    field = reader.fields[key]
    return [bytes(field.parts[i]).decode() for i in field.data]


def bytes_of_spelling():
    """GPT-2's alphabet: character → byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(other)}


def encoding(path):
    """tiktoken's encoding, and what its ranks are called in the file."""
    import gguf
    import tiktoken
    reader = gguf.GGUFReader(path)
    spelled = bytes_of_spelling()
    types = reader.fields["tokenizer.ggml.token_type"]
    ids = {}
    for i, text in enumerate(texts_of(reader, "tokenizer.ggml.tokens")):
        if int(types.parts[types.data[i]][0]) == 1:
            ids[bytes(spelled[c] for c in text)] = i
    ranks = {}
    for text in sorted((t for t in ids if len(t) == 1), key=ids.get):
        ranks[text] = len(ranks)
    for merge in texts_of(reader, "tokenizer.ggml.merges"):
        ranks.setdefault(bytes(spelled[c] for c in merge.replace(" ", "")), len(ranks))
    for byte in range(256):                                     # tiktoken asks for all bytes
        ranks.setdefault(bytes([byte]), len(ranks))
    name_of = {rank: ids.get(text, -1) for text, rank in ranks.items()}
    return tiktoken.Encoding("gguf", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={}), name_of


def peer(o):
    enc, name_of = encoding(o.model)
    text = o.text[0].read_bytes().decode()
    seconds = []
    for _ in range(o.inner + 1):
        start = time.perf_counter()
        ids = enc.encode_ordinary(text)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"first": seconds[0], "median": statistics.median(seconds[1:]), "ids": [name_of[i] for i in ids]}))


# ---- both ----

def tiktoken_run(o, text):
    out = common.said([o.python, __file__, "--peer", "--model", o.model, "--text", text, "--inner", o.inner])
    size = text.stat().st_size / 1e6
    return size / out["median"], size / out["first"], out["ids"]


def quern_run(o, text):
    out = common.said([o.quern, "tokenize", o.model, "-f", text, "--no-special", "--threads", 1, "--time",
                       o.inner, "--json"])
    return out["mb_per_second"], out["first"]


def measure(o, text):
    ids = common.said([o.quern, "tokenize", o.model, "-f", text, "--no-special", "--json"])["ids"]
    got = {"tiktoken": [], "quern": [], "tiktoken first": [], "quern first": [], "tokens": len(ids)}
    for _ in range(o.repeat):
        rate, first, peer_ids = tiktoken_run(o, text)
        if peer_ids != ids:
            common.fail(f"{text}: the ids differ")
        got["tiktoken"].append(rate)
        got["tiktoken first"].append(first)
        rate, first = quern_run(o, text)
        got["quern"].append(rate)
        got["quern first"].append(first)
    return got


def main():
    o = options()
    if o.peer:
        peer(o)
        return
    common.files(o, "quern", "model", "text")
    common.modules(o.python, "tiktoken", "gguf")
    rows, result = [], {"what": "tokenizing", "model": o.model.name, "repeat": o.repeat,
                        "machine": common.machine(o.quern, 1), "texts": {}}
    for text in o.text:
        got = measure(o, text)
        result["texts"][text.name] = got
        row = [text.name, f"{text.stat().st_size / 1e6:.2f}"]
        for when in (" first", ""):
            ours, theirs = got["quern" + when], got["tiktoken" + when]
            ratios = [q / t for q, t in zip(ours, theirs)]
            row += [f"{statistics.median(theirs):.1f}", f"{statistics.median(ours):.1f}",
                    f"{statistics.median(ratios):.1f} ({min(ratios):.1f} – {max(ratios):.1f})"]
        rows.append(row)
    common.heading(f"{o.model.name}, same ids", result["machine"], o.repeat)
    common.table(["MB/s", "MB", "tiktoken", "quern", "ratio", "warm: tiktoken", "quern", "ratio"], rows)
    common.write_json(o.json, result)


if __name__ == "__main__":
    main()
