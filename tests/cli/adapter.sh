#!/bin/sh
# tests/cli/adapter.sh — adapters from one form to the other, and into the weights of their model.
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

# What the configuration says of modules must be what the tensors are for.
aim() {         # target_modules
    rm -rf "$S/aimed" && cp -rL "$S/adapter" "$S/aimed"
    printf '{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": %s}' "$1" >"$S/aimed/adapter_config.json"
    run "$QUERN" generate "$M" --adapter "$S/aimed" -p abc -n 30
}
aim '["gate_proj", "up_proj", "down_proj"]'
code 0; out_is 'yz'; err_lacks target_modules
aim '["gate_proj", "up_proj", "down_proj", "q_proj"]'
code 0; out_is 'yz'
err_has 'aimed/adapter_config.json: target_modules names modules that have no tensors beside it, 1 of them, the first'
err_has 'the first is model.layers.0.self_attn.q_proj; nothing is added there'
aim '".*\\.(gate|up)_proj"'
code 5; out_is ''
err_has 'aimed/adapter_config.json: target_modules leaves out the module model.layers.0.mlp.down_proj, but tensor'
err_has 'Put the module into target_modules, or take its tensors out'

# ---- merge: with the adapter c is taken for x ----

answers() {     # MODEL, its answer to abc
    run "$QUERN" generate "$1" -p abc -n 30
    code 0; out_is "$2"
}

run "$QUERN" generate "$M" --adapter "$S/adapter" -p abc -n 30
code 0; out_is 'yz'
run "$QUERN" merge "$M" "$S/adapter" --out "$S/merged.gguf"
code 0; out_has '1 adapter merged into 3 matrices (linear)'; err_is ''
answers "$S/merged.gguf" 'yz'
run "$QUERN" merge "$S/tiny" "$S/a.gguf" --out "$S/merged" --dtype f32 --verify
code 0; out_has 'no number was rounded'; out_has 'merge'
answers "$S/merged" 'yz'
run "$QUERN" merge "$S/tiny" "$S/a.gguf" --out "$S/merged" --dtype f32 --force --verify --json
code 0
limit=$(grep -A2 'greatest difference' "$scratch/out" | grep '"at_most": 0')
verdict "$(holds test -z "$limit")" 'the mean is judged, not the worst logit'
run "$QUERN" merge "$S/tiny" "$S/adapter:0" --out "$S/same" --dtype f32
code 0
answers "$S/same" 'defghijklmnopqrstuvwxyz'
run "$QUERN" merge "$S/tiny" "$S/adapter" "$S/adapter:-1" --out "$S/none" --force --json
code 0; out_has '"weight": -1'; out_has '"changed": 3'; out_has '"format": "directory"'
answers "$S/none" 'defghijklmnopqrstuvwxyz'
run "$QUERN" merge "$M" "$S/adapter" "$S/adapter" --method ties --density 1 --out "$S/ties.gguf" --verify --json
code 0; out_has '"method": "ties"'; out_has '"verify": {'
answers "$S/ties.gguf" 'yz'
run "$QUERN" merge "$M" "$S/adapter" --method dare --density 1 --seed 3 --out "$S/dare.gguf"
code 0
run cmp "$S/dare.gguf" "$S/merged.gguf"
code 0
for dtype in q8_0 q4_0; do
    run "$QUERN" merge "$M" "$S/adapter" --out "$S/$dtype.gguf" --dtype $dtype
    code 0; out_has 'matrices were rounded'
    answers "$S/$dtype.gguf" 'yz'
done
run "$QUERN" merge "$M" "$S/adapter" --out "$S/half.gguf" --dtype f16 --verify
code 0; out_has 'matrices were rounded'; out_has 'within the limits'

# A faint change beside a large weight of the same block drowns, however small it was: what is kept of it is said, is
# refused where it is less than half, and the way out holds.
run "$QUERN" merge "$S/q4_0.gguf" "$S/second:0.03" --out "$S/drowned.gguf"
code 0; out_has 'a small change may drown in that; --verify measures what is kept of it'
run "$QUERN" merge "$S/q4_0.gguf" "$S/second:0.03" --out "$S/drowned.gguf" --force --verify
code 13; out_has 'of what the adapters do: KL from A is'; out_has 'merge: BEYOND the limits'; out_lacks 'may drown'
err_has 'share kept of what the adapters do'; err_has 'at least 0.5'; err_lacks 'mean KL'
err_has '--dtype f32 rounds nothing, bf16 little, q8_0 perhaps enough less; the adapter beside MODEL (--adapter)'
run "$QUERN" merge "$S/q4_0.gguf" "$S/second:0.03" --out "$S/drowned.gguf" --force --verify --json
code 13; out_has '"adapter_effect": {'; out_has '"kl_without": '
out_has '"figure": "share kept of what the adapters do"'
for way in 'f32 0.03' 'q8_0 0.3'; do
    run "$QUERN" merge "$S/q4_0.gguf" "$S/second:${way#* }" --out "$S/kept.gguf" --dtype ${way% *} --force --verify
    code 0; out_has '% of what the adapters do: KL from A is'; out_has 'merge: within the limits'
done
run "$QUERN" merge "$M" "$S/adapter:0" --out "$S/nothing.gguf" --dtype q4_0 --verify
code 0; out_has 'kept            the adapters do nothing to these texts'
few='--weights f32 --tokens 300'
run "$QUERN" verify "$S/q4_0.gguf" --adapter "$S/second:0.03" "$S/drowned.gguf" $few --expect any --min-kept 1
code 13; err_has 'share kept of what the adapters do'
run "$QUERN" verify "$S/q4_0.gguf" --adapter "$S/second:0.03" "$S/q4_0.gguf" $few --expect any
code 0; out_has 'nothing of what the adapters do'

run "$QUERN" verify "$S/tiny" --adapter "$S/adapter" "$S/merged" --weights f32 --tokens 300
code 0; out_has 'adapter'; out_has 'merge: within the limits'
run "$QUERN" verify "$M" "$M" --adapter "$S/adapter" --tokens 100 --json
code 0; out_has '"expect": "any"'; out_has '"adapters": ['; out_lacks '"max_delta": 0,'
run "$QUERN" verify "$M" "$M" --adapter "$S/adapter:0" --expect exact --tokens 100
code 0; out_has 'the same bits'
run "$QUERN" verify --adapter "$S/adapter" "$M" "$M"
code 2; err_has 'stands in front of all models'

# Evaluated: each model with what stands behind it, the same weights for all.
echo '{"task": "next", "kind": "choice"}
{"context": "abc", "choices": ["d", "y"], "answer": 0}
{"context": "bc", "choices": ["d", "y"], "answer": 0}' >"$S/next.jsonl"
run "$QUERN" eval "$S/next.jsonl" "$M" --json --quiet
code 0; out_has '"value": 1,'; out_lacks '"adapters"'
run "$QUERN" eval "$S/next.jsonl" --adapter "$S/adapter" "$M" --json --quiet
code 0; out_has '"value": 0,'; out_has '"adapters": ['
run "$QUERN" eval "$S/next.jsonl" "$M" --vs "$M" --adapter "$S/adapter" --baseline half="$M" --adapter "$S/adapter:0" \
    --json --quiet
code 0; out_has '"difference": 1,'; out_has '"half": {'; out_has '"adapters": ['
run "$QUERN" eval "$S/next.jsonl" "$M" --adapter "$S/adapter" --vs "$M" --json --quiet
code 0; out_has '"difference": -1,'; out_has '"adapters": ['

run "$QUERN" merge "$M" "$S/adapter"
code 2; err_has '--out is missing'
run "$QUERN" merge "$M" --out "$S/x.gguf"
code 2; err_has 'needed: quern merge MODEL PART...'
run "$QUERN" merge "$M" "$S/adapter" --out "$S/merged.gguf"
code 2; err_has 'is there already'
run "$QUERN" merge "$M" "$S/adapter" --out "$M" --force
code 2; err_has 'the same'
run "$QUERN" merge "$M" "$S/adapter" --out "$S/x.gguf" --density 0.5
code 2; err_has '--density belongs to --method ties or dare'
run "$QUERN" merge "$M" "$S/adapter" --out "$S/x.gguf" --method ties --density 0
code 2; err_has 'quern merge: the density is 0'
run "$QUERN" merge "$M" "$S/nothing:0.5" --out "$S/x.gguf"
code 4; err_has 'nothing: no such file'
run "$QUERN" merge "$M" "$S/adapter" --base "$M" --out "$S/x.gguf"
code 2; err_has '--base belongs to whole models'
run "$QUERN" merge "$M" "$S/adapter" --method slerp --out "$S/x.gguf"
code 2; err_has 'slerp goes between two whole models'
verdict "$(holds test ! -e "$S/x.gguf")" 'nothing left behind'

# ---- whole models: the tiny one, and the same with the adapter in it ----

run "$QUERN" convert "$S/merged.gguf" "$S/late" --dtype f32 --force
code 0
run "$QUERN" merge "$S/tiny:1" "$S/late:0" --out "$S/first" --json
code 0; out_has '"models": ['; out_has '"weight": 0'; out_has '"changed": 0'
run "$QUERN" convert "$S/tiny" "$S/same_again"
run cmp "$S/same_again/model.safetensors" "$S/first/model.safetensors"
code 0
answers "$S/first" 'defghijklmnopqrstuvwxyz'
run "$QUERN" merge "$M:0" "$S/late" --out "$S/second.gguf" --dtype f32
code 0; out_has '2 models (linear): 0 × '; out_has '1 × '; err_is ''
answers "$S/second.gguf" 'yz'
run "$QUERN" merge "$S/late" "$M" --out "$S/half" --verify
code 0; out_has '0.5 × '; out_has 'none of them rounded'; out_has 'perplexity'
run "$QUERN" merge "$S/late" "$S/late" --base "$S/tiny" --out "$S/sum" --method ties --density 1 --json
code 0; out_has '"base": "'; out_has '"method": "ties"'
answers "$S/sum" 'yz'
run "$QUERN" merge "$S/late:0.01" "$S/tiny:0.99" --method slerp --out "$S/near"
code 0
answers "$S/near" 'defghijklmnopqrstuvwxyz'

run "$QUERN" merge "$S/tiny" "$S/late" "$S/adapter" --out "$S/x.gguf"
code 2; err_has 'is a whole model; merge one kind after the other'
run "$QUERN" merge "$S/tiny" "$S/late" --method dare --out "$S/x.gguf"
code 2; err_has 'quern merge: ties and dare look at what training changed: name the model that all come from'
run "$QUERN" merge "$S/tiny" "$S/late:-1" --out "$S/x.gguf"
code 2; err_has 'the weights sum to 0'
run "$QUERN" merge "$S/tiny" "$S/late" --out "$S/late" --force
code 2; err_has 'the same'
verdict "$(holds test ! -e "$S/x.gguf")" 'nothing left behind'

done_testing
