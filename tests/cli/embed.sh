# Texts to vectors: one per line, the same whatever stands beside; what a directory says; what is refused.
. "$(dirname "$0")/lib.sh"
tiny
B=$S/bert
cd "$S" || exit 1

run "$QUERN" info "$B"
code 0
out_has 'WordPiece, 40 tokens'
out_has '[CLS] … [SEP]'
out_has 'mean pooling, length 1, texts up to 12 tokens'
out_lacks 'chat template'

run "$QUERN" embed "$B" -p 'Hello, world!' --json
code 0
out_has '{"embedding": ['
out_has '"tokens": 6}'
cp "$scratch/out" hello.json

printf 'a\nHello, world!\n\nHELLO , WORLD !\r\nhello' >lines.txt
run "$QUERN" embed "$B" -f lines.txt --json
code 0
verdict "$(holds test "$(wc -l <"$scratch/out")" -eq 5)" 'five lines'
verdict "$(holds test "$(sed -n 2p "$scratch/out")" = "$(cat hello.json)")" 'the same vector beside others'
verdict "$(holds test "$(sed -n 4p "$scratch/out")" = "$(cat hello.json)")" 'upper case and blanks are no matter'
verdict "$(holds grep -q '"tokens": 2}' "$scratch/out")" 'an empty line is an empty text'
cp "$scratch/out" five.json
run "$QUERN" embed "$B" -f lines.txt --json --threads 3
verdict "$(holds cmp -s "$scratch/out" five.json)" 'threads change nothing'
run "$QUERN" embed "$B" -p 'Hello, world!'
code 0
verdict "$(holds test "$(wc -w <"$scratch/out")" -eq 32)" '32 numbers'
run "$QUERN" embed "$B" -p 'hello' --pooling cls --normalize no --weights q8_0
code 0
run "$QUERN" embed "$B" -p ''
code 0

# as many texts as are given
run "$QUERN" embed "$B" -p a -p 'Hello, world!' -p '' --json
code 0
verdict "$(holds test "$(wc -l <"$scratch/out")" -eq 3)" 'three texts, three vectors'
verdict "$(holds test "$(sed -n 2p "$scratch/out")" = "$(cat hello.json)")" 'the second is the second'
run "$QUERN" embed "$B" -p a -f lines.txt
code 2; err_has '--text and --file are both given'
run "$QUERN" embed "$B" -p - -p -
code 2; err_has 'standard input can be read once'

# too long: an error that says how long, or cut and said
long='a a a a a a a a a a a a a a a'
run "$QUERN" embed "$B" -p "$long"
code 8
err_has 'text 1 has 17 tokens; this model reads 12 at once'
err_has '--truncate'
run "$QUERN" embed "$B" -p "$long" --truncate --json
code 0
out_has '"tokens": 12, "truncated_from": 17}'
err_has '1 of 1 texts were longer than 12 tokens and are cut; the first is text 1, of 17 tokens'
run "$QUERN" embed "$B" -p "$long" --max-tokens 16
code 8
run "$QUERN" embed "$B" -p a --max-tokens 17
code 8
err_has 'knows 16 positions'
run "$QUERN" embed "$B" -p a --max-tokens 2
code 2

# "[SEP]" in a text is text, unless it is asked for
run "$QUERN" embed "$B" -p '[SEP]' --json
out_has '"tokens": 5}'
run "$QUERN" embed "$B" -p '[SEP]' --json --parse-special
out_has '"tokens": 3}'

# to GGUF and back: the same vectors
run "$QUERN" convert "$B" bert.gguf
code 0
run "$QUERN" embed bert.gguf -f lines.txt --json
verdict "$(holds cmp -s "$scratch/out" five.json)" 'the same from GGUF'
run "$QUERN" convert bert.gguf back
code 0
run "$QUERN" embed back -f lines.txt --json
verdict "$(holds cmp -s "$scratch/out" five.json)" 'the same from the directory made of it'
verdict "$(holds test -f back/1_Pooling/config.json)" 'the pooling goes along'

# what is no encoder, and what an encoder does not do
run "$QUERN" embed "$M" -p abc
code 2
err_has 'say it with --pooling mean or last'
run "$QUERN" embed "$M" -p abc --pooling last --json
code 0
out_has '"tokens": 3}'
run "$QUERN" generate "$B" -p abc
code 6
err_has 'a bert model reads a text whole and continues none'
run "$QUERN" chat "$B"
code 6
run "$QUERN" train sft "$B" --data nothing.jsonl --out x
verdict "$(holds test "$status" -ne 0)" 'no training'
rm "$B/1_Pooling/config.json"
run "$QUERN" embed "$B" -p a
code 4
err_has '1_Pooling/config.json is missing'
printf '{"word_embedding_dimension": 32, "pooling_mode_cls_token": true}' >"$B/1_Pooling/config.json"
rm "$B/tokenizer.json"
run "$QUERN" embed "$B" -p a
code 4
err_has tokenizer.json
run "$QUERN" embed "$B"
code 2
done_testing
