#!/bin/sh
# tests/cli/real_model.sh — SmolLM2-135M-Instruct, where QUERN_MODELS names a folder that has its GGUF.
. "$(dirname "$0")/lib.sh"
model=
for file in "${QUERN_MODELS:-}"/SmolLM2-135M-Instruct*.gguf; do [ -f "$file" ] && model=$file; done
[ -n "$model" ] || { echo 'skipped: QUERN_MODELS names no folder with SmolLM2-135M-Instruct'; exit 77; }

run "$QUERN" info "$model"
code 0; out_has 'parameters      134.5 M'; out_has '9 query, 3 key'; out_has 'BOS             1 "<|im_start|>", not'
# The ids and the answer of transformers.
run "$QUERN" tokenize "$model" --ids 'What is the capital of France?'
code 0; out_is '1780 314 260 3575 282 4649 47'
run "$QUERN" generate "$model" --weights f32 --chat -p 'What is the capital of France?' -n 16
code 0; out_is 'The capital of France is Paris.'; err_has 'prompt 37 tokens'; err_has 'stopped by eos'
run "$QUERN" chat "$model" --weights f32 --temp 0 -p 'What is the capital of France?'
code 0; out_is 'The capital of France is Paris.'

# Memory: never above 1.15 × the file, keys and values, and 64 MB (sanitizers take their own).
number() { sed -n "s/.*\"$1\": \([0-9][0-9]*\).*/\1/p" "$scratch/out" | head -1; }
for dtype in as-is q8_0 bf16; do
    file=$model
    [ $dtype = as-is ] || { file=$scratch/$dtype.gguf; run "$QUERN" convert "$model" "$file" --dtype $dtype; code 0; }
    size=$(($(wc -c <"$file")))
    run "$QUERN" bench "$file" --prompt 64 --gen 4 --repeat 1 --json
    code 0
    most=$((size * 115 / 100 + $(number kv) + 64000000))
    grep -q -e __asan_init -e __tsan_init "$QUERN" ||
        verdict "$(holds test "$(number peak)" -le $most)" "$dtype: at most $most bytes"
done

done_testing
