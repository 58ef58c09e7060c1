#!/usr/bin/env python3
"""bench/compare/inference.py — quern beside llama.cpp and its kin, turn by turn: prefill, decoding, start-up.

    python3 bench/compare/inference.py --model SmolLM2-135M-Instruct.Q4_1.gguf --python VENV/bin/python
    python3 bench/compare/inference.py --model M.gguf --peer llama.cpp=llama.cpp/build/bin --peer ik=ik/build/bin

Peers: llama-cpp-python of an interpreter (--python), and programs built by hand (--peer NAME=FOLDER). All read the
same files: the published one, and others that `quern convert` makes of it, for speed alone. The programs alternate,
and so does who goes first, so that a machine whose speed drifts treats all alike; each figure is the median of
--repeat runs, each a process of its own with one warm-up. With every format each peer first prefills 512 tokens and
decodes 32 behind them with flash attention and without, and where its llama-bench knows -rtr (ik_llama.cpp) with
weights repacked and not; what was fastest it keeps. Caches are each program's default. Batch: so many sequences decode
together behind 128 tokens each. A format like f16:bf16 is the first one's file, of which quern makes the second while
it loads (--weights): what ik_llama.cpp does with F16 unasked. Start: wall time of a whole process that answers a
one-token prompt with one token, the file being in the page cache; for llama-cpp-python without Python's own start.
Writes a table and, after every format, JSON with the machine and its peaks. Shares are of the limit that quern
measures in its run: bytes over bandwidth or operations over peak, whichever takes longer."""
import argparse
import itertools
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
    "decode 64 × 32": (0, 64, 128, 32),
}
START = "start, ms"
FORMATS = "as-published,q8_0,q4_0,f16,bf16,f32"
KNOWN = [*FORMATS.split(","), "q4_1", "f16:bf16"]
PROBE = (512, 32)       # tokens of a prompt, and decoded behind it: what tells a peer's better flags


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file as published")
    p.add_argument("--python", type=pathlib.Path, default=common.peers(None), help="an interpreter with llama_cpp")
    p.add_argument("--peer", action="append", default=[], metavar="NAME=FOLDER",
                   help="folder with llama-bench, llama-batched-bench, llama-completion; repeatable")
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--formats", default=FORMATS, help=f"some of {', '.join(KNOWN)}; {FORMATS}")
    p.add_argument("--tests", default="", help="only those that are, or whose names begin with, one of these words, "
                   "with commas between (x is as good as ×)")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeat", type=common.count, default=common.TURNS)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"), help="folder for made files")
    p.add_argument("--json", type=common.target, help="where the result goes; default inference.json in --work")
    return p.parse_args()


def chosen(o):
    """The names of the tests that are wanted."""
    names, words = [*TESTS, START], o.tests.replace(" x ", " × ").replace(START, "start").split(",")
    if len(words) > 1 and "" in words:
        common.fail(f"--tests '{o.tests}': a word is missing at a comma")
    for word in words:
        if not any(name.startswith(word) for name in names):
            common.fail(f"--tests: none begins with '{word}'; known: {', '.join([*TESTS, 'start'])}")
    return [name for name in names if name in words or name.startswith(tuple(w for w in words if w not in names))]


# ---- the programs: rate(path, prompt, gen, depth, batch) in tokens per second, start(path) in milliseconds; peers also
# ---- have ways: what may be given to them, flags: what is, probe(path): tokens per second with those

class Quern:
    name = "quern"

    def __init__(self, o):
        self.quern, self.threads, self.regime, self.loading = o.quern, o.threads, None, []

    def load_as(self, dtype):
        self.loading = ["--weights", dtype] if dtype else []

    def rate(self, path, prompt, gen, depth, batch):
        out = common.said([self.quern, "bench", path, "--prompt", prompt, "--gen", gen, "--depth", depth,
                           "--batch", batch, "--threads", self.threads, "-r", 1, "--json", *self.loading])
        self.regime = out["prefill" if prompt else "decode"]
        return self.regime["tokens_per_second"]

    def start(self, path):
        return common.wall_ms([self.quern, "generate", path, "-p", "Hi", "-n", 1, "--threads", self.threads, "-q",
                               *self.loading])


class Programs:
    """llama.cpp's, or those of its kin: ik_llama.cpp's have no -d but -gp, and -rtr, which is a word by itself behind
    all but llama-bench."""

    def __init__(self, o, peer, tests):
        self.name, _, folder = peer.partition("=")
        if not self.name or not folder:
            common.fail(f"--peer {peer}: NAME=FOLDER is wanted")
        self.work = o.work.resolve()
        self.threads, self.flags, option = o.threads, ["-fa", 1], "--peer NAME=FOLDER"
        self.bench = common.tool(folder, "llama-bench", option=option)
        if any(TESTS[test][3] > 1 for test in tests if test != START):
            self.batched = common.tool(folder, "llama-batched-bench", option=option)
        if START in tests:
            self.answer = common.tool(folder, "llama-completion", "llama-cli", option=option)
            known = common.run([self.answer, "--help"], errors=True, may_fail=True)
            self.single = ["-no-cnv"] if "-no-cnv" in known else []      # where a chat has to be asked for, nothing
        words = common.run([self.bench, "--help"], errors=True)
        self.deep = "--n-depth" in words
        repack = [["-rtr", 0], ["-rtr", 1]] if "-rtr" in words else [[]]
        self.ways = [["-fa", flash, *more] for flash, more in itertools.product([1, 0], repack)]

    def ask(self, path, *words):
        command = [self.bench, "-m", path.resolve(), *words, "-t", self.threads, "-r", 1, *self.flags, "-o", "json"]
        out = common.said(command, cwd=self.work)
        if not isinstance(out, list) or not out or "avg_ts" not in out[-1]:
            common.fail(f"{' '.join(map(str, command))}\nsays no avg_ts")
        return out[-1]["avg_ts"]

    def probe(self, path):
        return self.ask(path, "-p", 0, "-n", 0, "-pg", f"{PROBE[0]},{PROBE[1]}")

    def rate(self, path, prompt, gen, depth, batch):
        if batch > 1:
            return self.together(path, gen, depth, batch)
        if depth and not self.deep:
            return self.ask(path, "-p", 0, "-n", 0, "-gp", f"{depth},{gen}")
        return self.ask(path, "-p", prompt, "-n", gen, *(["-d", depth] if depth else []))

    def together(self, path, gen, depth, batch):
        """The last number but two of the last row of its table: S_TG."""
        repack = ["-rtr"] if self.flags[2:] == ["-rtr", 1] else []
        command = [self.batched, "-m", path.resolve(), "-c", (depth + gen) * batch, "-npp", depth, "-ntg", gen, "-npl",
                   batch, "-t", self.threads, *self.flags[:2], *repack]
        out = common.run(command, errors=True, cwd=self.work)
        rows = [line for line in out.splitlines() if line.startswith("|") and line.count("|") > 9]
        if not rows:
            common.fail(f"{' '.join(map(str, command))}\nwrote no table: {out[-200:].strip()}")
        return float(rows[-1].split("|")[-4])

    def start(self, path):
        return common.wall_ms([self.answer, "-m", path.resolve(), "-p", "Hi", "-n", 1, "-t", self.threads, *self.single,
                               "--no-warmup", "--temp", 0], cwd=self.work)


class Package:
    """llama-cpp-python: each measurement a process of the interpreter that has it."""
    name = "llama-cpp-python"
    ways = [["--flash", 1], ["--flash", 0]]

    def __init__(self, o):
        self.python, self.threads, self.flags = o.python, o.threads, self.ways[0]
        common.modules(o.python, "llama_cpp", "numpy")

    def ask(self, path, *words):
        script = pathlib.Path(__file__).with_name("inference_llama.py")
        return common.said([self.python, script, "--model", path, "--threads", self.threads, *self.flags, *words])

    def probe(self, path):
        return self.ask(path, "--prompt", PROBE[0], "--gen", PROBE[1])["tokens_per_second"]

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
        stored = name.partition(":")[0]
        paths[name] = o.model if name == "as-published" else o.work / f"{o.model.stem}.{stored}.gguf"
        if not paths[name].exists():
            print(f"making {paths[name].name}", file=sys.stderr)
            made = paths[name].with_suffix(".part.gguf")
            common.run([o.quern, "convert", o.model, made, "--dtype", stored, "--force"])
            made.rename(paths[name])
    return paths


def settle(program, path):
    """The peer's flags that were fastest from now on, and what each of them reached."""
    speeds = {}
    for program.flags in program.ways:
        speeds[" ".join(map(str, program.flags))] = program.probe(path)
    best = max(speeds, key=speeds.get)
    program.flags = program.ways[list(speeds).index(best)]
    print(f"  {program.name}: {best} of " + ", ".join(f"{way} {speed:.4g}" for way, speed in speeds.items()),
          file=sys.stderr, flush=True)
    return {"taken": best, "tokens_per_second": speeds}


def measure(o, programs, tests, name, path):
    """All tests of one format, the programs in turn: {test: {program: […], "limit": […], "work": of a token}}."""
    got = {test: {**{program.name: [] for program in programs}, "limit": []} for test in tests}
    for i in range(o.repeat):
        print(f"{name}: run {i + 1} of {o.repeat}", file=sys.stderr)
        for test, runs in got.items():
            for program in programs[::-1] if i % 2 else programs:
                value = program.start(path) if test == START else program.rate(path, *TESTS[test])
                runs[program.name].append(value)
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


def distinct(programs):
    """Results are kept by name."""
    names = [program.name for program in programs]
    for name in names[1:]:
        if name in ("quern", "limit", "work") or names.count(name) > 1:
            common.fail(f"--peer {name}=…: the name is taken")


def main():
    o = options()
    tests = chosen(o)
    if o.threads < 1:
        common.fail(f"--threads {o.threads}: 1 and more")
    common.among("--formats", o.formats, KNOWN)
    common.files(o, "quern", "model")
    programs = [Quern(o), *(Programs(o, peer, tests) for peer in o.peer), *([Package(o)] if o.python else [])]
    distinct(programs)
    if len(programs) == 1:
        print("warning: quern alone; `sh bench/peers.sh` installs a peer, --peer NAME=FOLDER or --python names one",
              file=sys.stderr)
    target = o.json or o.work / "inference.json"
    result = {"what": "inference", "model": o.model.name, "threads": o.threads, "repeat": o.repeat,
              "machine": common.machine(o.quern, o.threads), "quern": common.run([o.quern, "version"]).strip(),
              "formats": {}}
    rows = []
    for name, path in converted(o).items():
        programs[0].load_as(name.partition(":")[2])
        flags = {program.name: settle(program, path) for program in programs[1:] if tests != [START]}
        got = measure(o, programs, tests, name, path)
        result["formats"][name] = {"bytes": path.stat().st_size, "flags": flags, "tests": got}
        common.keep(target, result)
        rows += summary(programs, name, got)
    peak = result["machine"]["peak"]
    common.heading(o.model.name, result["machine"], o.repeat)
    print("peaks " + ", ".join(f"{k} {v:.0f}" for k, v in peak.items() if isinstance(v, float)))
    print("tokens per second; start-up in milliseconds; ratio above 1: quern is faster; of: share of the limit\n")
    head = ["", "quern", "least – most", "of"]
    for program in programs[1:]:
        head += [program.name, "ratio", "of"]
    common.table(head, rows)
    print(f"\nwritten: {target}")


if __name__ == "__main__":
    main()
