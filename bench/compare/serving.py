"""serving.py — output tokens per second and time to first token of servers under load, one after the other.

    python3 bench/compare/serving.py --model MODEL.gguf --text wiki.txt --quern build/release/quern \
        --python VENV/bin/python --peer llama.cpp=LLAMA_CPP/build/bin/llama-server --clients 8 32

Each client asks for the next answer when it has the last one: a prompt of 50 words of the text (about 100 tokens with
the chat template), 64 tokens, streamed, greedy, no two prompts alike. --python: an interpreter with llama_cpp.server,
which answers one request at a time. Medians over the repeats; the servers take turns, each alone on the machine.
Requests that fail are counted, and are in no figure; where more than a tenth of a run's do, there is no result. An
answer without a token has no time to its first.
"""
import argparse
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import common

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", required=True)
parser.add_argument("--text", required=True)
parser.add_argument("--quern", default="build/release/quern")
parser.add_argument("--python", default=common.peers(None), help="an interpreter that has llama_cpp.server")
parser.add_argument("--peer", action="append", default=[], metavar="NAME=LLAMA_SERVER")
parser.add_argument("--clients", type=int, nargs="+", default=[8, 32])
parser.add_argument("--requests", type=int, default=0, help="of a run; without it three for each client")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=common.count, default=common.TURNS)
parser.add_argument("--port", type=int, default=18090)
parser.add_argument("--out", type=pathlib.Path)
o = parser.parse_args()
SLOTS, CONTEXT = max(o.clients), 512


def command_of(name):
    if name == "quern":
        return [o.quern, "serve", o.model, "--port", str(o.port), "--parallel", str(SLOTS), "--ctx", str(CONTEXT),
                "--queue", "1024", "--threads", str(o.threads)]
    if name == "llama_cpp.server":
        return [o.python, "-m", "llama_cpp.server", "--model", o.model, "--port", str(o.port), "--n_ctx", str(CONTEXT),
                "--n_threads", str(o.threads), "--n_threads_batch", str(o.threads)]
    return [peers()[name], "-m", o.model, "--port", str(o.port), "-np", str(SLOTS), "-c", str(CONTEXT * SLOTS), "-t",
            str(o.threads), "-tb", str(o.threads), "-fa", "on", "--no-webui"]


def peers():
    """{name: llama-server} as given by --peer."""
    return dict(p.partition("=")[::2] for p in o.peer)


def needed():
    """Looks for everything first; the words of the text."""
    common.files(o, "quern", "model", "text")
    for name, path in peers().items():
        if not pathlib.Path(path).is_file():
            common.fail(f"--peer {name}={path}: no such file; NAME=LLAMA_SERVER is wanted")
    if o.python:
        common.modules(o.python, "llama_cpp", "uvicorn", "fastapi")
    if not o.python and not o.peer:
        print("warning: quern alone; `sh bench/peers.sh` installs a peer, --peer NAME=LLAMA_SERVER or --python names "
              "one", file=sys.stderr)
    found = pathlib.Path(o.text).read_text(encoding="utf-8", errors="ignore").split()
    return found or common.fail(f"--text {o.text}: no words in it")


def wait_for(name, process):
    for _ in range(600):
        try:
            c = http.client.HTTPConnection("127.0.0.1", o.port, timeout=5)
            c.request("GET", "/v1/models")
            if c.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        if process.poll() is not None:
            common.fail(f"{name} does not start")
        time.sleep(0.1)
    common.fail(f"{name} does not answer")


def events(body):
    """What the server sends, one after the other."""
    c = http.client.HTTPConnection("127.0.0.1", o.port, timeout=600)
    c.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        raise ValueError(f"status {r.status}: {r.read()[:300]}")
    for line in r:
        if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
            event = json.loads(line[6:])
            if event.get("error"):
                raise ValueError(event["error"])
            yield event
    c.close()


def ask(i, words, results):
    """One request: seconds to the first token, tokens out and in; one that fails leaves nothing."""
    prompt = "Summarise: " + " ".join(words[(i * 97 + k) % len(words)] for k in range(50))
    body = dict(messages=[dict(role="user", content=prompt)], max_tokens=64, temperature=0, ignore_eos=True,
                stream=True, stream_options=dict(include_usage=True))
    begin, first, chunks, usage = time.perf_counter(), None, 0, None
    try:
        for event in events(body):
            usage = event.get("usage") or usage
            if event.get("choices") and event["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter() - begin
                chunks += 1
    except (OSError, http.client.HTTPException, ValueError) as e:
        print(f"request {i} failed: {e}", file=sys.stderr, flush=True)
        return
    results.append((first, usage["completion_tokens"] if usage else chunks, usage["prompt_tokens"] if usage else 0))


def load(words, clients, total, begin):
    """One run: so many clients until all requests are answered."""
    numbers, results, lock = iter(range(begin, begin + total)), [], threading.Lock()

    def client():
        while True:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            ask(i, words, results)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    t = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - t
    if 10 * (total - len(results)) > total:
        common.fail(f"{total - len(results)} of {total} requests failed")
    firsts = sorted(r[0] for r in results if r[0] is not None)

    def late(part):
        return firsts[min(len(firsts) - 1, int(part * len(firsts)))] if firsts else None
    return dict(requests=len(results), failed=total - len(results), seconds=seconds,
                tokens_per_second=sum(r[1] for r in results) / seconds, out=sum(r[1] for r in results) / len(results),
                prompt=sum(r[2] for r in results) / len(results), ttft_p50=late(0.5), ttft_p95=late(0.95))


def ms(seconds):
    return "   –" if seconds is None else f"{seconds * 1e3:6.0f} ms"


def turn(name, words, repeat, runs):
    """One server from its start to its end."""
    try:
        process = subprocess.Popen(command_of(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as e:
        common.fail(f"{command_of(name)[0]}: {e.strerror}")
    try:
        wait_for(name, process)
        load(words, 2, 2, 10**6)
        for clients in o.clients:
            run = load(words, clients, o.requests or 3 * clients, 1000 * repeat)
            runs[name, clients].append(run)
            print(f"{name:18} {clients:3} clients: {run['tokens_per_second']:7.1f} tokens/s, first token p50 "
                  f"{ms(run['ttft_p50'])}, p95 {ms(run['ttft_p95'])} ({run['requests']} requests, {run['failed']} "
                  f"failed, {run['prompt']:.0f} in, {run['out']:.0f} out)", flush=True)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def told(runs):
    """Medians of the runs of each server and load; where no run has a figure there is none."""
    for (name, clients), all_ in runs.items():
        figures = {key: [r[key] for r in all_ if r[key] is not None] for key in all_[0]}
        yield dict(server=name, clients=clients, runs=all_,
                   **{key: common.median(of) if of else None for key, of in figures.items()})


def main():
    words = needed()
    machine = common.machine(o.quern, o.threads)
    names = ["quern"] + (["llama_cpp.server"] if o.python else []) + list(peers())
    runs = {(name, clients): [] for name in names for clients in o.clients}
    for repeat in range(o.repeat):
        for name in names[::-1] if repeat % 2 else names:
            turn(name, words, repeat, runs)
    results = list(told(runs))
    common.heading(os.path.basename(o.model), machine, o.repeat)
    for clients in o.clients:
        best = max((t for t in results if t["clients"] == clients and t["server"] != "quern"), default=None,
                   key=lambda t: t["tokens_per_second"])
        ours = next(t for t in results if t["clients"] == clients and t["server"] == "quern")
        if best:
            ratio = ours["tokens_per_second"] / max(best["tokens_per_second"], 1e-9)
            late = f"{ours['ttft_p95'] / best['ttft_p95']:.2f}" if ours["ttft_p95"] and best["ttft_p95"] else "–"
            print(f"{clients} clients: {ratio:.2f} times {best['server']}; first token p95 {late} of its")
    if o.out:
        common.write_json(o.out, dict(model=os.path.basename(o.model), threads=o.threads, repeat=o.repeat,
                                      machine=machine, results=results))


if __name__ == "__main__":
    main()
