#!/usr/bin/env python3
"""bench/compare/inference_llama.py — one measurement of llama.cpp through llama-cpp-python, for inference.py.

    VENV/bin/python bench/compare/inference_llama.py --model M.gguf --threads 2 --prompt 512
    VENV/bin/python bench/compare/inference_llama.py --model M.gguf --threads 2 --gen 64 --depth 2048 --batch 8

Prints JSON: tokens per second of what was asked for (of a prompt and what is decoded behind it: both together), after
one round that warms up, and start_ms: from before the file is opened to the first token of a one-token prompt, without
the time that Python itself needs. The cache is f16."""
import argparse
import ctypes
import json
import time

import llama_cpp as lib
import numpy


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--prompt", type=int, default=0, help="prefill so many tokens")
    p.add_argument("--gen", type=int, default=0, help="decode so many steps")
    p.add_argument("--depth", type=int, default=0)
    p.add_argument("--batch", type=int, default=1, help="sequences that decode together")
    p.add_argument("--flash", type=int, default=1, help="1: with flash attention; 0: without")
    return p.parse_args()


class Session:
    def __init__(self, o):
        start = time.perf_counter()
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(o.model.encode(), lib.llama_model_default_params())
        c = lib.llama_context_default_params()
        c.n_ctx = (o.depth + o.prompt + o.gen + 64) * o.batch
        c.n_batch = c.n_ubatch = 512
        c.n_seq_max = o.batch
        c.n_threads = c.n_threads_batch = o.threads
        c.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED if o.flash else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = lib.llama_init_from_model(self.model, c)
        self.batch = lib.llama_batch_init(512, 0, 1)
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.feed([(0, 1, 0)])
        self.start_ms = 1e3 * (time.perf_counter() - start)
        self.clear()

    def clear(self, keep=0):
        memory = lib.llama_get_memory(self.context)
        lib.llama_memory_seq_rm(memory, -1, keep, -1)

    def feed(self, rows, last_only=False):
        """rows of (sequence, token, position), 512 at most; logits for each, or for the last one."""
        b = self.batch
        b.n_tokens = len(rows)
        for i, (seq, token, position) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i] = token, position, 1
            b.seq_id[i][0] = seq
            b.logits[i] = 0 if last_only and i + 1 < len(rows) else 1
        if lib.llama_decode(self.context, b) != 0:
            raise SystemExit("llama_decode failed")
        lib.llama_synchronize(self.context)

    def prefill(self, seq, n, first=0):
        for at in range(first, first + n, 512):
            rows = [(seq, (i * 7919 + 13) % self.vocab, i) for i in range(at, min(at + 512, first + n))]
            self.feed(rows, last_only=True)

    def best(self, row):
        """Greedy: the search over the logits is part of a step, as it is in quern's."""
        logits = lib.llama_get_logits_ith(self.context, row)
        row = (ctypes.c_float * self.vocab).from_address(ctypes.addressof(logits.contents))
        return int(numpy.ctypeslib.as_array(row).argmax())


def timed(run, again):
    """Seconds of the second of two rounds."""
    run()
    again()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def work(s, o):
    if o.prompt:
        s.prefill(0, o.prompt, o.depth)
    tokens = [13] * o.batch
    for step in range(o.gen):
        s.feed([(i, tokens[i], o.depth + o.prompt + step) for i in range(o.batch)])
        tokens = [s.best(i) for i in range(o.batch)]


def main():
    o = options()
    s = Session(o)
    out = {"start_ms": s.start_ms}
    for seq in range(o.batch if o.depth else 0):
        s.prefill(seq, o.depth)
    if o.prompt or o.gen:
        tokens = o.prompt + o.gen * o.batch
        out["tokens_per_second"] = tokens / timed(lambda: work(s, o), lambda: s.clear(o.depth))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
