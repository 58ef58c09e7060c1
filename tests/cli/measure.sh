#!/bin/sh
# tests/cli/measure.sh — eval ppl, bench, bench kernels, selftest: what they say and refuse. No time is asserted.
# full: WHOLE=1
. "$(dirname "$0")/lib.sh"
tiny

# The model knows the alphabet: windows of 26 letters hold no surprise in their second half, others do.
alphabet=abcdefghijklmnopqrstuvwxyz
printf '%s%s%s' $alphabet $alphabet $alphabet >"$S/known"
printf 'qqqqxxxxqqqqxxxxqqqqxxxxqqqqxxxx' >"$S/unknown"
run "$QUERN" eval ppl "$M" -f "$S/known" --ctx 26
code 0; out_has 'perplexity 1.0000 ± 0.0000'; out_has '36 tokens scored in 3 windows of 26 (half) out of 78'
run "$QUERN" eval ppl "$M" -f "$S/known" --ctx 26 --windows 2 --json --kv f32 --weights f32 --threads 1
code 0; err_is ''; out_has '"tokens": 24,'; out_has '"windows": 2,'; out_has '"ppl": 1.0000'; out_has '"stderr": '
out_has '"protocol": "half"'; out_has '"ctx": 26,'; out_has '"kv": "f32"'; out_has '"weights": "f32"'
out_has '"isa": "'; out_has '"model": "llama, 0.6 M parameters'
run "$QUERN" eval ppl "$M" -f "$S/known" --ctx 26 --protocol full --max-bytes 53
code 0; out_has '50 tokens scored in 2 windows of 26 (full) out of 53'
run "$QUERN" eval ppl "$M" -f "$S/unknown" --ctx 16
code 0; out_lacks 'perplexity 1.'
# A BOS in front of the whole text, once.
run "$QUERN" eval ppl "$S/bos.gguf" -f "$S/known" --ctx 26 --windows 1 --protocol full
code 0; out_has '25 tokens scored in 1 windows of 26 (full) out of 79'
run sh -c '"$QUERN" eval ppl "$M" -f - --ctx 26 <"$S/known"'
code 0; out_has 'perplexity 1.0000'

run "$QUERN" eval ppl "$M" -f "$S/unknown"
code 2; out_is ''; err_has 'the text has 32 tokens, one window 512'
run "$QUERN" eval ppl "$M"
code 2; err_has '-f FILE'
run "$QUERN" eval ppl "$M" -f "$S/absent"
code 4; err_has 'absent'
run "$QUERN" eval ppl "$M" -f "$S/known" --protocol third
code 2; err_has 'half|full'
printf 'abc\377def' >"$S/bytes"
run "$QUERN" eval ppl "$M" -f "$S/bytes" --ctx 4
code 9; err_has 'byte 3'
# Cutting inside a character leaves it out.
printf 'aé%s' $alphabet >"$S/accent"
run "$QUERN" eval ppl "$M" -f "$S/accent" --ctx 3 --max-bytes 2
code 2; err_has 'the text has 1 tokens'
# Without --ctx a model made for less than 512 tokens gets windows of its own length, and that is said.
cp -r "$S/tiny" "$S/brief"
sed 's/"max_position_embeddings": *[0-9]*/"max_position_embeddings": 26/' "$S/tiny/config.json" >"$S/brief/config.json"
run "$QUERN" eval ppl "$S/brief" -f "$S/known"
code 0; out_has 'in 3 windows of 26 (half) out of 78'; err_has 'windows of 26 tokens: the model was made for no more'
run "$QUERN" eval
code 2; err_has 'quern eval TASK MODEL'

run "$QUERN" bench "$M" --prompt 32 --gen 4 --depth 20 --batch 2 -r 2 --profile
code 0; out_has 'prefill 32 '; out_has 'decode 4 × 2 '; out_has 'depth 20, median of 2'; out_has 'GB/s'
out_has 'memory    peak'; out_has 'start  '; out_has '  attention '; out_has '0.00 allocations'
out_has ' a layer'; out_has 'wait'; out_has 'M ops'
run "$QUERN" bench "$M" --prompt 0 --gen 4 -r 1 --json --threads 1 --profile
code 0; out_has '"decode": {'; out_lacks '"prefill": {'; out_has '"threads": 1,'; out_has '"first_token": '
out_has '"barriers_per_layer": '; out_has '"wait": '; out_has '"ops_per_token": '; out_has '"bytes_per_token": '
out_has '"decode_allocations": 0,'; out_has '"memory_gbytes": '; out_has '"bound_by": "'
# One thread by itself waits for nobody.
out_has '"barriers_per_step": 0,'
run "$QUERN" bench "$M" --prompt 0 --gen 4 -r 1 --threads 1
code 0; out_has 'per step  0 barriers, 0.0 a layer'
run "$QUERN" bench "$M" --prompt 0 --gen 4 -r 1 --json --threads 2
code 0; out_lacks '"barriers_per_step": 0,'
# The limits are those of the instructions in use.
run "$QUERN" bench "$M" --prompt 4 --gen 0 -r 1 --json --isa scalar --threads 1
code 0; out_has '"bf16_gops": 0,'; out_has '"int8_gops": 0,'; out_lacks '"isa": "avx'
run "$QUERN" bench "$M" --prompt 4 --gen 0 -r 1 --isa scalar --threads 1
code 0; out_has ', no bf16, no int8 G operations/s; memory '
run "$QUERN" bench "$M" --prompt 0 --gen 0
code 2; out_is ''; err_has '--prompt 0 --gen 0 leaves nothing to measure'
run "$QUERN" bench kernel
code 2; out_is ''; err_has 'did you mean `quern bench kernels`?'
run "$QUERN" bench trian
code 2; err_has 'did you mean `quern bench train`?'
run "$QUERN" bench "$S/absent"
code 4
run "$QUERN" bench
code 2; err_has 'MODEL'

run "$QUERN" bench kernels --filter rmsnorm --seconds 0.001 --threads 1
code 0; out_has 'G operations/s'; out_has 'rmsnorm'; out_lacks 'attn'; out_lacks 'qn_linear'
run "$QUERN" bench kernels --filter 'linear_grad_f32 352' --seconds 0.001 --threads 1
code 0; out_has '4096 rows, 352 x 128'; out_lacks 'linear_dx'
run "$QUERN" bench kernels --filter 'xent_grad_f32 0.9 M' --seconds 0.001 --threads 1
code 0; out_has 'xent_grad_f32'; out_lacks 'linear'
run "$QUERN" bench kernels --filter 'LINEAR_GRAD_F32 352X128 0.9 m' --seconds 0.001 --threads 1
code 0; out_has '4096 rows, 352 x 128'; out_lacks 'linear_dx'
for level in scalar avx2; do
    run "$QUERN" version --json --isa $level
    if grep -qF "\"isa\": \"$level\"" "$scratch/out"; then
        run "$QUERN" bench kernels --isa $level --filter rmsnorm_grad --seconds 0.001 --threads 1 --json
        code 0; out_has "\"isa\": \"$level\""; out_has '"bf16_gops": 0,'; out_lacks '"isa": "avx512'
    fi
done
run "$QUERN" bench kernels --filter nothing-like-it --seconds 0.001
code 2; err_has 'matches nothing'
if [ "${QUERN_CPU:-}" != scalar ]; then         # seconds per product
    run "$QUERN" bench kernels --filter 'q4_0 head' --seconds 0.001 --threads 1 --json
    code 0; out_has '"row": "qn_linear_q4_0_'; out_has '"N": 49152,'; out_lacks 'GPT-2'; out_has '"memory_gbytes": '
    out_has '"gops_share": '
    # Shapes as they are printed, N first, and as who thinks of x times W says them: all these words at once.
    run "$QUERN" bench kernels --filter 'gpt-2 3072X768 768x3072 3072 x 768 LINEAR_Q4_0' --seconds 0.001 --json
    code 0; out_has '"N": 3072,'; out_has '"K": 768,'; out_lacks '"N": 576,'; out_lacks '"N": 5632,'
    run "$QUERN" bench kernels --filter 'q4_0 1.1b 2048x5632' --seconds 0.001 --threads 2
    code 0; out_has '   5632   2048 '; out_lacks '   2048   2048 '
fi

# All of it takes seconds, and test_kernels_*.c and test_house_checks.c have each check by itself: here one of a kind.
if [ "${WHOLE:-0}" = 1 ]; then
    run "$QUERN" selftest all
    code 0; out_has 'products '; out_has 'attention '; out_has 'tokenizer '; out_has ' cases, 0 failures'
    run "$QUERN" selftest --json
    code 0; out_has '"failures": 0'; out_lacks '"tokenizer"'
fi
run "$QUERN" selftest all --filter to
code 0; out_has 'tokenizer '; out_lacks 'products '; out_lacks 'threads '; out_has ' cases, 0 failures'
run "$QUERN" selftest --isa scalar --filter rows --json
code 0; out_has '"isa": "scalar"'; out_has '"name": "rows"'; out_has '"failures": 0'; out_lacks '"name": "attention"'
run "$QUERN" selftest kernels --isa scalar --filter rows
code 0; out_has 'levels up to scalar'; out_has 'rows '
run "$QUERN" selftest kernels --filter tokenizer
code 2; out_is ''; err_has '--filter tokenizer matches nothing in `quern selftest kernels`'
run "$QUERN" selftest kernel
code 2; err_has 'did you mean kernels?'

done_testing
