#!/bin/sh
# tests/cli/tokenize.sh — text to ids. In the tiny models byte b is token 3 + b, "th" is 259 and "the" is 260.
. "$(dirname "$0")/lib.sh"
tiny

run "$QUERN" tokenize "$M" --ids 'the aé'
code 0; out_is '260 35 100 198 172'; err_is ''
verdict "$(holds test "$(wc -l <"$scratch/out")" -eq 1)" 'one line'
run "$QUERN" tokenize "$S/tiny" --ids 'the aé'
code 0; out_is '260 35 100 198 172'
run "$QUERN" tokenize "$S/tiny/tokenizer.json" --ids 'the aé'
code 0; out_is '260 35 100 198 172'
run "$QUERN" tokenize "$M" 'the é'
code 0; out_is '    260  "the"
     35  " "
    198  "\xc3"
    172  "\xa9"'
run "$QUERN" tokenize "$M" --count 'the a'
code 0; out_is '3'
run "$QUERN" tokenize "$M" --json 'the a'
code 0; out_is '{"count":3,"ids":[260,35,100],"pieces":["the"," ","a"]}'

# Special tokens: added and parsed, or neither.
run "$QUERN" tokenize "$M" --ids 'a<|im_end|>'
code 0; out_is '100 2'
run "$QUERN" tokenize "$S/bos.gguf" --ids 'a<|im_end|>'
code 0; out_is '1 100 2'
run "$QUERN" tokenize "$S/bos.gguf" --ids --no-special 'a<|im_end|>'
code 0; out_is '100 63 127 108 112 98 104 113 103 127 65'
run "$QUERN" tokenize "$S/bos.gguf" --count ''
code 0; out_is '1'
run "$QUERN" tokenize "$M" --ids ''
code 0; out_is ''

# Where the text comes from.
printf 'the a' >"$scratch/text"
run "$QUERN" tokenize "$M" --ids -f "$scratch/text"
code 0; out_is '260 35 100'
run sh -c 'printf "the a" | "$QUERN" tokenize "$M" --ids -f -'
code 0; out_is '260 35 100'

# How fast: figures of a text, on one thread or all; nothing else beside it.
run "$QUERN" tokenize "$M" 'the a' --time 2
code 0; out_has 'MB/s'; out_has '3 tokens of 5 bytes'
run "$QUERN" tokenize "$M" 'the a' --time 2 --threads 1 --json
code 0; out_has '"count":3'; out_has '"threads":1'
run "$QUERN" tokenize "$M" 'the a' --time 2 --ids
code 2; err_has 'exclude one another'

# Wrong use, and what is no text or no model.
run "$QUERN" tokenize "$M"
code 2; err_has 'a text is missing'
run "$QUERN" tokenize "$M" a -f "$scratch/text"
code 2; err_has 'which one?'
run "$QUERN" tokenize "$M" a --ids --count
code 2; err_has 'exclude one another'
printf 'a\377b' >"$scratch/text"
run "$QUERN" tokenize "$M" --ids -f "$scratch/text"
code 9; out_is ''; err_has 'byte 1 (0xff)'
run "$QUERN" tokenize "$scratch/none.gguf" a
code 4; err_has 'none.gguf'
printf 'not a model' >"$scratch/odd"
run "$QUERN" tokenize "$scratch/odd" a
code 5; err_has 'odd'

done_testing
