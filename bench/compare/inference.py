#!/usr/bin/env python3
"""bench/compare/inference.py — quern and llama.cpp, turn by turn on one machine: prefill, decoding, start-up.

    python3 bench/compare/inference.py --model SmolLM2-135M-Instruct.Q4_1.gguf --llama-bin llama.cpp/build/bin

Both read the same files: the published one, and Q8_0 and BF16 made from it by llama-quantize. The programs alternate,
so that a machine whose speed drifts treats both alike; each figure is the median of --repeat runs, each run a process
of its own with one warm-up. llama.cpp runs with flash attention and its default KV cache (f16), quern with its own
default. Start-up is the wall time of a whole process that answers a one-token prompt with one token, the file being in
the page cache. Writes a table and, with the machine described, JSON."""
import argparse
import json
import os
import pathlib
import sys

import common

TESTS = [
    # name, prompt tokens, generated tokens, depth
    ("prefill 512", 512, 0, 0),
    ("decode 64", 0, 64, 0),
    ("decode 64 at 2048", 0, 64, 2048),
]
START = "start, ms"


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file as published")
    p.add_argument("--llama-bin", type=pathlib.Path, required=True, help="folder with llama-bench, llama-quantize, …")
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--formats", default="as-published,Q8_0,BF16", help="what llama-quantize calls them")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeat", type=int, default=5)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"), help="folder for made files")
    p.add_argument("--json", type=pathlib.Path, help="where the result goes; default inference.json in --work")
    return p.parse_args()


def llama_rate(o, path, prompt, gen, depth):
    out = common.run([common.tool(o.llama_bin, "llama-bench"), "-m", path, "-p", prompt, "-n", gen, "-d", depth, "-t",
                      o.threads, "-r", 1, "-fa", "on", "-o", "json"])
    return json.loads(out)[0]["avg_ts"]


def quern_rate(o, path, prompt, gen, depth):
    out = common.run([o.quern, "bench", path, "--prompt", prompt, "--gen", gen, "--depth", depth, "--threads",
                      o.threads, "-r", 1, "--json"])
    regime = json.loads(out)["prefill" if prompt else "decode"]
    return regime["tokens_per_second"], regime["share"]


def llama_start(o, path):
    return common.wall_ms([common.tool(o.llama_bin, "llama-completion"), "-m", path, "-p", "Hi", "-n", 1, "-t",
                           o.threads, "-no-cnv", "--no-warmup", "--temp", 0])


def quern_start(o, path):
    return common.wall_ms([o.quern, "generate", path, "-p", "Hi", "-n", 1, "--threads", o.threads, "-q"])


def measure(o, name, path):
    """All tests of one format, the two programs in turn: {test: {"llama.cpp": […], "quern": […], "share": […]}}."""
    got = {test[0]: {"llama.cpp": [], "quern": [], "share": []} for test in TESTS}
    got[START] = {"llama.cpp": [], "quern": []}
    for i in range(o.repeat):
        print(f"{name}: run {i + 1} of {o.repeat}", file=sys.stderr)
        for test, prompt, gen, depth in TESTS:
            got[test]["llama.cpp"].append(llama_rate(o, path, prompt, gen, depth))
            rate, share = quern_rate(o, path, prompt, gen, depth)
            got[test]["quern"].append(rate)
            got[test]["share"].append(share)
        got[START]["llama.cpp"].append(llama_start(o, path))
        got[START]["quern"].append(quern_start(o, path))
    return got


def summary(name, got):
    """One row per test: medians, ratio (above 1: quern is faster), range of quern's runs, share of the limit."""
    rows = []
    for test, runs in got.items():
        peer, own = common.median(runs["llama.cpp"]), common.median(runs["quern"])
        ratio = peer / own if test == START else own / peer
        share = f"{100 * common.median(runs['share']):.0f} %" if "share" in runs else ""
        rows.append([f"{name} {test}", f"{peer:.1f}", f"{own:.1f}", f"{ratio:.2f}",
                     f"{min(runs['quern']):.1f} – {max(runs['quern']):.1f}", share])
    return rows


def main():
    o = options()
    if not o.quern.is_file() or not o.model.is_file():
        common.fail(f"{o.quern} and {o.model} must both be there")
    paths = common.in_formats(o.model, o.formats.split(","), o.llama_bin, o.work)
    result = {"what": "inference", "model": o.model.name, "threads": o.threads, "repeat": o.repeat,
              "machine": common.machine(o.quern), "quern": common.run([o.quern, "version"]).strip(), "formats": {}}
    rows = []
    for name, path in paths.items():
        got = measure(o, name, path)
        result["formats"][name] = {"bytes": path.stat().st_size, "tests": got}
        rows += summary(name, got)
    peak = result["machine"]["peak"]
    print(f"{o.model.name}, {o.threads} threads, {result['machine']['cpu']}, {peak['isa']}, median of {o.repeat}")
    print("tokens per second; start-up in milliseconds; ratio above 1: quern is faster\n")
    common.table(["", "llama.cpp", "quern", "ratio", "quern's runs", "of the limit"], rows)
    common.write_json(o.json or o.work / "inference.json", result)


if __name__ == "__main__":
    main()
