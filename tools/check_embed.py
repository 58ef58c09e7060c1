#!/usr/bin/env python3
"""Holds `quern embed` against others on one model: transformers (with torch) pooled as modules.json says, and llama.cpp
(llama-cpp-python) on the GGUF that quern converts the directory to. Needs what it names; checks what is there.

    python3 tools/check_embed.py QUERN MODEL_DIR [--strings 10000]

Prints the smallest cosine over texts of many languages and lengths, up to the model's limit, for each --weights; how
many of the strings have other ids than Hugging Face's tokenizers give; and exits with 1 where a bound is broken."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "fixtures"))
from tok_strings import string  # noqa: E402

QUERN, MODEL = sys.argv[1], Path(sys.argv[2])
STRINGS = int(sys.argv[sys.argv.index("--strings") + 1]) if "--strings" in sys.argv else 10000
BOUNDS = {"as-is": 0.9999, "bf16": 0.999, "f16": 0.9999, "q8_0": 0.998}
TEXTS = ["", "a", "Hello, world!", "The quick brown fox jumps over the lazy dog.", "Wie breit ist der Mühlbach? So.",
         "Ça va très bien, merci — à bientôt !", "¿Dónde está la biblioteca?", "Привет, мир! Как дела?", "今日は良い天気ですね。",
         "我想在苹果公司工作。", "한국어 문장입니다.", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก",
         "Γειά σου, κόσμε",
         "İstanbul'da ÇOK güzel bir gün", "1,234.56 + 7/8 = ½", "👩‍🚀 🚀 ✨ emoji", "def f(x):\treturn x * 2  # twice",
         "Antidisestablishmentarianism, floccinaucinihilipilification.", "x" * 99, "y" * 101, "É" * 30,
         "e\u0301a\u0308o\u0302",
         "The brook runs past the mill. " * 12, "Der Bach läuft an der Mühle vorbei, " * 12, "水は低きに流れる。" * 12]


def embed(model, texts, *options):
    """One text per call of -p would be slow, and a line cannot hold a line end: no text here has one."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("".join(t + "\n" for t in texts))
        f.flush()
        out = subprocess.run([QUERN, "embed", str(model), "-f", f.name, "--json", "--quiet", *options], check=True,
                             capture_output=True, text=True).stdout
    return np.array([json.loads(line)["embedding"] for line in out.splitlines()], np.float64)


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def reference(texts):
    import torch
    from transformers import AutoModel, AutoTokenizer
    torch.set_num_threads(2)
    tok, model = AutoTokenizer.from_pretrained(MODEL), AutoModel.from_pretrained(MODEL, dtype=torch.float32).eval()
    said = json.loads((MODEL / "1_Pooling" / "config.json").read_text())
    limit = json.loads((MODEL / "sentence_bert_config.json").read_text())["max_seq_length"]
    rows = []
    with torch.inference_mode():
        for t in texts:
            q = tok(t, return_tensors="pt", truncation=True, max_length=limit)
            h = model(**q).last_hidden_state[0]
            v = h[0] if said["pooling_mode_cls_token"] else h.mean(0)
            rows.append(torch.nn.functional.normalize(v, dim=-1).numpy())
    return np.array(rows, np.float64)


def llama_cpp(path, texts):
    from llama_cpp import LLAMA_POOLING_TYPE_UNSPECIFIED, Llama
    model = Llama(str(path), embedding=True, n_ctx=512, n_batch=512, n_ubatch=512, n_threads=2, verbose=False,
                  pooling_type=LLAMA_POOLING_TYPE_UNSPECIFIED)
    ids = [list(model.tokenize(t.encode(), add_bos=True, special=False)) for t in texts]
    return np.array([model.embed(t, normalize=True) for t in texts], np.float64), ids


def own_ids(path, text):
    return [int(x) for x in subprocess.run([QUERN, "tokenize", str(path), "--ids", text], check=True,
                                           capture_output=True, text=True).stdout.split()]


def check_strings():
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    t.no_truncation()
    t.no_padding()
    t.encode_special_tokens = True
    flat = str.maketrans({c: " " for c in "\n\0"})          # one text per line; both are blanks or nothing to BERT
    texts = [string(5, i).translate(flat).rstrip("\r") for i in range(STRINGS)]
    wrong = 0
    with tempfile.TemporaryDirectory() as d:
        path = Path(d) / "lines.txt"
        path.write_text("".join(x + "\n" for x in texts))
        out = subprocess.run([QUERN, "tokenize", str(MODEL), "-f", str(path), "--no-special", "--ids"], check=True,
                             capture_output=True, text=True).stdout
    got = [int(x) for x in out.split()]
    at = 0
    for text in texts:                                      # a line end separates words: ids simply follow one another
        want = t.encode(text, add_special_tokens=False).ids
        wrong += got[at:at + len(want)] != want
        at += len(want)
    print(f"{wrong} of {STRINGS} strings have other ids than Hugging Face's; {len(got) - at} ids too many")
    return wrong == 0 and len(got) == at


def main():
    fine = check_strings()
    want = reference(TEXTS)
    for weights, bound in BOUNDS.items():
        c = cosines(embed(MODEL, TEXTS, "--truncate", "--weights", weights), want).min()
        fine = fine and c >= bound
        print(f"--weights {weights}: cosine with transformers at least {c:.7f}, {bound} is asked for")
    with tempfile.TemporaryDirectory() as d:
        gguf, back = Path(d) / "model.gguf", Path(d) / "back"
        subprocess.run([QUERN, "convert", str(MODEL), str(gguf), "--quiet"], check=True)
        subprocess.run([QUERN, "convert", str(gguf), str(back), "--quiet"], check=True)
        own = embed(MODEL, TEXTS, "--truncate")
        same = all(np.array_equal(own, embed(m, TEXTS, "--truncate")) for m in (gguf, back))
        print("from GGUF and from the directory made of it: " + ("the same bits" if same else "other vectors"))
        fine = fine and same
        try:
            texts = TEXTS[1:24]                             # those that need no cutting
            theirs, ids = llama_cpp(gguf, texts)
            same = np.array([own_ids(gguf, t) == i for t, i in zip(texts, ids)])
            c = cosines(embed(gguf, texts, "--truncate"), theirs)[same]
            print(f"llama.cpp on that GGUF: cosine at least {c.min():.7f}; {len(texts) - same.sum()} of {len(texts)} "
                  "texts left out, which it tokenizes otherwise")
            fine = fine and c.min() >= 0.999
        except ImportError:
            print("llama-cpp-python is not here: not compared")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
