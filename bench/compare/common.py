"""What the comparisons share: what they need looked for, the machine described, commands run and timed, tables."""
import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time


PEERS = pathlib.Path("build/bench/peers/bin/python")
TURNS = 5               # fewer say how it was at that moment


def peers(otherwise=sys.executable):
    """The interpreter that bench/peers.sh made, if it is there."""
    return PEERS if PEERS.exists() else otherwise


def fail(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


# ---- what is needed, looked for before anything is measured ----

def count(text):
    """An option that is a number of turns or of rounds."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"1 or more is wanted, not {text}")
    return int(text)


def files(o, *names):
    """Ends the comparison where a file that one of these options names is not there."""
    for name in names:
        paths = getattr(o, name)
        for path in paths if isinstance(paths, list) else [paths]:
            if not pathlib.Path(path).is_file():
                fail(f"--{name} {path}: no such file" + "; `make` builds build/release/quern" * (name == "quern"))


def among(option, text, known):
    """The words of an option, with commas between; one that is not known ends the comparison."""
    words = text.split(",")
    for word in words:
        if word not in known:
            fail(f"{option}: there is no '{word}'; known: {', '.join(known)}")
    return words


def modules(python, *names, option="--python"):
    """Ends the comparison where the interpreter is not there, or does not have these modules."""
    if not shutil.which(python):
        fail(f"{option} {python}: no such program; `sh bench/peers.sh` makes {PEERS}")
    found = run([python, "-c", "import importlib.util as u, sys\n"
                 "print(*(name for name in sys.argv[1:] if not u.find_spec(name)))", *names]).split()
    if found:
        fail(f"{option} {python} has no {', '.join(found)}; `sh bench/peers.sh` makes {PEERS}, which has")


def bf16_dots():
    """Has this CPU instructions that multiply BF16? Without them PyTorch's bf16 is slower than its f32."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        words = set(f.read().split())
    return bool(words & {"avx512_bf16", "amx_bf16"})


# ---- running ----

def run(command, errors=False, may_fail=False, cwd=None):
    """stdout of a command, on request with its stderr; a failure ends the comparison with what it said, unless it may
    be one (some programs end so behind --help). cwd: where it runs, for programs that leave logs."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, cwd=cwd)
    except OSError as e:
        fail(f"{command[0]}: {e.strerror}")
    if done.returncode != 0 and not may_fail:
        fail(f"{' '.join(map(str, command))}\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout + done.stderr if errors else done.stdout


def said(command, cwd=None):
    """What a command writes as JSON; the last line of it, or the whole."""
    out = run(command, cwd=cwd)
    for text in (out, out.strip().rpartition("\n")[2]):
        try:
            return json.loads(text)
        except ValueError:
            continue
    return fail(f"{' '.join(map(str, command))}\nwrote no JSON: {out[-200:].strip() or 'nothing'}")


def wall_ms(command, cwd=None):
    """Milliseconds from the start of a process to its end."""
    start = time.perf_counter()
    run(command, cwd=cwd)
    return 1e3 * (time.perf_counter() - start)


def machine(quern, threads=None):
    """CPU, memory, system, and the peaks that quern measures, with as many threads as are compared."""
    cpu = platform.processor()
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(f.readline().split()[1]) // 1024
    threads = ["--threads", threads] if threads else []
    peak = said([quern, "bench", "kernels", "--filter", "rmsnorm", "--seconds", "0.001", "--json", *threads])["peak"]
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_mib": memory, "system": platform.platform(),
            "load_before": os.getloadavg()[0], "peak": peak}


def tool(folder, *names, option="--llama-bin"):
    """The first of these programs that the folder has; none ends the comparison."""
    paths = [pathlib.Path(folder).expanduser() / name for name in names]
    for path in paths:
        if path.is_file():
            return path.resolve()
    return fail(f"{paths[0]} is not there; {option} names llama.cpp's folder of programs, `sh bench/peers.sh` installs "
                "llama-cpp-python")


def in_formats(model, formats, llama_bin, work):
    """{format: path}: the published file as it is, others made from it by llama-quantize, once."""
    paths = {}
    work.mkdir(parents=True, exist_ok=True)
    for name in formats:
        if name == "as-published":
            paths[name] = model
            continue
        paths[name] = work / f"{model.stem}.{name}.gguf"
        if not paths[name].exists():
            print(f"making {paths[name].name}", file=sys.stderr)
            made = paths[name].with_suffix(".part")
            run([tool(llama_bin, "llama-quantize"), "--allow-requantize", model, made, name])
            made.rename(paths[name])
    return paths


# ---- telling ----

def median(values):
    return statistics.median(values)


def turns(n):
    """What stands at the head of a table about how often was measured."""
    return f"median of {n} turn{'s' * (n > 1)}" + "\nfewer than five turns: no figure to keep" * (n < TURNS)


def heading(what, described, n):
    """The head of a table: what was compared, on which machine, and how often."""
    threads, isa = described["peak"]["threads"], described["peak"]["isa"]
    print(f"{what}, {threads} thread{'s' * (threads > 1)}, {described['cpu']}, {isa}, {turns(n)}")


def table(head, rows):
    """Text columns: the first to the left, the others to the right."""
    cells = [head] + [[str(cell) for cell in row] for row in rows]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, width))))


def target(text):
    """Where JSON goes, as an option's type: a folder is refused before anything is measured."""
    path = pathlib.Path(text)
    if path.is_dir():
        fail(f"--json {path}: is a folder; a file is wanted")
    return path


def keep(path, result):
    """Writes JSON beside and renames it: what was there stays whole until then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)


def write_json(path, result):
    keep(path, result)
    print(f"\nwritten: {path}")
