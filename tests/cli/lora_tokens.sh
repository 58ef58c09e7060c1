# tests/cli/lora_tokens.sh — an adapter on a model whose vocabulary lacks the tokens of ChatML: their rows are trained
# beside the pairs, the model stays as it is stored; talked with, merged, gone on with, killed and taken up to the bit.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
chats
pairs
sayings
run "$QUERN" train tokenizer text.txt --vocab 300 --out tok --quiet
code 0
run "$QUERN" train pretrain --data text.txt --tokenizer tok --layers 1 --dim 64 --context 64 --batch 2 --steps 2 \
    --out base --quiet
code 0
run "$QUERN" convert base/last base.gguf --dtype q8_0 --quiet
code 0
cp base.gguf before.gguf

# Taught: embedding and head of the file stay, two rows of F32 are the adapter's.
plan='--lora --rank 4 --data chats.jsonl --context 64 --batch 4 --steps 12 --lr 1e-2 --checkpoint-every 1
    --eval-every 5 --sample-every 6 --seed 5'
run "$QUERN" train sft base.gguf $plan --out sft --threads 1
code 0
err_has 'tokens  2 are new: <|im_start|>, <|im_end|>'
err_has "tokens  2 have rows of the adapter's own, which are trained: embedding, which is the head, too"
err_has 'writes: '
run cmp base.gguf before.gguf
code 0
run tr -d ' \n' <sft/best/adapter_config.json
out_has '"trainable_token_indices":[300,301]'
run grep -ac 'model.embed_tokens.token_adapter.trainable_tokens_delta' sft/best/adapter_model.safetensors
code 0
run tr -d ' \n' <sft/best/generation_config.json
out_has '"eos_token_id":[0,301]'
run ls sft/best
out_has tokenizer_config.json

# Used: the adapter's tokenizer, template and end of answers; without it the tokens are nobody's.
echo 'say 7' >talk
run sh -c "\"$QUERN\" chat base.gguf --adapter sft/best --temp 0 --tokens 20 --stats <talk"
code 0
err_lacks 'ChatML is used'
run "$QUERN" generate base.gguf --adapter sft/best --chat -p 'say 7' --tokens 20
code 0
cp out with
err_has 'stopped by eos'
run "$QUERN" generate base.gguf --adapter sft/best --chat -p 'say 7' --tokens 20 --draft ngram
code 0
cp out again
run cmp again with
code 0
run "$QUERN" generate base.gguf --adapter sft/best:0 --chat -p 'say 7' --tokens 4
code 2
err_has 'is known to an adapter that sequence 0 has switched off'
run "$QUERN" generate base.gguf --adapter sft/best --adapter sft/last --chat -p 'say 7'
code 2
err_has 'only one of them can be on'
run "$QUERN" eval ppl base.gguf --file text.txt --adapter sft/best --json
code 0
mkdir bare
cp sft/best/adapter_config.json sft/best/adapter_model.safetensors bare
run "$QUERN" generate base.gguf --adapter bare -p a
code 4
err_has 'no tokenizer.json is beside them'
run "$QUERN" train sft base.gguf --adapter bare --data chats.jsonl --out none
code 4
err_has 'no tokenizer.json is beside them'

# Beside the model as it is: weights that are loaded once, and each with its own tokens, ends and template.
run "$QUERN" verify base.gguf base.gguf --adapter sft/best
code 13
err_has 'different tokenizers: id 300 is nothing in base.gguf and "<|im_start|>" in base.gguf'
run "$QUERN" verify base.gguf --adapter sft/best base.gguf
code 13
err_has 'different tokenizers: id 300 is "<|im_start|>" in base.gguf and nothing in base.gguf'
run "$QUERN" verify base.gguf --adapter sft/best base.gguf --adapter sft/best --same-bits
code 0

# Merged: a whole model with the new rows, in both forms; the rows that were there stay to the bit.
run "$QUERN" merge base.gguf sft/best --out merged.gguf --dtype f32 --verify
code 0
out_has 'no number was rounded'
out_has 'merge: within the limits'
run "$QUERN" generate merged.gguf --chat -p 'say 7' --tokens 20
code 0
cp out again
run cmp again with
code 0
run "$QUERN" merge base/last sft/best --out merged --verify
code 0
run grep -c '"vocab_size": 302' merged/config.json
code 0
run "$QUERN" merge base.gguf sft/best --out small.gguf --verify
code 0
run "$QUERN" merge base.gguf bare --out none.gguf
code 4
err_has 'no tokenizer.json is beside them'
run "$QUERN" merge base.gguf sft/best sft/last --out none.gguf
code 6
err_has 'both have rows of tokens'
run "$QUERN" convert sft/best sft.gguf --model base.gguf
code 6
err_has 'which a GGUF adapter has no place for'
err_has 'quern merge'
run "$QUERN" convert sft/best moved --model base.gguf
code 0
run "$QUERN" generate base.gguf --adapter moved --chat -p 'say 7' --tokens 20
cp out again
run cmp again with
code 0

# Killed anywhere, it ends with the same bits.
killed cut "$QUERN" train sft base.gguf $plan --out cut --threads 2 --quiet
run "$QUERN" train resume cut --threads 2 --quiet
code 0
for file in adapter_model.safetensors training_state.safetensors adapter_config.json generation_config.json; do
    run cmp cut/last/$file sft/last/$file
    code 0
done
rm -rf cut/last cut/best cut/checkpoints
run "$QUERN" train resume cut --quiet
code 0
run cmp cut/last/adapter_model.safetensors sft/last/adapter_model.safetensors
code 0

# Preferences on it begin at ln 2, with its tokens.
run "$QUERN" train dpo base.gguf --adapter sft/best --data pairs.jsonl --context 64 --steps 4 --lr 1e-3 \
    --sample-every 0 --out dpo --quiet
code 0
run sed -n 1p dpo/metrics.jsonl
out_has '"loss":0.6931471805599453,'
run "$QUERN" generate base.gguf --adapter dpo/best --chat -p 'say 7' --tokens 8
code 0
err_has 'stopped by eos'
run "$QUERN" train dpo base.gguf --lora --data pairs.jsonl --context 64 --steps 2 --lr 1e-3 --sample-every 0 \
    --out fresh --quiet
code 0
run sed -n 1p fresh/metrics.jsonl
out_has '"loss":0.6931471805599453,'

done_testing
