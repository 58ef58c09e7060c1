#!/bin/sh
# tools/bench.sh QUERN — measures this machine: every kernel against its peak, then a real model end to end; beside
# llama.cpp where LLAMA_BIN names the folder of its programs (bench/README.md).
set -e
quern=$1
model=build/models/SmolLM2-135M-Instruct.Q4_1.gguf
"$quern" bench kernels
if [ -f "$model" ]; then
    "$quern" bench "$model"
    if [ -n "${LLAMA_BIN:-}" ]; then
        python3 bench/compare/inference.py --quern "$quern" --model "$model" --peer "llama.cpp=$LLAMA_BIN"
    fi
else
    echo "no model yet: 'make demo-chat' fetches one"
fi
