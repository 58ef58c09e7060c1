"""check_checkpoint.py QUERN CHECKPOINT [PROMPT] — a checkpoint as the rest of the world reads it.

Opens it with transformers (model and tokenizer), feeds the prompt and what `quern generate` answered to it, and
compares the log-probabilities of every token of the answer and of its likeliest rivals; then converts it to GGUF F32,
has quern answer with that, and says how llama.cpp is asked. A developer's tool (torch, transformers): no test needs it.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TOKENS, RIVALS, TOLERANCE = 12, 20, 2e-4


def answer(quern, model, prompt):
    command = [quern, "generate", model, "-p", prompt, "--tokens", str(TOKENS), "--ignore-eos", "--json",
               "--logprobs", str(RIVALS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def largest_difference(theirs, said):
    """Of all log-probabilities that quern gave, row by row."""
    worst = 0.0
    for row, token in zip(theirs, said["logprobs"]):
        for rival in token["top"] + [token]:
            worst = max(worst, abs(float(row[rival["id"]]) - rival["logprob"]))
    return worst


def main():
    quern, checkpoint = sys.argv[1], sys.argv[2]
    prompt = sys.argv[3] if len(sys.argv) > 3 else "The miller of"
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    ids = tokenizer(prompt)["input_ids"]
    ours = subprocess.run([quern, "tokenize", checkpoint, prompt, "--ids"], check=True, capture_output=True, text=True)
    assert [int(i) for i in ours.stdout.split()] == ids, f"other ids: {ours.stdout} {ids}"
    said = answer(quern, checkpoint, prompt)
    with torch.no_grad():
        logits = model(torch.tensor([ids + said["tokens"]])).logits[0].double()
    theirs = torch.log_softmax(logits, dim=-1)[len(ids) - 1:-1]
    worst = largest_difference(theirs, said)
    greedy = [int(row.argmax()) for row in theirs]
    print(f"{type(model).__name__}, {sum(p.numel() for p in model.parameters())} parameters: {said['model']}")
    print(f"{prompt!r} goes on {said['text']!r}; greedy choices agree: {greedy == said['tokens']}")
    print(f"log-probabilities of {len(theirs)} tokens and {RIVALS} rivals each differ by at most {worst:.2e}")
    with tempfile.TemporaryDirectory() as folder:
        gguf = pathlib.Path(folder, "model.gguf")
        subprocess.run([quern, "convert", checkpoint, str(gguf)], check=True, capture_output=True)
        again = answer(quern, str(gguf), prompt)
        print(f"as GGUF: the same {again['tokens'] == said['tokens'] and again['logprobs'] == said['logprobs']}")
    print(f"llama.cpp: `{quern} convert {checkpoint} model.gguf`, "
          f"then `llama-cli -m model.gguf -p {prompt!r} --temp 0`")
    return 0 if worst < TOLERANCE and greedy == said["tokens"] else 1


if __name__ == "__main__":
    sys.exit(main())
