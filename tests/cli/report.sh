#!/bin/sh
# tests/cli/report.sh — a run becomes a page and a summary; where nothing can be written or read, that is said.
. "$(dirname "$0")/lib.sh"

LC_ALL=C
export LC_ALL
R=$scratch/runs
mkdir -p "$R/a" "$R/b" "$R/other"
for run in a b; do
    cat >"$R/$run/manifest.json" <<END
{"format": "quern run 1", "state": "done", "started": "2026-01-01T10:00:00Z", "what": "train pretrain", "steps": 60,
 "argv": ["train", "pretrain", "--data", "d"], "version": "0.1.0", "isa": "avx2", "threads": 2, "parameters": 12345,
 "recipe": {"seed": 1, "batch": $([ $run = a ] && echo 4 || echo 8)}, "machine": {"cpu": "a CPU", "cores": 2}}
END
    awk 'BEGIN {
        for (i = 1; i <= 60; i++) {
            printf "{\"step\":%d,\"loss\":%.4f,\"tokens_per_second\":%d", i, 2 + 5 / i, 1000 + i
            if (i % 20 == 0)
                printf ",\"eval_loss\":%.4f", 2.5 + 5 / i
            printf ",\"num_input_tokens_seen\":%d}\n", i * 100
        }
    }' >"$R/$run/metrics.jsonl"
done

run "$QUERN" report "$R/a"
code 0; err_is ''
out_has 'a: done'; out_has 'trained for 6000 tokens in 60 steps'; out_has "report: $R/a/report.html"
out_has 'validation loss    2.583'; out_has 'Loss, nats per token   * training   o validation'
out_has 'Validation loss fell from 2.75 to 2.58, its lowest.'
out_lacks "$(printf '\033')"
verdict "$(holds test -z "$(LC_ALL=C tr -d '\000-\177' <"$scratch/out")")" 'plain ASCII in the C locale'
page=$R/a/report.html
verdict "$(holds grep -q '<h1>Report on a</h1>' "$page")" 'a page'
verdict "$(holds test "$(head -c 15 "$page")" = '<!DOCTYPE html>')" 'it begins as HTML does'
verdict "$(holds test "$(tail -n 1 "$page")" = '</html>')" 'and ends so'
cp "$page" "$scratch/first.html"
run "$QUERN" report "$R/a"
verdict "$(holds cmp -s "$page" "$scratch/first.html")" 'the same run gives the same page'

run "$QUERN" report "$R/a" "$R/b" --out "$scratch/both.html" --color always --width 100
code 0; out_has "$(printf '\033[36m')"; out_has 'b: done'
verdict "$(holds grep -q '<tr><th>batch</th><td class="num">4</td><td class="num">8</td></tr>' "$scratch/both.html")" \
    'what differs'
run "$QUERN" report "$R/a" --text
code 0; out_lacks 'report: '
run "$QUERN" report "$R/a" --text --out x.html
code 2; err_has 'which is it?'

# Bits per byte, where all runs have them, are what is compared.
for run in c d; do
    mkdir "$R/$run" && cp "$R/a/manifest.json" "$R/$run"
    echo "{\"step\":1,\"loss\":3,\"eval_loss\":$([ $run = c ] && echo 2 || echo 4),\"eval_bits_per_byte\":$(
        [ $run = c ] && echo 1.75 || echo 1.25)}" >"$R/$run/metrics.jsonl"
done
run "$QUERN" report "$R/c" "$R/d" --text --width 200
code 0; out_has 'The lowest validation loss, 1.25 bits per byte, is that of d.'

# For programs: no page unless it is asked for.
rm "$page"
run "$QUERN" report "$R/a" "$R/b" --json
code 0; err_is ''; out_has '"format": "quern-report-1"'; out_has '"name": "b"'; out_has '"least_step": 60'
out_has '"tasks": []'
verdict "$(holds test ! -e "$page")" 'no page'
run "$QUERN" report "$R/a" --json --out "$scratch/asked.html"
code 0; out_has '"tokens": 6000'
verdict "$(holds grep -q '<h1>Report on a</h1>' "$scratch/asked.html")" 'the page that was asked for'

# Nothing there, nothing ours, nowhere to write.
run "$QUERN" report
code 2; err_has 'RUN'
run "$QUERN" report "$R/nowhere"
code 4; err_has 'no run there'
echo '{"format": "quern run 7"}' >"$R/other/manifest.json"
run "$QUERN" report "$R/other"
code 5; err_has 'is of another version ("quern run 7")'
run "$QUERN" report "$R/a" "$R/other"
code 5; err_has 'other/manifest.json'
run "$QUERN" report "$R/a" --out "$R/nowhere/page.html"
code 4; err_has 'nowhere/page.html'; out_is ''
run "$QUERN" report "$R/a" --out "$R/b"
code 3; err_has "$R/b"
for name in notes.md page.html; do
    echo '<!DOCTYPE html><title>mine</title>' >"$scratch/$name"
    run "$QUERN" report "$R/a" --out "$scratch/$name"
    code 2; err_has "$name: is there already and is not a report of quern's"; out_is ''
    run cat "$scratch/$name"
    out_is '<!DOCTYPE html><title>mine</title>'
done
run "$QUERN" report "$R/a" --out "$scratch/notes.md" --force
code 0
run "$QUERN" report "$R/a" --out "$scratch/notes.md"
code 0
run "$QUERN" report "$R/a" --out ''
code 2; err_has 'an empty name'
verdict "$(holds test -z "$(find "$R" -name '*.tmp*' -o -name '.report*')")" 'no temporary file stays'

done_testing
