# tests/cli/world_sets.sh — the sets beside a world's corpus: all there, read by eval, asked of a model first. (The same
# each time: world.sh.)
# full: KNOWN_BY=1
. "$(dirname "$0")/lib.sh"
tiny
cd "$scratch" || exit 1

run "$QUERN" data world --out world --quiet
code 0
for f in recall_seen recall_transfer recall_unseen recall_tail two_hop two_hop_steps reading long_range agreement \
         arithmetic instructions instructions_chat abstention abstention_edge false_premise refusal; do
    run test -s "world/eval/$f.jsonl"
    code 0
done

# Two texts, a choice among all values, an answer that a rule judges: any model can be asked, this one knows nothing.
for task in agreement recall_transfer instructions; do
    run "$QUERN" eval "world/eval/$task.jsonl" "$M" --limit 4
    code 0
    out_has "$task"
done

# Asking is interrupted, and goes on with the same model only; somebody else's file is no answer.
echo mine >asked.known
run "$QUERN" data world --out asked --known-by "$M" --quiet
code 2
err_has 'asked.known: stands where the answers would be kept'
rm asked.known
# A shell's background jobs are born deaf to SIGINT: the command must have said that it asks before it is interrupted.
interrupted() {         # model, lines of asked.known to wait for
    "$QUERN" data world --out asked --known-by "$1" --threads 1 2>"$scratch/err" >"$scratch/out" &
    pid=$!
    until { grep -q 'facts in 4 forms' "$scratch/err" && [ "$(wc -l <asked.known)" -ge "$2" ]; } \
            || ! kill -0 $pid 2>/dev/null; do
        sleep 0.05
    done
    kill -INT $pid
    wait $pid
    status=$?
    last="asking $1, interrupted"
    code 130
}
interrupted "$M" 2
err_has '427 facts in 4 forms with all values of each: about '
err_has 'of 427 facts; the same command goes on there (asked.known)'
run test -e asked
code 1
cp asked.known before
interrupted "$M" 3
err_has 'asked.known: goes on behind '
head -n 2 before >two
run sh -c 'head -n 2 asked.known | cmp - two'
code 0
if [ "${KNOWN_BY:-0}" = 1 ]; then
    interrupted "$S/tiny" 2
    err_lacks 'goes on behind'
fi

# Tuning on what a model knows needs a model that knows something; the world that was there stays. (Some 65,000
# questions take this model half a minute.)
if [ "${KNOWN_BY:-0}" = 1 ]; then
    cp -r world again
    run "$QUERN" data world --out again --force --known-by "$M" --quiet
    code 2
    err_has 'facts are known, too few to ask for in tuning'
    run diff -r world/sft.jsonl again/sft.jsonl
    code 0
fi
run "$QUERN" data world --out other --known-by nothing.gguf --quiet
code 4
run test -e other
code 1

done_testing
