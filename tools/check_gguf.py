"""check_gguf.py QUERN MODEL TEXT [CTX] — what `quern convert` writes, run by llama.cpp.

Converts MODEL (a checkpoint or a Hugging Face directory) to GGUF F32, opens it with llama.cpp, compares the ids of the
text and the perplexity of its windows of CTX tokens (256) by llama-perplexity's protocol: the second half of each is
scored. A developer's tool (pip: llama-cpp-python, numpy): no test needs it.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np

TOLERANCE, WINDOWS = 5e-4, 32


def perplexity(model, ids, ctx):
    bos = model.token_bos() if model._model.add_bos_token() else None
    nll, scored = 0.0, 0
    for start in range(0, min(len(ids) // ctx, WINDOWS) * ctx, ctx):
        window = list(ids[start:start + ctx])
        if bos is not None:
            window[0] = bos
        model.reset()
        model.eval(window)
        logits = np.asarray(model.scores[:ctx], dtype=np.float64)
        for i in range(ctx // 2, ctx - 1):
            row = logits[i]
            top = row.max()
            nll += top + math.log(np.exp(row - top).sum()) - row[ids[start + i + 1]]
            scored += 1
    return math.exp(nll / scored), scored


def main():
    quern, source, text = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    ctx = int(sys.argv[4]) if len(sys.argv) > 4 else 256
    with tempfile.TemporaryDirectory() as folder:
        gguf, part = pathlib.Path(folder, "model.gguf"), pathlib.Path(folder, "text.txt")
        part.write_bytes(text.read_bytes()[:200_000].decode("utf-8", "ignore").encode())
        subprocess.run([quern, "convert", source, gguf, "--dtype", "f32"], check=True, capture_output=True)
        model = llama_cpp.Llama(str(gguf), n_ctx=ctx, n_batch=ctx, n_ubatch=ctx, logits_all=True, verbose=False)
        theirs = model.tokenize(part.read_bytes(), add_bos=False, special=False)
        ours = [int(i) for i in subprocess.run([quern, "tokenize", gguf, "--ids", "--no-special", "-f", part],
                                               check=True, capture_output=True, text=True).stdout.split()]
        print(f"ids: {len(ours)} of quern, {len(theirs)} of llama.cpp, the same {ours == list(theirs)}")
        said = json.loads(subprocess.run([quern, "eval", "ppl", gguf, "-f", part, "--ctx", str(ctx), "--windows",
                                          str(WINDOWS), "--json", "-q"], check=True, capture_output=True,
                                         text=True).stdout)
        ppl, scored = perplexity(model, ours, ctx)
        off = abs(ppl / said["ppl"] - 1)
        print(f"perplexity of {scored} tokens: llama.cpp {ppl:.6f}, quern {said['ppl']:.6f} of {said['tokens']}: "
              f"{100 * off:.4f} % apart")
    return 0 if off <= TOLERANCE and ours == list(theirs) else 1


if __name__ == "__main__":
    sys.exit(main())
