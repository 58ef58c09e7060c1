#!/usr/bin/env python3
"""Holds one adapter to others' programs: what quern wrote is opened by PEFT and by llama.cpp, and gives their logits.

    python3 tools/check_adapter.py QUERN MODEL [ADAPTER] [--work FOLDER] [--tokens N]

MODEL is any model that quern reads; without ADAPTER one is made of it with PEFT, filled with noise. Four runs over the
same tokens, MODEL as F32 in each:

    PEFT                on `quern convert MODEL`, with the adapter as quern writes it in PEFT's form
    transformers        on what `quern merge` made of it
    llama.cpp           on a F32 GGUF, with the adapter as quern writes it as GGUF   (needs llama-cpp-python)
    llama.cpp           on what `quern merge` made, as GGUF

An adapter with rows of tokens (trainable_token_indices) has no GGUF form: it goes to PEFT as it is, whose model is made
as long as the tokenizer beside it asks, and llama.cpp gets the merged model alone.

Each is compared with the first; the base without the adapter shows how far it moves the logits. Needs torch,
transformers, peft. No test runs this: it is for whoever changes how adapters are written."""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

LIMIT = 1e-4        # of the logits' spread, in F32


def quern(*words):
    done = subprocess.run([args.quern, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"quern {' '.join(map(str, words))}: {done.stderr}")


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].double().numpy()


def noisy_adapter(folder, out):
    """All linear products, rank 8, B filled so that the adapter matters."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear"))
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.01)
    model.save_pretrained(out)


def llama_logits(path, ids, adapter=None):
    from llama_cpp import Llama
    llm = Llama(model_path=str(path), lora_path=adapter and str(adapter), n_ctx=len(ids) + 8, logits_all=True,
                type_k=0, type_v=0, verbose=False)         # keys and values as F32
    llm.eval(ids)
    return np.array(llm.scores[:len(ids)], dtype=np.float64)


def compare(name, got, want):
    spread = want.std(axis=1).mean()
    worst = np.abs(got - want).max()
    top = (got.argmax(1) == want.argmax(1)).mean()
    a = want - want.max(1, keepdims=True)
    b = got - got.max(1, keepdims=True)
    p, q = a - np.log(np.exp(a).sum(1, keepdims=True)), b - np.log(np.exp(b).sum(1, keepdims=True))
    kl = (np.exp(p) * (p - q)).sum(1).mean()
    print(f"{name:44} max |d| {worst:.2e} ({worst / spread:.1e} of the spread), KL {kl:.1e}, top-1 {100 * top:.1f} %")
    return worst / spread


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("quern")
parser.add_argument("model")
parser.add_argument("adapter", nargs="?")
parser.add_argument("--work", help="keep what is made here")
parser.add_argument("--tokens", type=int, default=48)
args = parser.parse_args()
transformers.logging.set_verbosity_error()
torch.set_num_threads(2)
with tempfile.TemporaryDirectory() as made:
    work = Path(args.work or made)
    work.mkdir(parents=True, exist_ok=True)
    quern("convert", args.model, work / "base", "--dtype", "f32", "--force")
    if not args.adapter:
        noisy_adapter(work / "base", work / "noise")
    adapter = args.adapter or work / "noise"
    said = Path(adapter) / "adapter_config.json"
    tokens = said.exists() and json.loads(said.read_text()).get("trainable_token_indices")
    if tokens:
        quern("convert", adapter, work / "adapter", "--model", work / "base", "--force")
    else:
        quern("convert", adapter, work / "adapter.gguf", "--model", work / "base", "--force")
        quern("convert", work / "adapter.gguf", work / "adapter", "--model", work / "base", "--force")
    quern("merge", work / "base", adapter, "--out", work / "merged", "--force")
    vocabulary = json.loads((work / "merged" / "config.json").read_text())["vocab_size"]
    ids = [int(i) for i in np.random.default_rng(1).integers(0, vocabulary, args.tokens)]
    model = AutoModelForCausalLM.from_pretrained(work / "base", dtype=torch.float32)
    if tokens and len(AutoTokenizer.from_pretrained(adapter)) > model.config.vocab_size:
        model.resize_token_embeddings(len(AutoTokenizer.from_pretrained(adapter)))
    plain = logits_of(model, ids)
    want = logits_of(PeftModel.from_pretrained(model, work / "adapter"), ids)
    compare("the base alone", plain, want)
    bad = []
    merged = logits_of(AutoModelForCausalLM.from_pretrained(work / "merged", dtype=torch.float32), ids)
    bad.append(compare("transformers, merged by quern", merged, want))
    if not args.adapter:
        original = PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(work / "base", dtype=torch.float32), adapter)
        bad.append(compare("PEFT, the adapter as PEFT wrote it", logits_of(original, ids), want))
    try:
        import llama_cpp    # noqa: F401
    except ImportError:
        print("llama-cpp-python is not here: its runs are left out")
    else:
        quern("convert", work / "base", work / "base.gguf", "--force")
        form = adapter if tokens else work / "adapter.gguf"
        quern("merge", work / "base.gguf", form, "--out", work / "merged.gguf", "--force")
        if not tokens:
            compare("llama.cpp, the base alone", llama_logits(work / "base.gguf", ids), plain)
            compare("llama.cpp, the GGUF adapter", llama_logits(work / "base.gguf", ids, work / "adapter.gguf"), want)
        compare("llama.cpp, merged by quern", llama_logits(work / "merged.gguf", ids), want)
    sys.exit(any(b > LIMIT for b in bad))
