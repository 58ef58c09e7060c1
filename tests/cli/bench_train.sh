#!/bin/sh
# tests/cli/bench_train.sh — bench train: what it says of a step, where the time goes, what it refuses. No time is
# asserted.
. "$(dirname "$0")/lib.sh"

tiny='--dim 32 --layers 1 --heads 2 --ff 64 --vocab 64 --batch 2 --context 16 --repeat 2 --threads 2'
bench() { run "$QUERN" bench train $tiny "$@"; }

bench
code 0; err_is ''; out_has 'llama, 0.01 M parameters, 2 rows of 16 tokens, compute '; out_has ', 2 threads'
out_has 'tokens/s  '; out_has ' ms a step, '; out_has ' of them the update'; out_has ' of the peak of '
out_has 'memory    peak '; out_has '; 0 allocations in 2 steps'; out_lacks 'GB/s'; out_lacks 'xent'

# Where the time goes: bytes and operations where they are known, waiting beside them; what did not run is no line.
bench --profile --recompute layers
code 0; out_has 'wait'; out_has 'GB/s'; out_has 'G ops'; out_has 'G/s'; out_has 'calls'
for part in 'linear        forward ' 'linear        backward ' 'rmsnorm       again ' 'attention     backward ' \
    'xent          backward ' 'all                      '; do
    out_has "$part"
done
out_lacks 'xent          forward'; out_lacks 'nan'; out_lacks 'inf'
bench --profile --recompute none
code 0; out_lacks ' again '; out_has 'glu           backward '

bench --json --compute f32 --optimizer muon --recompute none --isa scalar
code 0; err_is ''
for member in '"architecture": "llama"' '"dim": 32,' '"layers": 1,' '"heads": 2,' '"kv_heads": 2,' '"ff": 64,' \
    '"vocab": 64' '"batch": 2,' '"context": 16,' '"compute": "f32"' '"recompute": "none"' '"optimizer": "muon"' \
    '"isa": "scalar"' '"threads": 2,' '"repeat": 2,' '"tokens_per_second": ' '"least": ' '"most": ' '"step_ms": ' \
    '"update_ms": ' '"gops": ' '"share": ' '"peak_bytes": ' '"allocations": 0' '"f32_gops": ' '"bf16_gops": 0' \
    '"int8_gops": 0'; do
    out_has "$member"
done
# What was not measured is not there.
out_lacks 'memory_gbytes'; out_lacks 'l2_gbytes'; out_lacks '"ops"'; out_lacks '"wait"'
bench --json --profile
code 0; out_has '"op": "linear"'; out_has '"part": "backward"'; out_has '"wait": '; out_has '"bytes": '
out_has '"operations": '; out_has '"calls": '
# Bytes of all operations but attention.
run sh -c '"$0" bench train "$@" --json --profile | grep -A4 "\"op\": \"attention\""' "$QUERN" $tiny
code 0; out_has '"wait": '; out_lacks '"bytes": '

# Of two steps the middle one is between them: their mean, by the time.
run sh -c '"$0" bench train "$@" --json' "$QUERN" $tiny
awk -F'[:,]' '/"tokens_per_second"/ {m = $2} /"least"/ {l = $2} /"most"/ {h = $2}
    END {w = 2 / (1 / l + 1 / h); exit !(m > 0.999 * w && m < 1.001 * w)}' "$scratch/out"
verdict "$(holds test $? -eq 0)" 'the median of two steps is their mean'

# One more family, several documents in a row, a window.
run "$QUERN" bench train --shape gpt2-124m $tiny
code 0; out_has 'gpt2, '
bench --documents 4 --window 4 --optimizer sgd --repeat 1
code 0; out_has '0 allocations in 1 step'

bench --shape llama-2m
code 2; out_is ''; err_has 'llama-1m|llama-15m|gpt2-124m|smollm2-135m'
bench --heads 5
code 2; out_is ''; err_has '5'
bench --layers 0
code 2; out_is ''; err_has '--layers'
bench --repeat 0
code 2; out_is ''; err_has '--repeat'
bench --context 1
code 2; out_is ''; err_has '--context'
bench --batch two
code 2; out_is ''; err_has '--batch'
bench --recompute everything
code 2; out_is ''; err_has 'none|cheap|layers'
bench --optimizer lion
code 2; out_is ''; err_has 'adamw|muon|sgd'
bench model.gguf
code 2; out_is ''; err_has 'model.gguf'

done_testing
