# tests/cli/lora_on.sh — a run that goes on with an adapter: examples, then preferences measured from what it began
# with; killed and taken up to the same bits without whoever made it; options and files that say otherwise.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
tiny
chats
pairs
sayings

run "$QUERN" train sft tiny.gguf --lora --rank 4 --alpha 8 --data chats.jsonl --context 64 --steps 6 --lr 1e-2 \
    --sample-every 0 --out sft --quiet
code 0
dpo() { run "$QUERN" train dpo tiny.gguf --data pairs.jsonl --context 64 "$@"; }

# What the adapter is stays; an option may repeat it.
dpo --adapter sft/best --rank 8 --out run
code 2
err_has '--rank 8: sft/best has rank 4, which a run that goes on with it keeps'
dpo --adapter sft/best --alpha 16 --out run
code 2
err_has '--alpha 16: sft/best has alpha 8'
dpo --adapter sft/best --targets q_proj --out run
code 2
err_has '--targets: sft/best says itself where it sits'
dpo --adapter sft/best --dora --out run
code 2
err_has '--dora: sft/best is none'
dpo --adapter nowhere --out run
code 4
err_has nowhere
dpo --adapter sft/best --weights f32 --out run
code 2
err_has 'an adapter sits on the weights as they are'
run "$QUERN" train dpo sft/nothing --adapter sft/best --data pairs.jsonl --out run
code 4
run ls
out_lacks run
dpo --lora --adapter sft/best --rank 4 --alpha 8 --dry-run
code 0
err_has 'adapter goes on with sft/best'
err_has 'adapter rank 4, alpha 8'
err_has ': 7 pairs'

# Preferences are measured from the model with the adapter that it began with: the first loss is ln 2, and what the
# answers got then is what evaluation says of it.
plan='--batch 4 --steps 6 --lr 1e-2 --checkpoint-every 1 --eval-every 3 --sample-every 0 --seed 5'
dpo --adapter sft/best $plan --out whole --threads 1 --quiet
code 0
run sed -n 1p whole/metrics.jsonl
out_has '"loss":0.6931471805599453,'
out_has '"rewards/margins":0,"rewards/accuracies":0,'
dpo --lora --rank 4 --alpha 8 $plan --out bare --threads 1 --quiet
code 0
run cmp whole/data/reference.bin bare/data/reference.bin
code 1
run grep -c '"adapter_fingerprint": "' whole/manifest.json
code 0
run grep -c 'adapter_fingerprint' bare/manifest.json
code 1
run cmp whole/last/adapter_config.json sft/best/adapter_config.json
code 0

# Killed anywhere, also before its reference or a checkpoint is there, and with nothing left of the first run.
killed cut "$QUERN" train dpo tiny.gguf --data pairs.jsonl --context 64 --adapter sft/best $plan --out cut --threads 2 \
    --quiet
mv sft gone
rm cut/data/reference.bin
run "$QUERN" train resume cut --threads 2 --quiet
code 0
for file in last/adapter_model.safetensors last/training_state.safetensors data/reference.bin; do
    run cmp cut/$file whole/$file
    code 0
done
rm -rf cut/last cut/best cut/checkpoints
run "$QUERN" train resume cut --quiet
code 0
run cmp cut/last/adapter_model.safetensors whole/last/adapter_model.safetensors
code 0

# The model that it sits on may lie elsewhere.
mv tiny.gguf away.gguf
run "$QUERN" train resume cut --quiet
code 4
err_has 'tiny.gguf: the model that this run'\''s adapter sits on is not there'
err_has 'with --from'
run "$QUERN" train resume cut --from away.gguf --quiet
code 0
mv away.gguf tiny.gguf

# What it began with is watched, and its numbers stand once in a checkpoint.
run grep -ac 'trained.blk.0' cut/last/training_state.safetensors
code 1
size=$(wc -c <cut/last/adapter_model.safetensors)
printf x | dd of=cut/last/adapter_model.safetensors bs=1 seek=$((size - 3)) conv=notrunc 2>/dev/null
run "$QUERN" train resume cut --quiet
code 5
err_has 'adapter_model.safetensors is damaged: its checksum does not fit'
size=$(wc -c <cut/data/adapter/adapter_model.safetensors)
printf x | dd of=cut/data/adapter/adapter_model.safetensors bs=1 seek=$((size - 3)) conv=notrunc 2>/dev/null
run "$QUERN" train resume cut --quiet
code 5
err_has 'is not the adapter that this run began with'

# Examples on an adapter, too, and one of another model is refused.
mv gone sft
run "$QUERN" train sft tiny.gguf --adapter sft/best --data chats.jsonl --context 64 --steps 2 --lr 1e-3 \
    --sample-every 0 --out more --quiet
code 0
run "$QUERN" generate tiny.gguf --adapter more/best --chat -p 'say 7' --tokens 4
code 0
run "$QUERN" train pretrain --data text.txt --tokenizer tiny --layers 1 --dim 32 --context 64 --batch 2 --steps 2 \
    --out other --quiet
code 0
run "$QUERN" train sft other/last --adapter sft/best --data chats.jsonl --out run
code 5
err_has sft/best
run ls
out_lacks run

# Where shapes fit: another tokenizer is refused, wherever the adapter is taken; other norms are said, and are not those
# of the same model in another form.
cp -rL sft/best alien
sed -i 's/<|endoftext|>/<|theend|>/g' alien/tokenizer.json alien/tokenizer_config.json
run "$QUERN" generate tiny.gguf --adapter alien -p a
code 2
err_has 'alien: belongs to a model with another tokenizer than tiny.gguf: id 0 '
err_has 'is "<|theend|>" in the tokenizer.json beside it and "<|endoftext|>" here'
run "$QUERN" train dpo tiny.gguf --adapter alien --data pairs.jsonl --context 64 --dry-run
code 2
err_has 'alien: belongs to a model with another tokenizer'
run "$QUERN" merge tiny.gguf alien --out alien.gguf
code 2
err_has 'alien: belongs to a model with another tokenizer'
run "$QUERN" convert alien other.gguf --model tiny.gguf
code 2
err_has 'alien: belongs to a model with another tokenizer than tiny.gguf: id 0 '
run ls
out_lacks other.gguf
run "$QUERN" train sft tiny --data chats.jsonl --context 64 --steps 2 --lr 1e-2 --sample-every 0 --out moved --quiet
code 0
run "$QUERN" generate moved/last --adapter sft/best -p a --tokens 1
code 0
err_has 'sft/best: was trained on another model than this one'

# One that somebody else made says of no model what it belongs to; what goes on with it does.
run "$QUERN" train sft tiny.gguf --adapter "$S/adapter" --data chats.jsonl --context 64 --steps 2 --lr 1e-3 \
    --sample-every 0 --out foreign --quiet
code 0
run grep -aq quern.base "$S/adapter/adapter_model.safetensors"
code 1
for model in tiny.gguf tiny; do
    run "$QUERN" generate $model --adapter foreign/best -p a --tokens 1
    code 0
    err_lacks 'another model'
done
run "$QUERN" generate moved/last --adapter foreign/best -p a --tokens 1
code 0
err_has 'foreign/best: was trained on another model than this one'

run "$QUERN" convert sft/best sft.gguf --model tiny.gguf
code 0
for adapter in sft/best sft.gguf "$S/adapter"; do
    run "$QUERN" generate $adapter -p a
    code 2
    err_has 'is an adapter, which sits on a model; name the model, and this with --adapter'
done
for adapter in sft/best sft.gguf; do
    run "$QUERN" generate tiny --adapter $adapter -p a --tokens 1
    code 0
    err_lacks 'another model'
done
run "$QUERN" generate moved/last --adapter sft.gguf -p a --tokens 1
err_has 'sft.gguf: was trained on another model than this one'

done_testing
