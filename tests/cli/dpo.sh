# tests/cli/dpo.sh — preferences learned: the first loss, what is recorded, kill and resume to the same bits, the
# reference on disk; data and options that do not go together.
# label: full
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
tiny

pairs
sed 's/"chosen": \("[^"]*"\), .*/"completion": \1, "label": true}/' pairs.jsonl >labels.jsonl
sed 's/"chosen": .*/"completion": "no never", "label": false}/' pairs.jsonl >>labels.jsonl
sed 's/"chosen": \("[^"]*"\), .*/"completion": \1}/' pairs.jsonl >chats.jsonl

dpo() { run "$QUERN" train dpo tiny --context 64 "$@"; }

# What does not go together is said before anything is made.
dpo --data labels.jsonl --out run
code 2
err_has 'labels.jsonl: holds labelled answers, and --loss sigmoid compares pairs'
err_has '--loss kto learns from answers with a label'
dpo --data chats.jsonl --loss ipo --out run
code 2
err_has '--loss ipo compares pairs'
err_has 'quern train sft'
dpo --data pairs.jsonl --loss kto --out run
code 2
err_has 'pairs.jsonl: holds pairs with a prompt, and --loss kto learns from answers with a label'
dpo --data pairs.jsonl --loss kto --rpo-alpha 1 --out run
code 2
err_has '--rpo-alpha: means nothing to --loss kto'
dpo --data pairs.jsonl --simpo-gamma 1 --out run
code 2
err_has '--simpo-gamma: means nothing to --loss sigmoid: it needs --loss simpo'
dpo --data pairs.jsonl --dropout 0.1 --out run
code 2
err_has '--dropout'
dpo --data pairs.jsonl --beta 0 --out run
code 2
dpo --out run
code 2
err_has 'needed: --data'
run "$QUERN" train dpo tiny.gguf --data pairs.jsonl --out run
code 2
err_has 'weights are quantized'
run ls
out_lacks run

# One side alone is warned of; where one is rare, what would make both count alike is said.
grep true labels.jsonl >good.jsonl
dpo --data good.jsonl --loss kto --dry-run
code 0
err_has 'labels  '
err_has 'all answers are good: there is nothing to tell them from'
dpo --data good.jsonl --loss kto --steps 1 --sample-every 0 --out one
code 0
err_has 'validation loss'
err_lacks 'nan'
out_lacks 'at the end'
{ cat good.jsonl; grep false labels.jsonl | head -n 10; } >rare.jsonl
dpo --data rare.jsonl --loss kto --validation 0 --dry-run
code 0
err_has 'labels  40 good, 10 bad'
err_has 'labels  with --undesirable-weight 4 both sides would count alike'
dpo --data rare.jsonl --loss kto --validation 0 --undesirable-weight 4 --dry-run
err_lacks 'would count alike'

# Rows that teach nothing are counted, or refused.
cp pairs.jsonl faulty.jsonl
echo '{"prompt": "say", "chosen": "it is", "rejected": "it is"}' >>faulty.jsonl
echo '{"prompt": "say say say say say say say say say say say say say", "chosen": "a", "rejected": "b"}' >>faulty.jsonl
run "$QUERN" train dpo tiny --data faulty.jsonl --context 32 --dry-run
code 0
err_has '1 × chosen and rejected are equal (row 41)'
err_has '1 × the prompt is longer than the context (row 42)'
err_has 'loss    sigmoid of pairs: beta 0.1'
run "$QUERN" train dpo tiny --data faulty.jsonl --context 64 --strict --dry-run
code 2
err_has 'row 41: chosen and rejected are equal'

# It begins at ln 2 and ends with other answers.
dpo --data pairs.jsonl --steps 8 --lr 1e-3 --warmup 1 --eval-every 4 --out run --json
code 0
out_has '"state": "done"'
out_has '"eval_rewards/accuracies": 1'
err_has '100 % right'
run sed -n 1p run/metrics.jsonl
out_has '"loss":0.6931471805599453,'
out_has '"rewards/margins":0,"rewards/accuracies":0,'
out_has '"logps/chosen_moved":0,'
out_has '"lengths/rejected":9}'
run sed -n 4p run/metrics.jsonl
out_has '"eval_rewards/chosen":'
out_has '"eval_logps/rejected":'
run grep -c '"loss_type": "sigmoid"' run/manifest.json
code 0
run "$QUERN" report run --out report.html
code 0

# Stopped anywhere, it ends with the same bits; threads are no matter, nor is how a batch is cut.
plan='--context 64 --batch 4 --micro-batch 2 --steps 16 --lr 1e-4 --checkpoint-every 1 --eval-every 5 --sample-every 0
    --seed 5'
begun() {       # folder, data, loss, model, options
    killed $1 "$QUERN" train dpo $4 $5 --data $2.jsonl --loss $3 --out $1 --threads 2 --quiet
}
for loss in sigmoid hinge ipo kto orpo simpo; do
    data=pairs
    [ $loss = kto ] && data=labels
    run "$QUERN" train dpo tiny $plan --data $data.jsonl --loss $loss --out whole-$loss --threads 1 --quiet
    code 0
    begun cut-$loss $data $loss tiny "$plan"
    for file in cut-$loss/data/reference*; do           # none of orpo and simpo
        [ ! -e $file ] || run cmp $file whole-$loss/data/reference.bin
        code 0
    done
    run "$QUERN" train resume cut-$loss --threads 2 --quiet
    code 0
    run cmp cut-$loss/last/model.safetensors whole-$loss/last/model.safetensors
    code 0
    run cmp cut-$loss/last/training_state.safetensors whole-$loss/last/training_state.safetensors
    code 0
done

# Another β on the same pairs takes what the first run knows of the reference, to the same bits; others are refused.
run "$QUERN" train dpo tiny --data pairs.jsonl $plan --beta 0.3 --out beta --quiet
code 0
run "$QUERN" train dpo tiny --data pairs.jsonl $plan --beta 0.3 --reference whole-sigmoid --out known --quiet
code 0
run cmp beta/last/model.safetensors known/last/model.safetensors
code 0
run cmp beta/data/reference.bin known/data/reference.bin
code 0
run "$QUERN" train dpo beta/last --data pairs.jsonl $plan --reference whole-sigmoid --out other --quiet
err_has 'of other weights or examples'
run "$QUERN" train dpo tiny --data pairs.jsonl $plan --loss simpo --reference whole-sigmoid --out other2 --quiet
code 2

# Killed before its first checkpoint, or before its reference was whole, it begins again.
rm -rf cut-sigmoid/last cut-sigmoid/best cut-sigmoid/checkpoints cut-sigmoid/data/reference.bin
run "$QUERN" train resume cut-sigmoid --quiet
code 0
run cmp cut-sigmoid/last/model.safetensors whole-sigmoid/last/model.safetensors
code 0

# A reference that is damaged is worked out anew from the weights of the beginning, while these are there.
begun torn pairs sigmoid tiny "$plan"
printf x | dd of=torn/data/reference.bin bs=1 seek=80 conv=notrunc 2>/dev/null
cp torn/data/reference.bin broken
mv tiny moved
run "$QUERN" train resume torn
code 4
err_has 'reference.bin: is damaged'
mkdir tiny
cp moved/* tiny
cp whole-sigmoid/last/model.safetensors tiny/model.safetensors
cp broken torn/data/reference.bin
run "$QUERN" train resume torn
code 2
err_has 'no longer has the weights that this run began with'
rm -r tiny
mv moved tiny
run "$QUERN" train resume torn
code 0
err_has 'the reference is worked out anew'
run cmp torn/data/reference.bin whole-sigmoid/data/reference.bin
code 0

# An adapter beside quantized weights: the reference is the model without it, also where it is worked out anew when the
# adapter has learned something.
lora="--lora --rank 4 $plan"
run "$QUERN" train dpo tiny.gguf $lora --data pairs.jsonl --out whole-lora --threads 1 --quiet
code 0
run sed -n 1p whole-lora/metrics.jsonl
out_has '"loss":0.6931471805599453,'
begun cut-lora pairs sigmoid tiny.gguf "$lora"
rm cut-lora/data/reference.bin
run "$QUERN" train resume cut-lora --threads 2 --quiet
code 0
run cmp cut-lora/data/reference.bin whole-lora/data/reference.bin
code 0
run cmp cut-lora/last/adapter_model.safetensors whole-lora/last/adapter_model.safetensors
code 0
run "$QUERN" train dpo tiny.gguf $lora --data pairs.jsonl --lora-dropout 0.1 --out run-d
code 2
err_has '--lora-dropout: what is dropped'

# Without a reference there is no file of one.
run ls whole-simpo/data
out_lacks reference.bin
run ls whole-ipo/data
out_has reference.bin

# What both answers have in common falls with the one that is not preferred: that is said.
i=0
while [ $i -lt 40 ]; do
    echo "{\"prompt\": \"say $i\", \"chosen\": \"it is it is it is $i\", \"rejected\": \"it is it is it is no\"}"
    i=$((i + 1))
done >alike.jsonl
dpo --data alike.jsonl --loss hinge --beta 0.01 --steps 30 --lr 3e-3 --sample-every 0 --out fallen
code 0
err_has 'chosen answers have become less probable than they were, too'
err_has '--rpo-alpha 1'

done_testing
