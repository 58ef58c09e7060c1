# tests/cli/replay.sh — tuned while old text is read again: planned, recorded, resumed to the same bits, less forgotten;
# the rows that --where means.
# label: full
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 80 ]; do
    echo "{\"text\": \"the miller of $i says that $i it is, and so it was\"}"
    i=$((i + 1))
done >text.jsonl
i=0
while [ $i -lt 40 ]; do
    echo "{\"prompt\": \"$i\", \"chosen\": \"zz zz\", \"rejected\": \"qq\"," \
        "\"mixes\": [\"half\", \"all\"], \"length\": 1}"
    echo "{\"prompt\": \"$i\", \"chosen\": \"xx\", \"rejected\": \"kk kk\", \"mixes\": [\"all\"], \"length\": 2}"
    i=$((i + 1))
done >pairs.jsonl
run "$QUERN" train tokenizer text.jsonl pairs.jsonl --vocab 300 --out tok --quiet
code 0
run "$QUERN" data prepare text.jsonl --tokenizer tok --validation 0.2 --out data --quiet
code 0
run "$QUERN" train pretrain --data data --layers 1 --dim 32 --context 64 --batch 8 --steps 60 --lr 1e-2 --out base \
    --quiet
code 0

# Options that need the text, and text that is none.
sft() { run "$QUERN" train sft base/last --data pairs.jsonl --context 64 --threads 1 "$@"; }
sft --replay-rows 2 --out run
code 2
err_has '--replay-rows is of text that is read again: it needs --replay'
sft --replay nowhere --out run
code 4
err_has nowhere
run "$QUERN" train tokenizer text.jsonl --kind char --vocab 400 --out other --quiet
code 0
run "$QUERN" data prepare text.jsonl --tokenizer other --out foreign --quiet
code 0
sft --replay foreign --out run
code 2
err_has 'foreign: was prepared with another tokenizer: id '
run ls
out_lacks run

# Only the rows that are meant.
sft --where mixes=half --dry-run
code 0
err_has '40 rows, 40 examples'
err_has 'where   40 other rows are not meant and left aside'
sft --where mixes=all --where length=2 --dry-run
code 0
err_has '40 rows, 40 examples'
sft --where mixes=none --dry-run
code 2
err_has 'not one of 80 rows is meant by --where'
sft --where mixes --dry-run
code 2
err_has 'expected NAME=VALUE'
run "$QUERN" data check --model base/last pairs.jsonl --where length=1 --rows 0
code 0
out_has '40'

# What is read again is forgotten less; it stands in plan, manifest and metrics.
plan='--epochs 12 --lr 1e-2 --batch 4 --eval-every 0 --sample-every 0'
sft $plan --out without --quiet
code 0
sft $plan --replay data --replay-rows 4 --replay-weight 0.5 --out run
code 0
err_has 'replay  4 rows of data beside each step, weight 0.5'
run grep -c '"replay_loss":' run/metrics.jsonl
code 0
run grep -c '"replay_rows": 4' run/manifest.json
code 0
bits() { "$QUERN" eval ppl "$1" -f said.txt --ctx 64 --json -q | sed -n 's/.*"nll": \([0-9]*\)\.\([0-9]\).*/\1\2/p'; }
sed -n 's/.*"text": "\(.*\)".*/\1/p' text.jsonl >said.txt
last='what replay leaves of the old text'
verdict "$(holds test "$(bits without/last)" -gt "$(($(bits run/last) + 5))")" \
    "half a nat more without ($(bits without/last) beside $(bits run/last) tenths)"

# Preferences too; killed and taken up again, with other threads.
dpo() { run "$QUERN" train dpo base/last --data pairs.jsonl --where mixes=half --context 64 --batch 2 --steps 16 \
    --lr 1e-3 --replay data --checkpoint-every 1 --sample-every 0 --quiet "$@"; }
dpo --out whole --threads 1
code 0
run sed -n 1p whole/metrics.jsonl
out_has '"loss":0.6931471805599453,'
out_has '"replay_loss":'
killed cut "$QUERN" train dpo base/last --data pairs.jsonl --where mixes=half --context 64 --batch 2 --steps 16 \
    --lr 1e-3 --replay data --checkpoint-every 1 --sample-every 0 --quiet --out cut --threads 2
mv data moved
run "$QUERN" train resume cut --quiet
code 4
err_has 'the text that this run reads again is no longer there'
run "$QUERN" train resume cut --replay moved --quiet
code 0
run cmp cut/last/model.safetensors whole/last/model.safetensors
code 0
run cmp cut/last/training_state.safetensors whole/last/training_state.safetensors
code 0
done_testing
