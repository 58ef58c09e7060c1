#!/bin/sh
# tests/cli/score.sh — how probable texts are: the numbers of generate --logprobs, line by line, what is refused.
. "$(dirname "$0")/lib.sh"
tiny
cd "$scratch" || exit 1

run "$QUERN" score "$M" -p abcd
code 0; out_has '"a"'; out_has 'log-probability '; out_has ' of 3 tokens, perplexity 1.'; out_has 'bits per byte (3)'
run "$QUERN" score "$S/bos.gguf" -p abcd
code 0; out_has ' of 4 tokens'; out_has 'bits per byte (4)'

# What a model wrote, scored: the same digits.
run "$QUERN" generate "$M" -p abc -n 5 --json --logprobs 2
code 0
grep -o '"logprob": [-0-9.e]*' out >said
text=$(sed -n 's/^  "text": "\(.*\)",$/\1/p' out)
run "$QUERN" score "$M" -p "abc$text" --top 2 --json
code 0
grep -o '"logprob": [-0-9.e]*' out | tail -n "$(wc -l <said)" >scored
verdict "$(holds cmp -s said scored)" 'the log-probabilities of generate'

printf 'abc\nxyz\n\nab' >lines.txt
run "$QUERN" score "$M" -f lines.txt --lines --totals --json
code 0
verdict "$(holds test "$(wc -l <out)" -eq 4)" 'four lines'
sed -n 2p out >alone
run "$QUERN" score "$M" -p xyz --lines --totals --json
verdict "$(holds cmp -s out alone)" 'a line alone is the same'
run "$QUERN" score "$M" -f lines.txt --lines --totals --json --threads 1
verdict "$(holds test "$(sed -n 2p out)" = "$(cat alone)")" 'threads change nothing'

run "$QUERN" score "$M" -p abcdefgh --ctx 5
code 8; err_has 'the text has 8 tokens, and the context holds 5'; err_has 'eval ppl'
printf 'abc\nabcdefgh\n' >lines.txt
run "$QUERN" score "$M" -f lines.txt --lines --ctx 5
code 8; err_has 'lines 1 to 2: '
run "$QUERN" score "$M"
code 2; err_has 'a text is missing'
run "$QUERN" score "$M" -p 'abc' --top 65
code 2
done_testing
