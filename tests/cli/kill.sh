# tests/cli/kill.sh — training killed at random instants, most of all while a checkpoint is written: whatever stands
# under RUN/last opens, nothing half written has a final name, and what comes out in the end is, to the bit, what a run
# has that nobody touched. Threads differ from one resume to the next. The seed is printed; SEED=n has the same instants
# again.
# full: ROUNDS=50
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
seed=${SEED:-$$} rounds=${ROUNDS:-4}
echo "seed $seed, $rounds kills"

# A number below $1: Park and Miller's.
state=$((seed % 2147483646 + 1))
random() {
    state=$((state * 48271 % 2147483647))
    number=$((state % $1))
}

i=0
while [ $i -lt 100 ]; do
    echo "{\"text\": \"The miller of brook $i turns the stone, and the stone turns grain into flour.\"}"
    i=$((i + 1))
done >corpus.jsonl
"$QUERN" train tokenizer corpus.jsonl --vocab 320 --out tok --quiet >out 2>&1
"$QUERN" data prepare corpus.jsonl --tokenizer tok --out data --validation 10% --quiet >out 2>&1

# Two million parameters, or half a million where time is short: a checkpoint is 24 MB, or 6, and takes longer to write
# than a step. One is written after each.
steps=$((rounds * 2 + 4)) dim=128
[ "$rounds" -gt 10 ] && dim=256
plan="--data data --layers 2 --dim $dim --context 16 --batch 1 --steps $steps --checkpoint-every 1 --eval-every 3
    --eval-rows 2 --sample-every 4"
run "$QUERN" train pretrain $plan --threads 1 --out whole --quiet
code 0

begin() {               # a process on the run, in the background: pid
    if [ -e run/manifest.json ]; then
        random 3
        "$QUERN" train resume run --threads $((number + 1)) >said 2>&1 &
    else
        rm -rf run
        "$QUERN" train pretrain $plan --threads 2 --out run >said 2>&1 &
    fi
    pid=$!
}

await_progress() {      # another checkpoint than there was
    was=$(readlink run/last)
    while kill -0 $pid 2>/dev/null && [ "$(readlink run/last)" = "$was" ]; do
        sleep 0.02
    done
}

# The next half of a checkpoint: every other kill hits its writing.
await_writing() {
    while kill -0 $pid 2>/dev/null; do
        for half in run/checkpoints/.partial-*/*; do
            [ -e "$half" ] && return
        done
    done
}

check_run() {
    for folder in run/checkpoints/step-*; do
        [ -e "$folder" ] || continue
        run "$QUERN" info "$folder"
        code 0
        verdict "$(holds test -s "$folder/training_state.safetensors" -a -s "$folder/tokenizer.json")" "all of $folder"
    done
    if [ -L run/last ]; then
        run "$QUERN" generate run/last -p 'The' --tokens 2
        code 0
    fi
    if [ -L run/best ]; then
        run "$QUERN" info run/best
        code 0
    fi
    run "$QUERN" runs run
    if [ -e run/manifest.json ]; then code 0; fi
}

round=0
while [ $round -lt "$rounds" ]; do
    begin
    if [ $round -gt 1 ]; then await_progress; fi        # the first two may come before the first checkpoint
    if [ $((round % 2)) -eq 0 ]; then await_writing; fi
    random 200
    sleep "0.$(printf '%03d' "$number")"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    check_run
    round=$((round + 1))
done
begin
wait $pid
status=$?
last='the last resume'
code 0
for file in model.safetensors training_state.safetensors config.json tokenizer.json; do
    run cmp whole/last/$file run/last/$file
    code 0
done
run cmp whole/best/model.safetensors run/best/model.safetensors
code 0
run sh -c 'ls -A run/checkpoints | grep -v "^step-"'
out_is ''
run sh -c 'cut -d, -f1-4 whole/metrics.jsonl >a; cut -d, -f1-4 run/metrics.jsonl >b; cmp a b'
code 0
run cmp whole/samples.jsonl run/samples.jsonl
code 0

done_testing
