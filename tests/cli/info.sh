#!/bin/sh
# tests/cli/info.sh — what is said about models, also about those that cannot be run.
. "$(dirname "$0")/lib.sh"
tiny

run "$QUERN" info "$M"
code 0; err_is ''
out_has 'architecture    llama'
out_has 'layers          1'
out_has 'heads           9 query, 3 key and value, 32 wide'
out_has 'vocabulary      261'
out_has 'context         512 tokens'
out_has 'BOS             1 "<|im_start|>", not added'
out_has 'EOS             2 "<|im_end|>"'
out_has 'chat template   yes'
out_has 'of KV per 1000 tokens'; out_has '; q8_0: 204.0 kB)'
out_lacks 'blk.0'
run "$QUERN" info "$S/bos.gguf"
code 0; out_has 'BOS             1 "<|im_start|>", added'; out_has 'chat template   no'
run "$QUERN" info "$S/tiny"
code 0; out_has 'Hugging Face directory'; out_has 'LlamaForCausalLM'; out_has 'sampling        temperature 0.5, top_k 3'
run "$QUERN" info "$S/tiny/tokenizer.json"
code 0; out_has 'BPE, 261 tokens'; out_lacks 'memory'

# The numbers: 2 tables of 261·288, q and o of 288·288, k and v of 96·288, three of 256·288, three norms of 288.
run "$QUERN" info "$M" --json
code 0; out_has '"parameters": 593568'; out_has '"supported": true'; out_has '"kv_heads": 3'; out_has '"tied": false'
run "$QUERN" info "$M" --tensors
code 0; out_has 'F16    288 × 256  blk.0.ffn_down.weight'
run "$QUERN" info "$M" --metadata
code 0; out_has 'llama.context_length = 512'; out_has 'more"]'
run "$QUERN" info "$M" --metadata --tensors --json
code 0; out_has '"llama.context_length": 512'; out_has '"name": "blk.0.ffn_down.weight"'

# Described although it cannot be run.
run "$QUERN" info "$S/alien.gguf"
code 0; out_has 'architecture    alien'; out_has 'cannot be run'; out_has 'BPE, 261 tokens'; out_has '12 tensors'
run "$QUERN" info "$S/unread.gguf"
code 0; out_has 'IQ2_XXS 12.4 % (not supported)'; out_has 'cannot be run'; out_has 'blk.0.ffn_down.weight'
out_has 'make a Q4_K_M or Q8_0 of the original with llama-quantize'
run "$QUERN" info "$S/unread.gguf" --json
code 0; out_has '"supported": false'

# Another family, by its configuration alone.
mkdir "$scratch/gpt2"
echo '{"architectures": ["GPT2LMHeadModel"], "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}' \
    >"$scratch/gpt2/config.json"
run "$QUERN" info "$scratch/gpt2"
code 0; out_has 'width           768, feed-forward 3072'; out_has 'vocabulary      50257, head tied to it'
out_has 'context         1024 tokens, learned positions'
run "$QUERN" info "$scratch/gpt2" --json
code 0; out_has '"rope_base": null'

# What is no model at all.
mkdir "$scratch/empty"
run "$QUERN" info "$scratch/empty"
code 4; err_has 'config.json'
head -c 20000 "$M" >"$scratch/cut.gguf"
run "$QUERN" info "$scratch/cut.gguf"
code 5; err_has 'cut.gguf'

done_testing
