#!/bin/sh
# tests/cli/convert.sh — models from one form to the other; what they answer stays the same.
. "$(dirname "$0")/lib.sh"
tiny

answers() {     # MODEL: it still knows the alphabet
    run "$QUERN" generate "$1" -p abc -n 30
    code 0; out_is 'defghijklmnopqrstuvwxyz'
}

run "$QUERN" convert "$M" "$S/hf"
code 0; out_has 'every number is what it was'; out_has '0.6 M parameters in 12 tensors'; err_is ''
answers "$S/hf"
run "$QUERN" info "$S/hf"
code 0; out_has 'LlamaForCausalLM'; out_has 'chat template   yes'; out_has 'EOS             2 "<|im_end|>"'
run "$QUERN" convert "$S/hf" "$S/back.gguf"
code 0; out_has 'every number is what it was'; err_is ''
answers "$S/back.gguf"
run "$QUERN" info "$S/back.gguf" --metadata
code 0; out_has 'tokenizer.ggml.pre'; out_has 'tokenizer.huggingface.json'
run "$QUERN" convert "$S/tiny" "$S/from.gguf"
code 0; out_has 'bf16'; out_has 'every number is what it was'
answers "$S/from.gguf"
for dtype in f32 f16 bf16 q8_0 q4_0 q4_1; do
    run "$QUERN" convert "$S/hf" "$S/$dtype.gguf" --dtype $dtype
    code 0; out_has ", $dtype, "
    answers "$S/$dtype.gguf"
done
run "$QUERN" convert "$S/hf" "$S/json.gguf" --dtype q8_0 --json
code 0; out_has '"format": "gguf"'; out_has '"dtype": "q8_0"'; out_has '"parameters": 593568'; out_has '"matrices": 9'
run "$QUERN" convert "$M" "$S/half" --dtype f16
code 0; out_has 'matrices were rounded'
answers "$S/half"

# A tokenizer of two forms is one: the same ids for the same text.
run "$QUERN" tokenize "$S/hf" --ids 'the <|im_end|> é'
code 0; ids=$(cat "$scratch/out")
for model in "$M" "$S/back.gguf" "$S/half"; do
    run "$QUERN" tokenize "$model" --ids 'the <|im_end|> é'
    code 0; out_is "$ids"
done

# What is refused, before anything is touched.
run "$QUERN" convert "$M" "$S/hf"
code 2; err_has 'is not empty'; err_has '--force'; out_is ''
run "$QUERN" convert "$S/hf" "$S/back.gguf"
code 2; err_has 'is there already'
run "$QUERN" convert "$S/hf" "$S/back.gguf" --force --dtype f16
code 0
run "$QUERN" convert "$M" "$M" --force
code 2; err_has 'the same'
run "$QUERN" convert "$S/hf" "$S/hf/" --force
code 2; err_has 'the same'
run "$QUERN" convert "$M" "$S/x" --dtype q8_0
code 2; err_has 'a directory holds f32, f16 or bf16'
run "$QUERN" convert "$M" "$S/x" --dtype q5_k
code 2; err_has 'as-is|f32|f16|bf16|q8_0|q4_0|q4_1'
run "$QUERN" convert "$M" "$S/x.safetensors"
code 2; err_has 'ends in .gguf, or a directory'
run "$QUERN" convert "$M"
code 2; err_has 'needed: quern convert IN OUT'
run "$QUERN" convert "$S/nothing" "$S/x"
code 4; err_has 'nothing'
run "$QUERN" convert "$S/alien.gguf" "$S/x"
code 6; err_has 'not known here'
run "$QUERN" convert "$S/unread.gguf" "$S/x"
code 6; err_has 'IQ2_XXS'; err_has 'make a Q4_K_M or Q8_0 of the original with llama-quantize'
run "$QUERN" convert "$S/missing.gguf" "$S/x"
code 4; err_has 'tensor'
run "$QUERN" convert "$S/extra.gguf" "$S/extra"
code 5; err_has '264 tokens'
run "$QUERN" convert "$M" "$S/no/such/x.gguf"
code 4; err_has 'cannot create'
verdict "$(holds test ! -e "$S/x")" 'nothing left behind'

done_testing
