# tests/cli/lora.sh — adapters: taught on a quantized model, used, stopped and taken up to the same bits; refusals.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
tiny
chats

# What an adapter is made of needs --lora, and targets that the family has.
sft() { run "$QUERN" train sft "$@" --data chats.jsonl --context 64; }
sft tiny.gguf --rank 8 --out run
code 2
err_has '--rank is of adapters: it needs --lora'
sft tiny.gguf --lora --weights f32 --out run
code 2
err_has 'an adapter sits on the weights as they are'
sft tiny.gguf --lora --targets q_proj,nothing --out run
code 2
err_has '"nothing" is no weight of the llama family'
err_has 'attn_q (q_proj)'
sft tiny.gguf --lora --alpha 0 --out run
code 2
err_has 'alpha is 0'
run ls
out_lacks run
sft tiny.gguf --lora --rank 4 --targets attn_q,v_proj --dry-run
code 0
err_has 'adapter rank 4, alpha 32 on attn_q,v_proj: 2 pairs'
err_has 'the model stays llama'

# On the quantized file: a checkpoint is an adapter, and the model it sits on is the file as it was.
cp tiny.gguf before.gguf
sft tiny.gguf --lora --out run --epochs 3 --lr 1e-2 --json
code 0
out_has '"state": "done"'
err_has 'writes: '
run cmp tiny.gguf before.gguf
code 0
run ls run/best
out_has adapter_model.safetensors
out_has adapter_config.json
out_has tokenizer_config.json
run test -e run/best/model.safetensors
code 1
run grep -c '"lora_rank": 16' run/manifest.json
code 0
run "$QUERN" generate tiny.gguf --adapter run/best --chat -p 'say 7' --tokens 8
code 0
cp out with
err_has 'adapter run/best × 1'
run "$QUERN" generate tiny.gguf --adapter run/best:0 --chat -p 'say 7' --tokens 8
code 0
cp out off
run "$QUERN" generate tiny.gguf --chat -p 'say 7' --tokens 8
cp out without
run cmp off without
code 0
run cmp with without
code 1
run "$QUERN" generate tiny.gguf --adapter run/best --adapter run/best:0.5 --chat -p 'say 7' --tokens 8
code 0
err_has 'adapter run/best × 1, adapter run/best × 0.5'
echo 'say 7' >talk
run sh -c "\"$QUERN\" chat tiny.gguf --adapter run --temp 0 --tokens 8 <talk"
code 0
sayings
run "$QUERN" eval ppl tiny.gguf --file text.txt --json
code 0
cp out base.json
run "$QUERN" eval ppl tiny.gguf --file text.txt --adapter run/last --json
code 0
cp out other.json
run cmp other.json base.json
code 1

# What is no adapter, or not this model's.
run "$QUERN" generate tiny.gguf --adapter nowhere -p a
code 4
err_has nowhere
run "$QUERN" generate tiny.gguf --adapter tiny -p a
verdict "$(holds test "$status" -ne 0)" 'that a model is no adapter'
run "$QUERN" train pretrain --data text.txt --tokenizer tiny --layers 1 --dim 32 --context 64 --batch 2 --steps 2 \
    --out other --quiet
code 0
run "$QUERN" generate other/last --adapter run/best -p a
code 5
err_has run/best

# Stopped anywhere, it ends with the same bits; threads are no matter. All that an adapter can have is in it.
for base in tiny tiny.gguf; do
    plan="--lora --dora --rslora --rank 3 --lora-plus 4 --lora-dropout 0.1 --compute bf16
        --data chats.jsonl --context 64 --batch 4
        --steps 6 --lr 1e-3 --neftune 5 --dropout 0.1 --checkpoint-every 1 --eval-every 3 --seed 5"
    rm -rf whole cut
    run "$QUERN" train sft $base $plan --out whole --threads 1 --quiet
    code 0
    killed cut "$QUERN" train sft $base $plan --out cut --threads 2 --quiet
    mv chats.jsonl away.jsonl
    run "$QUERN" train resume cut --threads 2 --quiet
    code 0
    for file in adapter_model.safetensors training_state.safetensors adapter_config.json; do
        run cmp cut/last/$file whole/last/$file
        code 0
    done
    mv away.jsonl chats.jsonl
done
run "$QUERN" generate tiny.gguf --adapter cut/last:0.5 -p a
code 2
err_has 'DoRA'

# Taken up elsewhere: the model may have moved, and must be that model.
rm -rf cut/last cut/best cut/checkpoints
mv tiny.gguf moved.gguf
run "$QUERN" train resume cut --quiet
code 4
run "$QUERN" train resume cut --from tiny --quiet
code 2
err_has 'other weights than those that this run'
run "$QUERN" train resume cut --from moved.gguf --quiet
code 0
run cmp cut/last/adapter_model.safetensors whole/last/adapter_model.safetensors
code 0
run "$QUERN" train resume other --from tiny --quiet
code 2
err_has 'trains the model itself'

done_testing
