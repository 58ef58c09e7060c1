#!/usr/bin/env python3
"""bench/compare/quality.py — perplexity of one text by quern, llama.cpp and, where installed, transformers in f32.

    python3 bench/compare/quality.py --model SmolLM2-135M-Instruct.Q4_1.gguf --text wiki.txt --llama-bin …/bin

Windows of --ctx tokens, the second half scored (llama.cpp's protocol). quern runs the file as it is and with its
weights converted; llama.cpp runs it as it is and made F16; transformers loads the same GGUF and computes in float32
(--transformers; slow). Only the first --max-bytes of the text count."""
import argparse
import math
import os
import pathlib
import re
import sys

import common

WEIGHTS = ["as-is", "f32", "bf16", "q8_0"]


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file as published")
    p.add_argument("--text", type=pathlib.Path, required=True)
    p.add_argument("--max-bytes", type=int, default=102400)
    p.add_argument("--ctx", type=int, default=512)
    p.add_argument("--llama-bin", type=pathlib.Path, help="folder with llama-perplexity and llama-quantize")
    p.add_argument("--transformers", action="store_true", help="also with transformers and torch, if they are there")
    p.add_argument("--quern", type=pathlib.Path, default=pathlib.Path("build/release/quern"))
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"), help="folder for made files")
    p.add_argument("--json", type=common.target, help="where the result goes; default quality.json in --work")
    return p.parse_args()


def quern(o, text, weights):
    out = common.said([o.quern, "eval", "ppl", o.model, "-f", text, "--ctx", o.ctx, "--weights", weights,
                       "--threads", o.threads, "--json", "-q"])
    return {"who": f"quern {weights}", "ppl": out["ppl"], "stderr": out["stderr"], "tokens": out["tokens"],
            "seconds": out["seconds"], "isa": out["isa"], "kv": out["kv"]}


def llama(o, text, name, path):
    out = common.run([common.tool(o.llama_bin, "llama-perplexity"), "-m", path, "-f", text, "-c", o.ctx, "-t",
                      o.threads], errors=True)
    estimate = re.search(r"PPL = ([0-9.]+) \+/- ([0-9.]+)", out)
    if not estimate:
        common.fail("llama-perplexity gave no final estimate")
    return {"who": f"llama.cpp {name}", "ppl": float(estimate[1]), "stderr": float(estimate[2])}


def transformers(o, text):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(o.threads)
    folder, name = str(o.model.parent), o.model.name
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    ids = tokenizer(text.read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]
    bos = tokenizer.bos_token_id if getattr(tokenizer, "add_bos_token", False) else None
    losses = []
    with torch.no_grad():
        for start in range(0, len(ids) - o.ctx + 1, o.ctx):
            window = list(ids[start:start + o.ctx])
            if bos is not None:
                window[0] = bos
            x = torch.tensor([window])
            logits = model(x).logits[0, o.ctx // 2:-1].double()
            losses.append(torch.nn.functional.cross_entropy(logits, x[0, o.ctx // 2 + 1:], reduction="none"))
    losses = torch.cat(losses)
    return {"who": "transformers f32", "ppl": math.exp(losses.mean().item()), "tokens": len(losses)}


def main():
    o = options()
    common.files(o, "quern", "model", "text")
    if o.llama_bin:
        common.tool(o.llama_bin, "llama-perplexity")
    if o.transformers:
        common.modules(sys.executable, "torch", "transformers", option="the interpreter")
    o.work.mkdir(parents=True, exist_ok=True)
    text = o.work / "text.txt"
    text.write_text(o.text.read_bytes()[:o.max_bytes].decode("utf-8", "ignore"), encoding="utf-8")
    found = [quern(o, text, weights) for weights in WEIGHTS]
    if o.llama_bin:
        paths = common.in_formats(o.model, ["as-published", "F16"], o.llama_bin, o.work)
        found += [llama(o, text, name, path) for name, path in paths.items()]
    if o.transformers:
        found.append(transformers(o, text))
    print(f"{o.model.name}, first {text.stat().st_size} bytes of {o.text.name}, windows of {o.ctx}, second half scored")
    print()
    common.table(["", "perplexity", "±"], [[f["who"], f"{f['ppl']:.4f}", f"{f.get('stderr', 0):.4f}"] for f in found])
    common.write_json(o.json or o.work / "quality.json", {
        "what": "quality", "model": o.model.name, "text": o.text.name, "bytes": text.stat().st_size, "ctx": o.ctx,
        "protocol": "half", "machine": common.machine(o.quern, o.threads), "results": found})


if __name__ == "__main__":
    main()
