#!/bin/sh
# tests/cli/runs.sh — runs are listed and shown; what is broken, foreign or out of reach is said and passed over.
. "$(dirname "$0")/lib.sh"

manifest() {    # folder, state, when it began
    mkdir -p "$1" && cat >"$1/manifest.json" <<END
{"format": "quern run 1", "state": "$2", "started": "$3", "what": "train pretrain", "steps": 100,
 "argv": ["quern", "train", "pretrain", "--lr", "0.1"], "options": {"lr": 0.1, "name": "\u001b[31mred"},
 "machine": {"cpu": "a CPU", "cores": 2}, "resumed": [{"threads": 1}, {"threads": 2}]}
END
}
R=$scratch/runs
mkdir "$R"

run "$QUERN" runs "$R"
code 0; out_is ''; err_has 'no runs in'
run "$QUERN" runs "$R" --json
code 0; out_has '"runs": []'

manifest "$R/first" done 2026-01-01T10:00:00Z
manifest "$R/more/second" running 2026-02-01T10:00:00Z
printf '%s\n' '{"step":1,"loss":4,"tokens_per_second":100}' '{"step":2,"loss":3,"eval_loss":3.25}' \
    '{"step":3,"loss":1.5,"tokens_per_second":250}' '{"step":4,"lo' >"$R/first/metrics.jsonl"
mkdir "$R/app" "$R/broken"
echo '{"name": "an app"}' >"$R/app/manifest.json"
echo '{"format": "quern run 1",' >"$R/broken/manifest.json"

run "$QUERN" runs "$R"
code 0; err_has 'passed over: '; err_has 'broken/manifest.json:'
out_has 'run  '; out_has '2026-01-01 10:00'
second=$(sed -n 2p "$scratch/out") third=$(sed -n 3p "$scratch/out" | tr -s ' ' | cut -d' ' -f2-8)
verdict "$(holds test -z "${second##*more/second *interrupted*}")" 'the newest first, interrupted'
verdict "$(holds test "$third" = 'train pretrain done 3/100 1.5000 3.2500 175')" \
    'the last losses of the first run, the median of its speeds'
verdict "$(holds test "$(wc -l <"$scratch/out")" -eq 3)" 'three lines'
run "$QUERN" runs "$R" --json
code 0; out_has '"state": "interrupted"'; out_has '"eval_loss": 3.25'; out_has '"tokens_per_second": null'
verdict "$(holds test "$(cd "$R" && "$QUERN" runs 2>"$scratch/err" | grep -c '^more/second ')" = 1)" 'paths below here'

# One run, safely shown.
run "$QUERN" runs "$R/first"
code 0; err_is ''
out_has 'first: done, step 3/100'; out_has 'argv                quern train pretrain --lr 0.1'
out_has '  lr                0.1'; out_has '?[31mred'; out_has '  cores             2'; out_has '2 times'
out_has 'loss                4 █▅▁ 1.5; least 1.5 at step 3'
out_lacks 'format'; out_lacks "$(printf '\033')"
run "$QUERN" runs "$R/first" --json
code 0; out_has '"manifest": {"format": "quern run 1"'; out_has '"loss": 1.5'

# What is no folder, and what cannot be looked into.
run "$QUERN" runs "$R/nowhere"
code 4; err_has 'nowhere: cannot look into this folder: No such file or directory'
run "$QUERN" runs "$R/first/metrics.jsonl"
code 4; err_has 'Not a directory'
run "$QUERN" runs a b
code 2; err_has 'one argument too many'
if [ "$(id -u)" -ne 0 ]; then
    chmod 000 "$R/app"
    run "$QUERN" runs "$R"
    code 0; err_has 'app: cannot look into this folder: Permission denied'; out_has 'first'
    chmod 700 "$R/app"
fi

# Ten thousand steps.
awk 'BEGIN { for (i = 1; i <= 10000; i++) printf "{\"step\":%d,\"loss\":%.4f}\n", i, 10000 / i }' \
    >"$R/first/metrics.jsonl"
run "$QUERN" runs "$R/first"
code 0; out_has 'step 10000/100'; out_has 'least 1 at step 10000'

done_testing
