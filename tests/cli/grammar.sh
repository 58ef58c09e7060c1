#!/bin/sh
# tests/cli/grammar.sh — answers held to grammars and schemas, and the samplers' options (make_tiny.c's models).
. "$(dirname "$0")/lib.sh"
tiny
cd "$scratch" || exit 1

# The model wants the alphabet; the grammar says which letters.
echo 'root ::= "def" [x-z]{2} [!?]' >g.gbnf
run "$QUERN" generate "$M" -p abc --grammar g.gbnf
code 0; out_is 'defxy!'; err_has 'stopped by eos'
run "$QUERN" generate "$M" -p abc --grammar g.gbnf --draft ngram -q
code 0; out_is 'defxy!'
echo 'root ::= [a-z]{3,5}' >g.gbnf
run "$QUERN" generate "$M" -p abc --grammar g.gbnf -q
code 0; out_is 'defgh'
run "$QUERN" generate "$M" -p abcdefghijklmnopqrstuvw --grammar g.gbnf -q
code 0; out_is 'xyz'
run "$QUERN" generate "$M" -p abc --grammar g.gbnf --temp 2 --seed 4 -q
code 0
verdict "$(holds grep -qxE '[a-z]{3,5}' out)" 'three to five letters'
printf 'root ::= "é" | "日本"\n' >g.gbnf
run "$QUERN" generate "$M" -p abc --grammar g.gbnf --temp 1 --seed 2 -q
code 0
verdict "$(holds grep -qxE 'é|日本' out)" 'one of two words'
printf 'root ::= "Hi!"\n' >g.gbnf
run sh -c 'printf "one\ntwo\n" | "$QUERN" chat "$M" --grammar g.gbnf -q'
code 0; out_is 'Hi!
Hi!'

echo '{"type": "object", "properties": {"id": {"type": "integer", "maximum": 7, "minimum": 7}, "x": {"enum": ["u"]}},
"required": ["id", "x"]}' >s.json
run "$QUERN" generate "$M" -p abc --json-schema s.json -q
code 0
verdict "$(holds test "$(tr -d ' \n\t' <out)" = '{"id":7,"x":"u"}')" 'the only value there is'

# A long list is no ambiguous one; what is ambiguous is said with its file.
{
    printf '{"enum": ["v0"'
    awk 'BEGIN { for (i = 1; i < 20000; i++) printf ", \"v%d\"", i }'
    printf ']}'
} >long.json
run "$QUERN" generate "$M" -p abc --json-schema long.json --temp 1 --seed 2 -q
code 0
verdict "$(holds grep -qxE '"v[0-9]{1,5}"' out)" 'one of 20,000 words'
awk 'BEGIN { print "root ::= r0"; for (i = 0; i < 20; i++) printf "r%d ::= r%d+ \"x\" | r%d* \"y\"\n", i, i + 1, i + 1
             print "r20 ::= \"z\"" }' >many.gbnf
run "$QUERN" generate "$M" -p abc --grammar many.gbnf
code 10; err_has 'many.gbnf: the grammar is too ambiguous'

# What is wrong is said before a model is loaded.
run "$QUERN" generate none.gguf -p abc --grammar g.gbnf --json-schema s.json
code 2; err_has '--grammar and --json-schema exclude one another'
echo 'root ::= "a' >bad.gbnf
run "$QUERN" generate none.gguf -p abc --grammar bad.gbnf
code 5; err_has 'bad.gbnf:1:10: a text that begins here is not ended'
echo '{"dependentSchemas": {}}' >bad.json
run "$QUERN" generate none.gguf -p abc --json-schema bad.json
code 6; err_has 'bad.json#/dependentSchemas: the keyword "dependentSchemas" is not understood'
run "$QUERN" generate none.gguf -p abc --json-schema none.json
code 4; err_has 'none.json'

# Bias, and options that mean nothing.
run "$QUERN" generate "$M" -p abc -n 1 --json
code 0
d=$(sed -n 's/^ *\([0-9][0-9]*\)$/\1/p' out | head -n 1)
run "$QUERN" generate "$M" -p abc -n 3 --logit-bias "$d:-inf" -q
code 0
verdict "$(holds test "$(head -c 1 out)" != d)" 'not d'
run "$QUERN" generate "$M" -p abc --logit-bias 'd:3'
code 2; err_has '--logit-bias d:3: expected ID:X'
run "$QUERN" generate "$M" -p abc --logit-bias 99999:1
code 2; err_has 'the model has tokens 0 to'
run "$QUERN" generate "$M" -p abc --typical 0.5
code 2; err_has '--typical does nothing without a temperature'
run "$QUERN" generate "$M" -p abc --temp 1 --mirostat 2 --top-p 0.5
code 2; err_has '--mirostat stands in place of --top-p'
for options in '--typical 0.9' '--xtc-probability 0.5' '--mirostat 1' '--mirostat 2 --mirostat-tau 3'; do
    # shellcheck disable=SC2086
    run "$QUERN" generate "$M" -p abc --temp 0.1 $options -q
    code 0
done
run "$QUERN" generate "$M" -p abc --typical 0.9 --temp 0.5 --seed 3 -q
cp out first
run "$QUERN" generate "$M" -p abc --typical 0.9 --temp 0.5 --seed 3 -q --threads 1
verdict "$(holds cmp -s out first)" 'the same seed, the same answer'

# DRY: the alphabet again would be a repetition.
run "$QUERN" generate "$M" -p 'abcdefabcdefabc' -n 3 --dry-multiplier 50 -q
code 0
verdict "$(holds test "$(cat out)" != def)" 'not the same again'
run "$QUERN" generate "$M" -p 'abcdefabcdefabc' -n 2 --dry-multiplier 50 --dry-breaker c -q
code 0; out_is 'de'
done_testing
