#!/bin/sh
# tests/cli/adapter.sh — adapters from one form to the other.
. "$(dirname "$0")/lib.sh"
tiny

run "$QUERN" convert "$S/adapter" "$S/a.gguf" --model "$M"
code 0; out_has 'LoRA adapter for llama, 3 pairs of rank 1'; err_is ''
run "$QUERN" convert "$S/a.gguf" "$S/back" --model "$S/tiny" --json
code 0; out_has '"format": "directory"'; out_has '"pairs": 3'; out_has '"dora": false'
run grep -o '"base_model_name_or_path": "its/base"' "$S/back/adapter_config.json"
code 0
verdict "$(holds test -s "$S/back/adapter_model.safetensors")" 'written'

# What is refused, before anything is touched.
run "$QUERN" convert "$S/adapter" "$S/b.gguf"
code 2; err_has 'is an adapter for "its/base", which is not here; --model MODEL says which model it belongs to'
run "$QUERN" convert "$S/adapter" "$S/a.gguf" --model "$M"
code 2; err_has 'is there already'; err_has '--force'
run "$QUERN" convert "$S/adapter" "$S/a.gguf" --model "$M" --force
code 0
run "$QUERN" convert "$S/adapter" "$S/adapter" --model "$M"
code 2; err_has 'the same'
run "$QUERN" convert "$S/adapter" "$S/b.gguf" --model "$M" --dtype f16
code 2; err_has 'an adapter is written in f32'
run "$QUERN" convert "$S/tiny" "$S/b.gguf" --model "$M"
code 4; err_has 'neither adapter_config.json nor a run'
run "$QUERN" convert "$S/alone" "$S/b.gguf" --model "$M"
code 4; err_has 'alone: no such file'
verdict "$(holds test ! -e "$S/b.gguf")" 'nothing left behind'

done_testing
