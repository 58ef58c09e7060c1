#!/usr/bin/env python3
"""bench/roofline.py — what compare/inference.py measured, under the limits of the machine: a roofline.

    python3 bench/compare/inference.py --model MODEL.gguf --python VENV/bin/python --formats q8_0,q4_0
    python3 bench/roofline.py build/bench/inference.json --formats q8_0,q4_0 --figure docs/img/roofline.svg

A regime stands at the operations that it needs for each byte of weights and keys that it reads (to the right: more
tokens share them) and at the operations that it did in a second; the roof above it is bandwidth times that place, or
the peak of the unit that multiplies (Williams, Waterman, Patterson, "Roofline", CACM 2009). The axes are logarithms.
Several files are one comparison in pieces, of one machine: the peaks are the last one's. Shares are of the limit that
quern measured in each run. Writes the points as text, and the figure by build/release/figure."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

# The same weights for 1, 8, 32, 32 (with keys of 32 sequences) and 512 tokens.
REGIMES = ["decode 64", "decode 64 × 8", "decode 64 × 32", "prefill 32", "prefill 512"]


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("json", type=pathlib.Path, nargs="+", help="what compare/inference.py wrote")
    p.add_argument("--formats", help="only these, with commas between")
    p.add_argument("--tool", type=pathlib.Path, default=pathlib.Path("build/release/figure"))
    p.add_argument("--figure", type=pathlib.Path, help="where the figure goes; without it none is drawn")
    return p.parse_args()


def points(tests):
    """(series, regime, operations per byte, G operations per second, share of the limit), the peers' under the names of
    their own."""
    for name, of_format in tests.items():
        for regime in REGIMES:
            runs = of_format.get(regime)
            if not runs:
                continue
            work = runs["work"]
            place = 1e9 * work["gops_per_token"] / work["bytes_per_token"]
            for program in (key for key in runs if key not in ("limit", "work")):
                tokens = statistics.median(runs[program])
                yield (f"{program} {name}".replace("llama-cpp-python", "llama.cpp"), regime, place,
                       tokens * work["gops_per_token"], tokens / statistics.median(runs["limit"]))


def roofs(peak, places):
    """Both roofs over the span of the places, with their corners."""
    unit = "bf16_gops" if peak["bf16_gops"] else "f32_gops"
    for name, most in (("int8", peak["int8_gops"]), (unit[:-5], peak[unit])):
        corner = most / peak["memory_gbytes"]
        span = sorted({min(places) / 1.5, corner, max(places) * 1.5})
        yield from ((f"limit, {name}", at, min(most, at * peak["memory_gbytes"])) for at in span)


def read(path):
    """What one comparison wrote: of which machine and model, its peaks, its tests by format."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        peak, formats = result["machine"]["peak"], result["formats"]
        if min(peak["memory_gbytes"], peak["int8_gops"], peak["f32_gops"]) <= 0 or peak["bf16_gops"] < 0:
            raise ValueError
        tests = {name: dict(of["tests"]) for name, of in formats.items()}
        if not all(drawable(runs) for of in tests.values() for regime, runs in of.items() if regime in REGIMES):
            raise ValueError
        return (result["machine"]["cpu"], result["model"]), peak, tests
    except OSError as e:
        sys.exit(f"roofline.py: {path}: {e.strerror}; compare/inference.py writes it")
    except (ValueError, KeyError, TypeError, AttributeError):
        sys.exit(f"roofline.py: {path} is not what compare/inference.py writes")


def drawable(runs):
    """Rates above zero, and what a token costs."""
    work = runs["work"]
    rates = [rate for name, each in runs.items() if name != "work" for rate in each or [0]]
    return min(work["gops_per_token"], work["bytes_per_token"], *rates) > 0


def gather(o):
    """The peaks, and {format: {test: runs}} of those that are wanted."""
    whose, peak, tests = None, None, {}
    for path in o.json:
        of, peak, formats = read(path)
        if whose not in (None, of):
            sys.exit(f"roofline.py: {path} is of {' and '.join(of)}, the files before it of {' and '.join(whose)}")
        whose = of
        for name, found in formats.items():
            tests.setdefault(name, {}).update(found)
    wanted = o.formats.split(",") if o.formats else list(tests)
    for name in wanted:
        if name not in tests:
            sys.exit(f"roofline.py: no file holds '{name}', but {', '.join(tests)}")
    return peak, {name: tests[name] for name in wanted}


def main():
    o = options()
    if o.figure and not o.tool.is_file():
        sys.exit(f"roofline.py: --tool {o.tool}: no such file; `make` builds build/release/figure")
    peak, tests = gather(o)
    found = list(points(tests))
    if not found:
        sys.exit(f"roofline.py: {', '.join(map(str, o.json))}: none of {', '.join(REGIMES)}")
    rows = list(roofs(peak, [place for _, _, place, _, _ in found]))
    for series, regime, place, speed, share in found:
        print(f"{series:32} {regime:14} {place:8.1f} operations a byte {speed:8.1f} G operations/s, "
              f"{100 * share:.0f} % of the limit")
        rows.append((series, place, speed))
    if o.figure:
        text = "".join(f"{math.log2(place):.4f}\t{speed:.4f}\t{series}\n" for series, place, speed in rows)
        svg = subprocess.run([o.tool, "--log", "Roofline", "operations for a byte read, log₂", "G operations/s"],
                             input=text, text=True, check=False, stdout=subprocess.PIPE)
        if svg.returncode != 0:
            sys.exit(f"roofline.py: {o.tool} did not draw it")
        o.figure.write_text(svg.stdout, encoding="utf-8")


if __name__ == "__main__":
    main()
