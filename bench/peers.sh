#!/bin/sh
# bench/peers.sh [FOLDER] — what quern is measured beside, from package registries, in an environment of its own
# (build/bench/peers); the scripts of compare/ use it where they are not told of another. torch comes first and alone:
# what depends on it would fetch a build for other hardware. llama-cpp-python is built for this machine, which takes
# minutes.
set -eu
folder=${1:-build/bench/peers}
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
add() { "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
add torch==2.13.0
add transformers==5.24.0 trl==1.16.0 peft==0.21.2 accelerate datasets safetensors numpy
add tokenizers tiktoken==0.14.0 gguf==0.19.0
add 'llama-cpp-python[server]==0.3.36'
"$folder/bin/python" -m pip list --disable-pip-version-check 2>/dev/null |
    grep -E '^(torch|transformers|trl|peft|tokenizers|tiktoken|llama_cpp_python|gguf) '
