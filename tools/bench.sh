#!/bin/sh
# tools/bench.sh QUERN — measures this machine: every kernel against its peak, then a real model end to end.
set -e
quern=$1
model=build/models/SmolLM2-135M-Instruct.Q4_1.gguf
"$quern" bench kernels
if [ -f "$model" ]; then
    "$quern" bench "$model"
else
    echo "no model yet: 'make demo' fetches one"
fi
