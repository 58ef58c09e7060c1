#!/bin/sh
# tests/cli/verify.sh — two models side by side: what passes, what does not, what cannot be compared; and --verify.
. "$(dirname "$0")/lib.sh"
tiny
few="--tokens 300 --threads 1"       # each text its share of them

# A model and itself.
run "$QUERN" verify "$M" "$M" $few
code 0; out_has 'logits          the same bits in all'; out_has 'exact: within the limits'; out_has '× 1.00000'
out_has 'continuations   all 8 go the same way for 32 tokens'; err_is ''
run "$QUERN" verify "$M" "$M" --json $few
code 0; out_has '"format": "quern-verify-1"'; out_has '"verdict": "within the limits"'; out_has '"max_delta": 0,'
out_has '"top1": 1,'; out_has '"fingerprint": "'; out_has '"figure": "rows of the same bits"'; out_has '"facts": []'
"$QUERN" verify "$M" "$M" $few --json | grep -v seconds >"$S/again"
grep -v seconds "$scratch/out" >"$S/first"
run cmp "$S/first" "$S/again"
code 0

# Another form of the same numbers, as numbers; and as what they multiply as.
run "$QUERN" convert "$M" "$S/hf" --verify
code 0; out_has 'every number is what it was'; out_has 'the same bits'; out_has 'exact: within the limits'
run "$QUERN" verify "$S/tiny" "$M" --expect exact $few
code 13; out_has 'exact: BEYOND the limits'; err_has 'rows of the same bits 0, at least 1'
run "$QUERN" verify "$M" "$S/hf" --expect exact --weights f32 $few
code 0
run "$QUERN" verify "$S/tiny" "$M" --expect any $few
code 0; out_lacks 'limits'

# Quantized: within the limits of that, and beyond those of a user.
run "$QUERN" convert "$S/hf" "$S/q8.gguf" --dtype q8_0 --verify
code 0; out_has 'matrices were rounded'; out_has 'quantize: within the limits'
run "$QUERN" convert "$S/hf" "$S/json.gguf" --dtype q8_0 --verify --json
code 0; out_has '"verify": {'; out_has '"expect": "quantize"'; out_has '"kept": true'
run "$QUERN" verify "$S/hf" "$S/q8.gguf" --max-delta 1e-9 $few
code 13; err_has 'greatest difference of a logit'; err_has 'at most 1e-09'
run "$QUERN" verify "$S/hf" "$S/q8.gguf" --data 'the cat and the dog' --json $few
code 0; out_has '"text": "given"'

# Damaged: blocks whose scale is no number.
cp "$S/q8.gguf" "$S/bad.gguf"
size=$(wc -c <"$S/bad.gguf")
head -c 20000 /dev/zero | tr '\000' '\377' | dd of="$S/bad.gguf" bs=1 seek=$((size - 60000)) conv=notrunc 2>/dev/null
run "$QUERN" verify "$S/hf" "$S/bad.gguf" $few
code 13; err_has 'rows that are no numbers'; out_has 'quantize: BEYOND the limits'
run "$QUERN" verify "$S/hf" "$S/bad.gguf" --json $few
code 13; out_has '"verdict": "beyond the limits"'; out_has '"kept": false'

# Another vocabulary, and what is wrong with a command line.
run "$QUERN" verify "$M" "$S/bos.gguf" $few
code 13; err_has 'equal chat template 0, at least 1'
printf '%s' '{"added_tokens":[],"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}}' >"$S/hf/tokenizer.json"
run "$QUERN" verify "$M" "$S/hf" $few
code 13; err_has 'different tokenizers: id 0 is "<|endoftext|>"'; out_is ''
run "$QUERN" verify "$M" $few
code 2
run "$QUERN" verify "$M" "$M" --data nothere.txt $few
code 4; err_has 'no such file'
run "$QUERN" verify "$M" "$M" --world "$S"
code 4; err_has 'no folder eval'
run "$QUERN" verify "$M" "$M" --ctx 100000
code 8; err_has 'the model was made for'
run "$QUERN" verify "$M" "$M" --expect same $few
code 2; err_has 'any|exact|merge|convert|quantize'
done_testing
