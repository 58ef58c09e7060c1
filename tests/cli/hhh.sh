#!/bin/sh
# tests/cli/hhh.sh — helpful, honest, harmless: several models over a world's sets, and what a report makes of it.
# label: full
. "$(dirname "$0")/lib.sh"
tiny
few='--limit 6 --documents 2 --kl-items 2 --quiet'

run "$QUERN" data world --out "$S/world" --sidecar --quiet
code 0

# One model: figures alone.
run "$QUERN" eval hhh "$M" --world "$S/world" $few
code 0; out_has 'helpful'; out_has 'abstains exactly where it does not know'; out_has 'refuses a look-alike ↓'
out_has 'two steps'; out_has 'bits per byte, by kind of choice'; out_lacks 'alignment tax'; out_has '--baseline'
out_has 'Words alone tell forbidden requests from look-alikes in 50.0 %'; err_is ''

# A base and what a run made of it; the run says what it was asked for.
mkdir "$S/run"
echo '{"format":"quern run 1","state":"done","what":"train dpo",
    "recipe":{"beta":0.1,"loss_type":"sigmoid","rpo_alpha":0},
    "options":{"data":["x/pairs-60-20-20.jsonl"]}}' >"$S/run/manifest.json"
echo '{"step":1,"loss":0.7}' >"$S/run/metrics.jsonl"
ln -s "$S/tiny" "$S/run/best"
run "$QUERN" eval hhh base="$M" "$S/run/best" --world "$S/world" $few --out "$S/run/hhh.json"
code 0; out_has 'alignment tax: minus base, paired'; out_has 'wins by rule, ties half'
out_has '50.0 (50.0 – 50.0)'; out_has 'KL to it, nats a token'; err_is ''
run cat "$S/run/hhh.json"
out_has '"suite": "hhh"'; out_has '"reference": 0'; out_has '"beta":0.1'; out_has '"mix":"60/20/20"'
out_has '"loss_type":"sigmoid"'
out_has '"what":"train dpo"'; out_has '"name": "base"'; out_has '"name": "run"'; out_has '"rate": 0.5'
out_has '"name": "over_refusal"'; out_has '"part": "bits"'; out_lacks 'rpo_alpha'
run "$QUERN" report "$S/run"
code 0; out_has 'refuses rightly'
run grep -c 'Alignment tax: difference to base' "$S/run/report.html"
code 0; out_is 1

# The same without the reference among the arguments; named by --baseline it stands once.
run "$QUERN" eval hhh "$S/tiny" --baseline ref="$M" --world "$S/world" $few --documents 0 --json
code 0; out_has '"name": "ref"'; out_has '"along": "the reference'; out_lacks '"part": "bits"'
run "$QUERN" eval hhh "$M" "$S/tiny" --baseline "$S/tiny" --world "$S/world" $few --documents 0 --kl-items 0
code 0; out_has 'alignment tax: minus tiny, paired'; out_lacks 'fact ↓'

# The model beside itself with an adapter, which is as it was made or off: the weights are loaded once.
run "$QUERN" eval hhh "$M" "$M" --adapter "$S/adapter" off="$M" --adapter "$S/adapter:0" --world "$S/world" $few \
    --documents 0 --json
code 0; out_has '"name": "tiny.gguf"'; out_has '"name": "adapter"'; out_has '"name": "off"'; out_has '"adapters": ['
cp "$scratch/out" "$S/three"
run grep -A 1 '"along"' "$S/three"
verdict "$(holds test "$(grep -c '"value": 0,' "$scratch/out")" -eq 1)" 'a KL of 0 for the one that is off alone'

run "$QUERN" eval hhh "$M"
code 2; err_has 'give --world FOLDER'
run "$QUERN" eval hhh "$M" --world "$S"
code 4; err_has 'a world is a folder of'
run "$QUERN" eval hhh "$M" --world "$S/world" --out "$M" $few
code 2; err_has 'is not a result of an evaluation'
run "$QUERN" eval hhh "$S/nothing" --world "$S/world" $few
code 4

# And what of a model's facts stayed in another one.
run "$QUERN" verify "$M" "$S/tiny" --world "$S/world" --limit 10 --tokens 100 --expect any --json
code 0; out_has '"name": "recall_transfer"'; out_has '"metric": "acc"'

# The rows that were meant tell the mix as well.
sed -i 's/"data":.*/"data":["x.jsonl"],"where":["length=matched","mixes=20\/40\/40"]}}/' "$S/run/manifest.json"
run "$QUERN" eval hhh "$S/run/best" --world "$S/world" --limit 1 --documents 0 --kl-items 0 --quiet --json
code 0; out_has '"mix":"20/40/40"'

done_testing
