# tests/cli/train_options.sh — options of a run that nothing would come of are refused; the plan as JSON; its speed.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 60 ]; do
    echo "{\"text\": \"The miller of brook $i turns the stone, and the stone turns grain into flour.\"}"
    i=$((i + 1))
done >corpus.jsonl
run "$QUERN" train tokenizer corpus.jsonl --vocab 300 --out tok --quiet
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out data --validation 10% --quiet
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out whole --validation 0 --quiet
code 0
shape='--layers 1 --dim 32 --context 32 --batch 4 --threads 1'
train() { run "$QUERN" train pretrain --data data $shape --out x "$@"; }
refuses() {     # what it says, options
    want=$1
    shift
    train --steps 2 "$@"
    code 2
    err_has "$want"
    run test -e x/manifest.json
    code 1
}

# Each says what it needs.
refuses '--momentum: AdamW has --beta1 in its place; it needs --optimizer muon or sgd' --momentum 0.9
refuses '--nesterov: AdamW looks ahead along no momentum' --nesterov
refuses '--beta1: SGD has --momentum in its place' --optimizer sgd --beta1 0.9
refuses '--beta2: SGD keeps no squares' --optimizer sgd --beta2 0.9
refuses '--epsilon: SGD divides by no squares' --optimizer sgd --epsilon 1e-8
refuses '--decay-steps: the other curves fall from warm-up on; it needs --schedule wsd' --decay-steps 1
refuses '--min-lr-ratio: a constant rate does not fall' --schedule constant --min-lr-ratio 0.5
refuses '--patience counts evaluations; it needs an --eval-every above 0' --patience 2 --eval-every 0
refuses '--depth: --layers and --dim say the shape already' --depth 4
refuses '--params: --layers and --dim say the shape already' --params 1M
refuses '--micro-batch 8: a pass is a part of the --batch, which has 4 rows' --micro-batch 8
run "$QUERN" train pretrain --data whole $shape --steps 2 --patience 2 --out x
code 2
err_has 'these data have no validation split; it needs one (--validation 5% where they are prepared)'
# What is given beside what it needs is taken, and so are defaults that nobody gave.
train --steps 2 --optimizer muon --momentum 0.9 --beta2 0.9 --schedule wsd --decay-steps 1 --min-lr-ratio 0 \
    --micro-batch 4 --patience 2 --quiet
code 0
rm -rf x

# What is not there is said before what else is missing.
for ask in 'train pretrain --out x --data' 'data check' 'data prepare --tokenizer tok --out x'; do
    run "$QUERN" $ask nowhere
    code 4
    err_has 'nowhere: there is no such file or folder'
done
mkdir bare
run "$QUERN" data prepare corpus.jsonl --tokenizer bare --out x
code 4
err_has 'bare: no tokenizer.json there; --tokenizer takes that file, a folder with one, or a model'

# Sizes beyond the dial.
run "$QUERN" train pretrain --data data --params 1T --out x
code 2
err_has '--params: the dial ends at 256 layers of width 8192, which is 206 G; --layers and --dim make larger ones'
# A plan that cannot be says no vocabulary that it does not know.
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok --params 200G --out x
code 7
err_has ', vocabulary 300;'
run "$QUERN" train pretrain --data data --params 200G --out x
code 7
err_has ' of width 8192; passes of'

# What --time promised stands beside what it took, however often the run was taken up.
run "$QUERN" train pretrain --data data $shape --time 1s --out timed
code 0
out_has '; --time promised 0:0'
out_has ', it took 0:'
out_has ': steps 0:0'
out_has ', evaluations 0:0'
out_has ', checkpoints 0:0'
run grep -c '"seconds_promised": [0-9]' timed/manifest.json
out_is 1
run grep -c '"seconds_taken": [0-9]' timed/manifest.json
out_is 1
# It is a run of so many steps like any other, whatever was tried before.
steps=$(sed -n 's/.*"steps": \([0-9]*\).*/\1/p' timed/manifest.json | head -n 1)
run "$QUERN" train pretrain --data data $shape --steps "$steps" --out untried --quiet
code 0
run cmp timed/last/model.safetensors untried/last/model.safetensors
code 0
cp -a timed cut
rm -rf cut/checkpoints cut/last cut/best
run "$QUERN" train resume cut --json
code 0
out_has '"seconds_promised": '
out_lacks '"seconds_taken": null'
sed -i 's/"state": "done"/"state": "running"/' cut/manifest.json
rm -rf cut/checkpoints cut/last cut/best
run "$QUERN" train resume cut
code 0
out_has 'how long it took nobody knows, because it was killed'
run grep -c '"seconds_taken": null' cut/manifest.json
out_is 1
run "$QUERN" train pretrain --data data $shape --steps 2 --out untimed
code 0
out_lacks 'promised'

# The plan as JSON, and nothing else on stdout.
train --steps 3 --dry-run --json
code 0
for member in '"layers": 1,' '"dim": 32,' '"vocab": 300' '"tokens": 384,' '"steps": 3,' '"batch": 4,' \
    '"learning_rate": ' '"memory_bytes": ' '"memory_of_data": ' '"seconds": ' '"measured": false'; do
    out_has "$member"
done
err_has 'model   llama'
err_has '1 layer, width 32, 1 head of 32'
err_has 'run     3 steps of 4 rows of 32 tokens: 384 tokens, '
err_has 'disk    up to '
err_has '1 thread)'
run test -e x
code 1
train --steps 3 --dry-run
out_is ''

# How fast: tokens over the seconds of steps, in both kinds of summary.
train --steps 1 --quiet
code 0
out_has 'x: 1 step, '
out_has ' tokens/s, '
out_lacks '0.00 M'
rm -rf x
train --steps 2 --json --quiet
code 0
out_has '"tokens_per_second": '
for part in steps evaluations samples checkpoints; do
    out_has "\"seconds_$part\": "
done

done_testing
