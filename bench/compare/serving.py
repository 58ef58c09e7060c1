"""serving.py — output tokens per second and time to first token of servers under load, one after the other.

    python3 bench/compare/serving.py --model MODEL.gguf --text wiki.txt --quern build/release/quern \
        --python VENV/bin/python --peer llama.cpp=LLAMA_CPP/build/bin/llama-server --clients 8 32 --repeat 3

Each client asks for the next answer when it has the last one: a prompt of 50 words of the text (about 100 tokens with
the chat template), 64 tokens, streamed, greedy, no two prompts alike. --python: an interpreter with llama_cpp.server,
which answers one request at a time. Medians over the repeats; the servers take turns, each alone on the machine.
"""
import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", required=True)
parser.add_argument("--text", required=True)
parser.add_argument("--quern", default="build/release/quern")
parser.add_argument("--python")
parser.add_argument("--peer", action="append", default=[], metavar="NAME=LLAMA_SERVER")
parser.add_argument("--clients", type=int, nargs="+", default=[8, 32])
parser.add_argument("--requests", type=int, default=0, help="of a run; without it three for each client")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--port", type=int, default=18090)
parser.add_argument("--out")
o = parser.parse_args()
words = open(o.text, encoding="utf-8").read().split()
SLOTS, CONTEXT = max(o.clients), 512


def command_of(name):
    if name == "quern":
        return [o.quern, "serve", o.model, "--port", str(o.port), "--parallel", str(SLOTS), "--ctx", str(CONTEXT),
                "--queue", "1024", "--threads", str(o.threads)]
    if name == "llama_cpp.server":
        return [o.python, "-m", "llama_cpp.server", "--model", o.model, "--port", str(o.port), "--n_ctx", str(CONTEXT),
                "--n_threads", str(o.threads), "--n_threads_batch", str(o.threads)]
    path = dict(p.split("=", 1) for p in o.peer)[name]
    return [path, "-m", o.model, "--port", str(o.port), "-np", str(SLOTS), "-c", str(CONTEXT * SLOTS), "-t",
            str(o.threads), "-tb", str(o.threads), "-fa", "on", "--no-webui"]


def start(name):
    process = subprocess.Popen(command_of(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            c = http.client.HTTPConnection("127.0.0.1", o.port, timeout=5)
            c.request("GET", "/v1/models")
            if c.getresponse().status == 200:
                return process
        except OSError:
            pass
        if process.poll() is not None:
            sys.exit(f"{name} does not start")
        time.sleep(0.1)
    sys.exit(f"{name} does not answer")


def ask(i, results):
    """One request: seconds to the first token and to the end, tokens out and in."""
    prompt = "Summarise: " + " ".join(words[(i * 97 + k) % len(words)] for k in range(50))
    body = dict(messages=[dict(role="user", content=prompt)], max_tokens=64, temperature=0, ignore_eos=True,
                stream=True, stream_options=dict(include_usage=True))
    begin, first, chunks, usage = time.perf_counter(), None, 0, None
    c = http.client.HTTPConnection("127.0.0.1", o.port, timeout=600)
    c.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        print("status", r.status, r.read()[:300], file=sys.stderr)
        return
    for line in r:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        event = json.loads(line[6:])
        usage = event.get("usage") or usage
        if event.get("choices") and event["choices"][0]["delta"].get("content"):
            first = first or time.perf_counter() - begin
            chunks += 1
    c.close()
    results.append((first or 0, time.perf_counter() - begin, usage["completion_tokens"] if usage else chunks,
                    usage["prompt_tokens"] if usage else 0))


def load(clients, total, begin):
    numbers, results, lock = iter(range(begin, begin + total)), [], threading.Lock()

    def client():
        while True:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            ask(i, results)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    t = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - t
    firsts = sorted(r[0] for r in results)
    out = sum(r[2] for r in results)
    return dict(requests=len(results), seconds=seconds, tokens_per_second=out / seconds, out=out / max(len(results), 1),
                prompt=sum(r[3] for r in results) / max(len(results), 1), ttft_p50=firsts[len(firsts) // 2],
                ttft_p95=firsts[min(len(firsts) - 1, int(0.95 * len(firsts)))])


def main():
    names = ["quern"] + (["llama_cpp.server"] if o.python else []) + [p.split("=", 1)[0] for p in o.peer]
    runs = {(name, clients): [] for name in names for clients in o.clients}
    for repeat in range(o.repeat):
        for name in names[::-1] if repeat % 2 else names:
            process = start(name)
            load(2, 2, 10**6)
            for clients in o.clients:
                run = load(clients, o.requests or 3 * clients, 1000 * repeat)
                runs[name, clients].append(run)
                print(f"{name:18} {clients:3} clients: {run['tokens_per_second']:7.1f} tokens/s, first token p50 "
                      f"{run['ttft_p50'] * 1e3:6.0f} ms, p95 {run['ttft_p95'] * 1e3:6.0f} ms ({run['requests']} "
                      f"requests, {run['prompt']:.0f} in, {run['out']:.0f} out)", flush=True)
            process.send_signal(signal.SIGINT)
            process.wait()
    told = []
    for (name, clients), all_ in runs.items():
        told.append(dict(server=name, clients=clients, runs=all_,
                         **{key: statistics.median(r[key] for r in all_) for key in all_[0]}))
    for clients in o.clients:
        best = max((t for t in told if t["clients"] == clients and t["server"] != "quern"), default=None,
                   key=lambda t: t["tokens_per_second"])
        ours = next(t for t in told if t["clients"] == clients and t["server"] == "quern")
        if best:
            ratio = ours["tokens_per_second"] / best["tokens_per_second"]
            late = ours["ttft_p95"] / best["ttft_p95"]
            print(f"{clients} clients: {ratio:.2f} times {best['server']}; first token p95 {late:.2f} of its")
    if o.out:
        with open(o.out, "w", encoding="utf-8") as f:
            json.dump(dict(model=os.path.basename(o.model), threads=o.threads, results=told), f, indent=1)


main()
