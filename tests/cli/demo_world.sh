# tests/cli/demo_world.sh — the whole demo on its smallest rung: world, tokenizer, training, evaluation, report; stopped
# on the way with one number of threads, gone on with another: the same bits.
# label: full
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

run "$QUERN" demo --time 5s --out whole --threads 2
code 0
out_has '── 1/12 world ──'
out_has '$ quern data world --seed 1 --size small --sidecar'
out_has 'Facts, asked in words that training never used for them: '
out_has 'Bits for each byte above what is possible at all: grammar '
out_has 'As it was, shown answers, shown preferences: refuses what does harm '
out_has 'The report is whole/report.html'
out_has 'So it writes:'
run grep -c '<html' whole/report.html
out_is 1
run grep -c bits_fact whole/run/metrics.jsonl
code 0
run "$QUERN" eval bits whole/run/best whole/world --data whole/data --json
code 0
out_has '"unit": "bits per byte"'
out_has '"floor_bits"'
run "$QUERN" eval bits whole/ngram whole/world --data whole/data --documents 20
code 0
out_has 'fact head'

# Stopped once in each of some stages; then through to the end.
for made in world/corpus/part-0000.txt data/data.json run/last ngram/model.ngram sft/last dpo/data; do
    "$QUERN" demo --time 5s --out broken --threads 1 --no-talk >said 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null && [ ! -e broken/$made ]; do
        sleep 0.02
    done
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
done
run "$QUERN" demo --time 5s --out broken --threads 1 --no-talk
code 0
for file in world/facts.jsonl world/corpus/part-0000.txt tokenizer/tokenizer.json run/best/model.safetensors \
    run/last/model.safetensors untrained/last/model.safetensors ngram/model.ngram sft/last/model.safetensors \
    dpo/last/model.safetensors run/bits.json; do
    if [ $file = run/bits.json ]; then                  # seconds differ
        grep -v '"seconds"' whole/$file >a
        grep -v '"seconds"' broken/$file >b
        run cmp a b
    else
        run cmp whole/$file broken/$file
    fi
    code 0
done
for folder in whole broken; do
    grep -o '"value": [0-9.]*' $folder/run/evaluation.json >$folder.values
done
run cmp whole.values broken.values
code 0

# A second time nothing is done.
run "$QUERN" demo --time 5s --out broken --no-talk
code 0
out_has '── 12/12 report ── done before'
out_lacks '$ quern'

# A world whose sidecar is not there.
run "$QUERN" eval bits whole/run/best whole/data
code 4
err_has 'there is no sidecar beside the texts'

done_testing
