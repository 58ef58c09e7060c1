"""check_quants.py QUERN MODEL TEXT [TYPE …] — files of each of llama.cpp's block types, run by both.

Converts MODEL to GGUF F16, has llama.cpp's own quantizer make a file of each type (all of it in that type, as far as
rows divide into its blocks; the quantizer takes a simpler type for those that do not), and compares the perplexity of
the same windows of TEXT by llama-perplexity's protocol: the second half of each is scored. What is compared is the same
weights under two arithmetics, both with activations in 8 bits. A developer's tool (pip: llama-cpp-python, gguf, numpy).
"""
import collections
import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import llama_cpp

from check_gguf import perplexity

CTX, WINDOWS = 256, 6
OWN, PEER = 0.01, 0.03            # apart at the most: from the same weights in f32; from llama.cpp
TYPES = {"Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K": 12, "Q4_K": 15, "Q5_K": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30,
         "MXFP4": 38, "Q4_0": 2, "Q8_0": 7}                   # llama_ftype


def quantize(source, to, ftype):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = ftype
    params.nthread = 1
    params.pure = True
    return llama_cpp.llama_model_quantize(str(source).encode(), str(to).encode(), ctypes.byref(params))


def types_of(path):
    counts = collections.Counter()
    for tensor in gguf.GGUFReader(path).tensors:
        if len(tensor.shape) > 1:
            counts[tensor.tensor_type.name] += int(tensor.n_elements)
    total = sum(counts.values())
    return ", ".join(f"{name} {100 * n / total:.0f} %" for name, n in counts.most_common())


def ours(quern, path, text, *more):
    done = subprocess.run([quern, "eval", "ppl", path, "-f", text, "--ctx", str(CTX), "--windows", str(WINDOWS),
                           "--json", "-q", *more], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip())
        return None
    return json.loads(done.stdout)["ppl"]


def main():
    quern, model, text = sys.argv[1:4]
    wanted = sys.argv[4:] or list(TYPES)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        plain, part = pathlib.Path(folder, "f16.gguf"), pathlib.Path(folder, "text.txt")
        part.write_bytes(pathlib.Path(text).read_bytes()[:60_000].decode("utf-8", "ignore").encode())
        subprocess.run([quern, "convert", model, plain, "--dtype", "f16"], check=True, capture_output=True)
        print(f"F16: quern {ours(quern, plain, part):.4f}", flush=True)
        for name in wanted:
            path = pathlib.Path(folder, f"{name}.gguf")
            if quantize(plain, path, TYPES[name]):
                print(f"{name}: llama.cpp's quantizer does not make it of this model")
                continue
            mine, exact = ours(quern, path, part), ours(quern, path, part, "--weights", "f32")
            theirs = None
            if mine is not None:
                peer = llama_cpp.Llama(str(path), n_ctx=CTX, n_batch=CTX, n_ubatch=CTX, logits_all=True, verbose=False,
                                       n_threads=1)
                ids = [int(i) for i in subprocess.run([quern, "tokenize", path, "--ids", "--no-special", "-f", part],
                                                      check=True, capture_output=True, text=True).stdout.split()]
                theirs, scored = perplexity(peer, ids[:CTX * WINDOWS], CTX)
                del peer
            good = mine is not None and abs(mine / theirs - 1) <= PEER and abs(mine / exact - 1) <= OWN
            failed += not good
            said = (f"quern {mine:.4f}, with --weights f32 {exact:.4f}, llama.cpp {theirs:.4f} of {scored} tokens, "
                    f"{100 * (mine / theirs - 1):+.2f} %") if mine is not None else "does not run"
            print(f"{name}: {said}  ({types_of(path)})", flush=True)
            path.unlink()
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
