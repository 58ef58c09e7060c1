# tests/cli/train.sh — from a corpus to a model that writes: plan, run, kill, resume; what it began with; refusals.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 200 ]; do
    echo "{\"text\": \"The miller of brook $i turns the stone, and the stone turns grain into flour.\"}"
    i=$((i + 1))
done >corpus.jsonl
run "$QUERN" train tokenizer corpus.jsonl --vocab 320 --out tok --quiet
code 0
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out data --validation 10% --quiet
code 0
# Threads would wait for one another longer than such a model takes; that they change nothing is asked below.
shape='--layers 1 --dim 32 --context 32 --batch 4 --eval-every 8 --checkpoint-every 8 --sample-every 8 --threads 1'
train() { run "$QUERN" train pretrain --data data $shape "$@"; }

# The verbs of a group; a folder is called one.
for ask in 'train --help' 'help train' '--help train' 'train -h'; do
    run "$QUERN" $ask
    code 0
    out_has 'train pretrain'
    out_has 'train resume RUN'
    out_lacks 'data prepare'
done
run "$QUERN" data --help
code 0
out_has 'data prepare'
run "$QUERN" train
code 2
err_has '`quern train` needs a second word'
run "$QUERN" train nothing --help
code 2
run "$QUERN" data prepare --help
out_has '--out FOLDER'

# The plan first, and nothing but the plan.
train --steps 16 --dry-run
code 0
err_has 'model   llama'
err_has 'run     16 steps of 4 rows of 32 tokens'
err_has 'memory  up to'
err_has 'a guess'
run ls
out_lacks 'run'

# A run to its end; its folder is a model. It took no more memory than was planned (sanitizers take their own).
train --steps 16 --out run --json
code 0
out_has '"state": "done"'
out_has '"step": 16'
err_has 'validation loss'
used=$(sed -n 's/.*"peak_memory_bytes": \([0-9]*\).*/\1/p' "$scratch/out")
planned=$(sed -n 's/.*"memory_planned": \([0-9]*\).*/\1/p' run/manifest.json)
grep -q __asan_init "$QUERN" || grep -q __tsan_init "$QUERN" || run test "$used" -le "$planned"
code 0
run "$QUERN" runs run
code 0
out_has 'run: done, step 16/16'
run "$QUERN" generate run/last -p 'The miller' --tokens 8
code 0
train --steps 8 --out 'a run' --prompt "$(printf 'The\033[31m')"
code 0
err_has 'step 8 writes: The?[31m'
out_has "\`quern generate 'a run/best' -p 'Once'\` writes with it"
out_has ' MB at most'
err_has 'step 8: validation loss'
run "$QUERN" info run/best
code 0
out_has 'LlamaForCausalLM'
run "$QUERN" train resume run
code 0
err_has 'all 16 steps are done'
err_has '`quern train pretrain --from run/last` begins another run with its weights'

# Without its link a run goes on from the newest checkpoint; a damaged one is refused, and another named.
cp -a run linkless
rm linkless/last
run "$QUERN" train resume linkless
code 0
err_has 'linkless/last leads to no whole checkpoint'
err_has 'all 16 steps are done'
run cmp run/metrics.jsonl linkless/metrics.jsonl
code 0
cp -a run hurt
printf '64 bytes of anything' | dd of=hurt/last/model.safetensors bs=1 seek=20000 conv=notrunc 2>dd.err
run "$QUERN" train resume hurt
code 5
err_has 'hurt/last/model.safetensors is damaged'
err_has 'hurt/checkpoints/step-'
err_has 'point hurt/last to it'
truncate -s 1000 hurt/last/model.safetensors
run "$QUERN" train resume hurt
code 5
err_has 'hurt/last/model.safetensors'
err_has 'point hurt/last to it'

# A run that is over names its best checkpoint as the model to use: that one is read too, though nothing is trained.
train --steps 16 --lr 0 --out over
code 0
run "$QUERN" train resume over
code 0
out_has 'over/best'
printf '64 bytes of anything' | dd of=over/best/model.safetensors bs=1 seek=20000 conv=notrunc 2>dd.err
run "$QUERN" train resume over
code 5
err_has 'over/best/model.safetensors is damaged: its checksum does not fit; the newest other checkpoint is '
err_has 'checkpoints/step-00000016: point over/best to it'
truncate -s 1000 over/best/model.safetensors
run "$QUERN" train resume over
code 5
err_has 'over/best/model.safetensors'
err_has 'checkpoints/step-00000016: point over/best to it'
run "$QUERN" runs over
out_has 'over: done'

# A manifest that somebody edited: the file, the member and what was expected are named.
edited() {      # a change of sed's, what is said
    rm -rf edited
    cp -a run edited
    sed -i "$1" edited/manifest.json
    run "$QUERN" train resume edited
    code 5
    err_has "edited/manifest.json$2"
}
edited 's/"context": 32/"context": 1e9/' ': recipe: context is 1000000000; expected 2 to 16777216'
edited 's/"batch": 4/"batch": 0/' ': recipe: batch is 0; expected 1 to 1048576'
edited 's/"beta1": 0.9/"beta1": 1/' ': recipe: optimizer: beta1 1, beta2 0.95; both must be from 0 up, below 1'
edited 's/"warmup_steps": [0-9]*/"warmup_steps": 500/' ': recipe: schedule: 500 steps of warm-up'
edited 's/"seed": 1,/"seed": 1.5,/' ":$(grep -n '"seed": 1,' run/manifest.json | head -n 1 | cut -d: -f1):"
err_has 'expected an integer, found 1.5'
edited 's/"optimizer": "adamw",/"optimizer": "adam",/' ':'
err_has 'optimizer is "adam"; expected one of adamw|muon|sgd'
edited 's/"hidden_size": 32/"hidden_size": "x"/' ': model: key "hidden_size" holds a string; expected an integer'
edited 's/"vocab_size": 320/"vocab_size": -5/' ': model: vocabulary is -5; expected 1 to 16777216'
rm -rf edited
cp -a run edited
sed -i 's/"steps": 16/"steps": 8/' edited/manifest.json
run "$QUERN" train resume edited
code 5
err_has 'edited/last: is at step 16, the run has only 8 (recipe.steps of its manifest.json)'

# Killed and resumed, with other threads: the same bits.
killed killed "$QUERN" train pretrain --data data $shape --steps 16 --checkpoint-every 1 --out killed
run "$QUERN" train resume killed --threads 3
code 0
err_has 'killed: '
run cmp run/last/model.safetensors killed/last/model.safetensors
code 0
run cmp run/last/training_state.safetensors killed/last/training_state.safetensors
code 0
run grep -c '"step"' killed/metrics.jsonl
out_is 16
run grep -c '"what": "train resume"' killed/manifest.json
out_is 1
run sh -c 'grep -A3 "\"resumed\"" killed/manifest.json'
out_has '"step": '

# Stopped by Ctrl-C: a checkpoint, exit code 130, and the way on.
train --steps 1M --out stopped --time 1s
code 2
err_has '--time decides the steps'
"$QUERN" train pretrain --data data $shape --steps 1M --eval-every 1M --checkpoint-every 1M --sample-every 1M \
    --out stopped >said 2>&1 &
pid=$!
until [ -s stopped/metrics.jsonl ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
run "$QUERN" train resume stopped
code 2
err_has 'another process is working on this run'
kill -INT $pid
wait $pid
status=$?
last='interrupted training'
code 130
run cat said
out_has '`quern train resume stopped` goes on'
run "$QUERN" runs stopped
out_has 'stopped: stopped, step'

# A terminal that goes away stops it as well; one that was told not to care does not: under nohup it would train on.
if sh -c 'kill -HUP $$'; then
    echo 'skipped: whoever runs this does not hang up'
else
    "$QUERN" train pretrain --data data $shape --steps 1M --eval-every 1M --checkpoint-every 1M --sample-every 1M \
        --out hung >said 2>&1 &
    pid=$!
    until [ -s hung/metrics.jsonl ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -HUP $pid
    wait $pid
    status=$?
    last='hung up'
    code 130
    run test -e hung/last
    code 0
fi

# Killed while its texts were prepared: what is left of that is no obstacle. Somebody else's data are.
mkdir -p half/data other/data
: >half/.lock
: >half/data/train-00000.tokens
: >other/data/book.txt
train_texts() { "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok $shape --steps 2 --quiet "$@"; }
run train_texts --out half
code 0
run test -e half/last
code 0
run train_texts --out other
code 2
err_has 'is not empty (it holds data)'

# What optimizers and schedules can be told is in the record.
train --steps 4 --optimizer sgd --nesterov --momentum 0.5 --schedule wsd --decay-steps 3 --out told --quiet
code 0
for told in '"nesterov": true' '"momentum": 0.5' '"decay_steps": 3'; do
    run grep -q "$told" told/manifest.json
    code 0
done

# Ended early, because nothing got better: nothing is left to go on with.
train --steps 64 --lr 0 --eval-every 2 --patience 2 --out early --quiet
code 0
out_has 'ended early'
run "$QUERN" train resume early
code 0
err_has 'early: ended early at step 6 of 64, because 2 evaluations in a row were not better'
out_lacks 'now in'

# Options from a file; a time instead of steps.
printf '%s\n' 'data: data' 'layers: 1' 'dim: 32' 'context: 32' 'batch: 4' 'optimizer: muon' 'eval-every: 1M' \
    'checkpoint-every: 1M' 'sample-every: 1M' >plan.yaml
run "$QUERN" train pretrain --config plan.yaml --time 1s --out timed
code 0
err_has 'as a step was measured'
run "$QUERN" runs timed
out_has 'done'
run grep -E '"(optimizer|steps)": ("muon"|[0-9]+)' timed/manifest.json
out_has '"optimizer": "muon"'
out_has '"steps": '
# Characters with bytes behind them are a vocabulary that llama.cpp knows, by Llama 2's kind; with <unk> they are none.
for fallback in byte unk; do
    run "$QUERN" train tokenizer corpus.jsonl --kind char --fallback $fallback --vocab 400 --out chars-$fallback --quiet
    code 0
    run "$QUERN" train pretrain --data corpus.jsonl --tokenizer chars-$fallback $shape --steps 1 --quiet \
        --out of-$fallback
    code 0
    run "$QUERN" convert of-$fallback/last $fallback.gguf
    code 0
    run "$QUERN" tokenize $fallback.gguf --ids 'The miller'
    code 0
    cp out $fallback.ids
    run "$QUERN" tokenize chars-$fallback --ids 'The miller'
    out_is "$(cat $fallback.ids)"
    run "$QUERN" convert of-$fallback/last $fallback.gguf --force
    if [ $fallback = byte ]; then err_lacks 'llama.cpp'; else err_has 'llama.cpp has no name for this tokenizer'; fi
    run grep -aoc 'tokenizer.ggml.scores' $fallback.gguf
    if [ $fallback = byte ]; then out_is 1; else out_is 0; fi
done

# More time than four epochs take is said and left; steps that are asked for count.
train --time 1h --dry-run
code 0
err_has '--time is enough for '
err_has 'which is 4 epochs: more data help, --steps '
err_has ' tokens, 4.0 epochs'
train --steps 100000 --dry-run
code 0
err_has 'run     100000 steps'
err_lacks '4 epochs'
printf 'data: data\nlearning_rat: 1\nbatchs: 4\n' >bad.yaml
run "$QUERN" train pretrain --config bad.yaml --out x
code 2
err_has 'bad.yaml:'
printf 'data: data\nbatchs: 4\n' >bad.yaml
run "$QUERN" train pretrain --config bad.yaml --out x
code 2
err_has 'bad.yaml:2:1: no option --batchs; did you mean --batch?'

# Begun with a checkpoint, and with a GGUF of it.
run "$QUERN" train pretrain --data data --from run/last --batch 4 --steps 3 --lr 1e-4 --threads 1 --out from-dir --quiet
code 0
run "$QUERN" convert run/last run.gguf
code 0
run "$QUERN" train pretrain --data data --from run.gguf --batch 4 --steps 3 --lr 1e-4 --threads 1 --out from-gguf -q
code 0
run cmp from-dir/last/model.safetensors from-gguf/last/model.safetensors
code 0
run "$QUERN" train pretrain --data data $shape --compute bf16 --steps 1 --out bf16 --quiet
run "$QUERN" train pretrain --data data --from bf16/last --steps 1 --batch 4 --out from-bf16 --quiet
run grep -m1 -o '"compute": "[a-z0-9]*"' from-bf16/manifest.json
out_is '"compute": "bf16"'
run "$QUERN" train pretrain --data data --from bf16/last --steps 1 --batch 4 --compute f32 --out from-f32 --quiet
run grep -m1 -o '"compute": "[a-z0-9]*"' from-f32/manifest.json
out_is '"compute": "f32"'
# … and with a GGUF of another family, and one whose embedding has more rows than the tokenizer has ids.
for kind in '--arch gpt2' '--vocab 330'; do
    rm -rf kind kind-2 kind.gguf
    train $kind --steps 1 --out kind --quiet
    run "$QUERN" convert kind/last kind.gguf
    run "$QUERN" train pretrain --data data --from kind.gguf --batch 4 --steps 1 --out kind-2 --quiet
    code 0
done
train --from run/last --steps 3 --out x
code 2
err_has '--from brings its own shape: leave --dim out'
run "$QUERN" train pretrain --data data --from run/last --window 8 --steps 3 --out x
code 2
err_has 'leave --window out'
run "$QUERN" train tokenizer corpus.jsonl --vocab 310 --out tok-310 --quiet
run "$QUERN" data prepare corpus.jsonl --tokenizer tok-310 --out data-310 --quiet
run "$QUERN" train pretrain --data data-310 --from run/last --steps 3 --out x
code 2
err_has 'data-310: another tokenizer than that of run/last: id '
err_has 'prepare the data with --tokenizer run/last'
run "$QUERN" train pretrain --data data --from run/last --context 512 --steps 3 --out x
code 2
err_has 'rows of 512 tokens do not fit into the model'"'"'s context of 32'

# A prepared folder without its last file is none, and no text either.
mkdir torn
cp data/*.tokens data/tokenizer.json torn
for with in '' '--tokenizer tok'; do
    run "$QUERN" train pretrain --data torn $with --steps 3 --out x
    code 2
    err_has 'torn: was never prepared to its end: its data.json is missing'
done

# The smallest base of the rotations that is taken makes a model that opens.
train --rope-theta 1 --steps 1 --out x
code 2
err_has '--rope-theta 1: must be from 2'
train --rope-theta 2 --steps 1 --out slow --quiet
code 0
run "$QUERN" generate slow/last -p 'The miller' --tokens 2
code 0

# Texts as they are, gpt2.
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok --arch gpt2 $shape --steps 3 --out raw --quiet
code 0
run test -f raw/data/data.json
code 0
run "$QUERN" generate raw/last -p 'The miller' --tokens 4
code 0
cp -r raw elsewhere && mv raw raw-gone && mkdir away
run sh -c 'cd away && "$QUERN" train resume ../elsewhere'
code 0
err_has 'all 3 steps are done'
run sh -c 'cd away && "$QUERN" train resume ../run'
code 0
mv data data-gone
run "$QUERN" train resume run
code 4
err_has 'the data of this run are no longer there'
err_has '--data'
run "$QUERN" train resume run --data data-gone
code 0
mv data-gone data
run "$QUERN" train pretrain --data corpus.jsonl $shape --steps 3 --out x
code 2
err_has '`quern train tokenizer corpus.jsonl --out tokenizer`'
err_has '--tokenizer tokenizer'

run "$QUERN" train pretrain --help
code 0
out_has '(10k to 1T)'
out_has '(0 to 9000000000000000; default 1)'

# One prepared folder by itself, or texts.
for more in corpus.jsonl other data; do
    run "$QUERN" train pretrain --data data --data $more --tokenizer tok --out x
    code 2
    err_has 'data: is a prepared folder, not a text; one prepared folder is trained on at a time'
done
run "$QUERN" train pretrain --data run --tokenizer tok --out x
code 2
err_has 'run: is the folder of a run, not a text'
run "$QUERN" train pretrain --source data=1 --tokenizer tok --out x
code 2
err_has 'data: is a prepared folder'
train --dedup none --steps 3 --out x
code 2
err_has '--dedup is for texts; data is prepared already'
train --tokenizer tok --steps 3 --out x
code 2
err_has '--tokenizer is for texts'
run "$QUERN" train pretrain --source corpus.jsonl=1 --tokenizer tok $shape --steps 3 --out weighed --quiet
code 0
run "$QUERN" train pretrain --source corpus.jsonl=1 --out x
code 2
err_has 'add --tokenizer'

# What is refused leaves nothing behind.
: >empty.txt
printf 'ELF\000\001' >binary
run "$QUERN" train pretrain --data empty.txt --tokenizer tok --out x
code 2
err_has 'the corpus is empty'
run "$QUERN" train pretrain --data binary --tokenizer tok --out x
code 5
err_has 'binary is no text'
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok $shape --heads 7 --out x
code 2
err_has '--heads 7'
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok $shape --vocab 10 --steps 2 --out x
code 2
err_has 'its tokenizer has 320 ids'
run "$QUERN" train pretrain --data nowhere --tokenizer tok --out x
code 4
train --context 256 --batch 500000 --micro-batch 500000 --steps 3 --out x
code 7
err_has '--micro-batch'
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok --params 200G --out x
code 7
err_has ' of width 8192, vocabulary 320; '
err_has '--micro-batch'
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok-310 --from run/last --out x
code 2
err_has 'tok-310: another tokenizer than that of run/last'
run "$QUERN" train pretrain --data data --arch gpt2 --dim 128 --kv-heads 1 --steps 3 --out x
code 2
err_has '--kv-heads 1: the family gpt2 has as many key heads as query heads (2)'
train --shards 3 --steps 3 --out x
code 2
err_has 'cannot be cut into 3 equal shards'
train --steps 3
code 2
err_has '--out'
run "$QUERN" train pretrain --out x
code 2
err_has '--data'
run test -e x
code 1
train --steps 3 --out run
code 2
err_has 'holds a run already; `quern train resume run` goes on with it'
train --steps 3 --out data
code 2
err_has 'is not empty'
train --steps 3 --out empty.txt/run
code 3
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked && chmod 500 locked
    train --steps 3 --out locked/run
    code 3
    err_has 'Permission denied'
fi

# What cannot be taken up.
run "$QUERN" train resume tok
code 4
err_has 'no run there'
run "$QUERN" train resume
code 2
cp -r run moved
rm -rf moved/checkpoints
run "$QUERN" train resume moved --data nowhere
code 4
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out third --validation 0.3 --quiet
run "$QUERN" train resume run --data third
code 2
err_has 'holds other tokens than those that this run began with'
echo '{"format": "quern run 1"}' >moved/manifest.json
run "$QUERN" train resume moved
code 5
err_has 'it is no run of `train pretrain`'
printf x >run/last/training_state.safetensors
run "$QUERN" train resume run
code 5
err_has 'training_state.safetensors'

done_testing
