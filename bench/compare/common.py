"""What the comparisons share: the machine described, the model in other formats, commands run and timed."""
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time


PEERS = pathlib.Path("build/bench/peers/bin/python")


def peers(otherwise=sys.executable):
    """The interpreter that bench/peers.sh made, if it is there."""
    return PEERS if PEERS.exists() else otherwise


def fail(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


def run(command, errors=False):
    """stdout of a command, on request with its stderr; a failure ends the comparison with what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          check=False)
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))}\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout + done.stderr if errors else done.stdout


def wall_ms(command):
    """Milliseconds from the start of a process to its end."""
    start = time.perf_counter()
    run(command)
    return 1e3 * (time.perf_counter() - start)


def machine(quern):
    """CPU, memory, system, and the peaks that quern measures."""
    cpu = platform.processor()
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(f.readline().split()[1]) // 1024
    peak = json.loads(run([quern, "bench", "kernels", "--filter", "rmsnorm", "--seconds", "0.001", "--json"]))["peak"]
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_mib": memory, "system": platform.platform(),
            "load_before": os.getloadavg()[0], "peak": peak}


def tool(folder, name):
    path = pathlib.Path(folder).expanduser() / name
    return path if path.is_file() else fail(f"{path} is not there; --llama-bin names llama.cpp's folder of programs")


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


def median(values):
    return statistics.median(values)


def table(head, rows):
    """Text columns: the first to the left, the others to the right."""
    cells = [head] + [[str(cell) for cell in row] for row in rows]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, width))))


def write_json(path, result):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten: {path}")
