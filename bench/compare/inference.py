#!/usr/bin/env python3
"""bench/compare/inference.py — quern beside llama.cpp and its kin, turn by turn: prefill, decoding, start-up.

    python3 bench/compare/inference.py --model SmolLM2-135M-Instruct.Q4_1.gguf --python VENV/bin/python
    python3 bench/compare/inference.py --model M.gguf --peer llama.cpp=llama.cpp/build/bin --peer ik=ik/build/bin,1

Peers: llama-cpp-python of an interpreter (--python), and programs built by hand (--peer NAME=FOLDER[,FLASH]; FLASH is
what that llama-bench calls flash attention: on, or 1). All read the same files: the published one, and others that
`quern convert` makes of it, for speed alone. The programs alternate, so that a machine whose speed drifts treats all
alike; each figure is the median of --repeat runs, each a process of its own with one warm-up. Flash attention is on,
caches are each program's default. Batch: so many sequences decode together behind 128 tokens each. Start: wall time of
a whole process that answers a one-token prompt with one token, the file being in the page cache; for llama-cpp-python
without Python's own start. Writes a table and, with the machine and its peaks, JSON. Shares are of the limit that quern
measures in its run: bytes over bandwidth or operations over peak, whichever takes longer."""
import argparse
import json
import os
import pathlib
import sys

import common

TESTS = {
    # name: prompt tokens, generated tokens, depth, sequences
    "prefill 512": (512, 0, 0, 1),
    "prefill 32": (32, 0, 0, 1),
    "decode 64": (0, 64, 0, 1),
    "decode 64 at 2048": (0, 64, 2048, 1),
    "decode 64 × 8": (0, 64, 128, 8),
}
START = "start, ms"
FORMATS = "as-published,q8_0,q4_0,f16,bf16,f32"


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file as published")
    p.add_argument("--python", type=pathlib.Path, help="an interpreter with llama_cpp")
    p.add_argument("--peer", action="append", default=[], metavar="NAME=FOLDER[,FLASH]",
                   help="folder with llama-bench, llama-batched-bench, llama-completion; repeatable")
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--formats", default=FORMATS, help=f"as-published and what quern convert --dtype takes; {FORMATS}")
    p.add_argument("--tests", help="only those whose names begin with one of these words, with commas between")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeat", type=int, default=5)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"), help="folder for made files")
    p.add_argument("--json", type=pathlib.Path, help="where the result goes; default inference.json in --work")
    return p.parse_args()


# ---- the programs: rate(path, prompt, gen, depth, batch) in tokens per second, start(path) in milliseconds ----

class Quern:
    name = "quern"

    def __init__(self, o):
        self.quern, self.threads, self.regime = o.quern, o.threads, None

    def rate(self, path, prompt, gen, depth, batch):
        out = json.loads(common.run([self.quern, "bench", path, "--prompt", prompt, "--gen", gen, "--depth", depth,
                                     "--batch", batch, "--threads", self.threads, "-r", 1, "--json"]))
        self.regime = out["prefill" if prompt else "decode"]
        return self.regime["tokens_per_second"]

    def start(self, path):
        return common.wall_ms([self.quern, "generate", path, "-p", "Hi", "-n", 1, "--threads", self.threads, "-q"])


class Programs:
    def __init__(self, o, peer):
        self.name, _, rest = peer.partition("=")
        self.folder, _, self.flash = rest.partition(",")
        self.threads = o.threads
        if not rest:
            common.fail(f"--peer {peer}: NAME=FOLDER is wanted")

    def rate(self, path, prompt, gen, depth, batch):
        if batch > 1:
            return self.together(path, gen, depth, batch)
        out = common.run([common.tool(self.folder, "llama-bench"), "-m", path, "-p", prompt, "-n", gen, "-d", depth,
                          "-t", self.threads, "-r", 1, "-fa", self.flash or "on", "-o", "json"])
        return json.loads(out)[0]["avg_ts"]

    def together(self, path, gen, depth, batch):
        out = common.run([common.tool(self.folder, "llama-batched-bench"), "-m", path, "-c", (depth + gen) * batch,
                          "-npp", depth, "-ntg", gen, "-npl", batch, "-t", self.threads, "-fa", self.flash or "on",
                          "--output-format", "jsonl"])
        return json.loads([line for line in out.splitlines() if line.startswith("{")][-1])["speed_tg"]

    def start(self, path):
        return common.wall_ms([common.tool(self.folder, "llama-completion"), "-m", path, "-p", "Hi", "-n", 1, "-t",
                               self.threads, "-no-cnv", "--no-warmup", "--temp", 0])


class Package:
    """llama-cpp-python: each measurement a process of the interpreter that has it."""
    name = "llama-cpp-python"

    def __init__(self, o):
        self.python, self.threads = o.python, o.threads

    def ask(self, path, *words):
        script = pathlib.Path(__file__).with_name("inference_llama.py")
        out = common.run([self.python, script, "--model", path, "--threads", self.threads, *words])
        return json.loads(out.splitlines()[-1])

    def rate(self, path, prompt, gen, depth, batch):
        return self.ask(path, "--prompt", prompt, "--gen", gen, "--depth", depth, "--batch", batch)["tokens_per_second"]

    def start(self, path):
        return self.ask(path)["start_ms"]


# ---- measuring ----

def converted(o):
    """{format: path}: the published file, and others made from it by quern, once."""
    paths = {}
    o.work.mkdir(parents=True, exist_ok=True)
    for name in o.formats.split(","):
        paths[name] = o.model if name == "as-published" else o.work / f"{o.model.stem}.{name}.gguf"
        if not paths[name].exists():
            print(f"making {paths[name].name}", file=sys.stderr)
            made = paths[name].with_suffix(".part.gguf")
            common.run([o.quern, "convert", o.model, made, "--dtype", name, "--force"])
            made.rename(paths[name])
    return paths


def measure(o, programs, name, path):
    """All tests of one format, the programs in turn: {test: {program: […], "limit": […], "work": of a token}}."""
    wanted = (o.tests or "").split(",")
    got = {test: {"limit": []} for test in [*TESTS, START] if any(test.startswith(word) for word in wanted)}
    for i in range(o.repeat):
        print(f"{name}: run {i + 1} of {o.repeat}", file=sys.stderr)
        for test, runs in got.items():
            for program in programs:
                value = program.start(path) if test == START else program.rate(path, *TESTS[test])
                runs.setdefault(program.name, []).append(value)
                print(f"  {test}, {program.name}: {value:.4g}", file=sys.stderr, flush=True)
            if test != START:
                runs["limit"].append(programs[0].regime["limit"])
                runs["work"] = {key: programs[0].regime[key] for key in ("bytes_per_token", "gops_per_token")}
    return got


def summary(programs, name, got):
    """One row per test: quern's median, range and share, then each peer's median, ratio (above 1: quern is faster) and
    share. Ratios are medians of those within each round."""
    rows = []
    for test, runs in got.items():
        own = runs["quern"]
        limit = common.median(runs["limit"]) if runs["limit"] else None

        def share(values):
            return f"{100 * common.median(values) / limit:.0f} %" if limit else ""
        row = [f"{name} {test}", f"{common.median(own):.1f}", f"{min(own):.1f} – {max(own):.1f}", share(own)]
        for program in programs[1:]:
            peer = runs[program.name]
            ratio = common.median([p / q if test == START else q / p for p, q in zip(peer, own)])
            row += [f"{common.median(peer):.1f}", f"{ratio:.2f}", share(peer)]
        rows.append(row)
    return rows


def main():
    o = options()
    if not o.quern.is_file() or not o.model.is_file():
        common.fail(f"{o.quern} and {o.model} must both be there")
    programs = [Quern(o), *(Programs(o, peer) for peer in o.peer), *([Package(o)] if o.python else [])]
    result = {"what": "inference", "model": o.model.name, "threads": o.threads, "repeat": o.repeat,
              "machine": common.machine(o.quern), "quern": common.run([o.quern, "version"]).strip(), "formats": {}}
    rows = []
    for name, path in converted(o).items():
        got = measure(o, programs, name, path)
        result["formats"][name] = {"bytes": path.stat().st_size, "tests": got}
        rows += summary(programs, name, got)
    peak = result["machine"]["peak"]
    print(f"{o.model.name}, {o.threads} threads, {result['machine']['cpu']}, {peak['isa']}, median of {o.repeat}")
    print("peaks " + ", ".join(f"{k} {v:.0f}" for k, v in peak.items() if isinstance(v, (int, float))))
    print("tokens per second; start-up in milliseconds; ratio above 1: quern is faster; of: share of the limit\n")
    head = ["", "quern", "least – most", "of"]
    for program in programs[1:]:
        head += [program.name, "ratio", "of"]
    common.table(head, rows)
    common.write_json(o.json or o.work / "inference.json", result)


if __name__ == "__main__":
    main()
