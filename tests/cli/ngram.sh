# tests/cli/ngram.sh — n-grams counted out of texts and prepared data: what is written, what is said, what is refused.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 300 ]; do
    echo "{\"text\": \"The miller of brook $i turns the stone, and the stone turns grain into flour.\"}"
    i=$((i + 1))
done >corpus.jsonl
"$QUERN" train tokenizer corpus.jsonl --vocab 320 --out tok --quiet >tok.out || exit 1
"$QUERN" data prepare corpus.jsonl --tokenizer tok --out data --validation 10% --quiet >data.out || exit 1

run "$QUERN" train ngram data --out five
code 0
err_is ''
out_has 'five: 5-grams of '
out_has 'bits per byte over '
run cmp five/tokenizer.json data/tokenizer.json
code 0
run cmp five/tokenizer_config.json data/tokenizer_config.json
code 0

# Nothing is replaced unasked; the same data give the same bits.
run "$QUERN" train ngram data --out five
code 2
err_has 'five/model.ngram is there already; --force replaces it'
cp five/model.ngram first.ngram
run "$QUERN" train ngram data --out five --force --threads 2
code 0
run cmp five/model.ngram first.ngram
code 0

# Texts are prepared first.
run "$QUERN" train ngram corpus.jsonl --tokenizer tok --order 3 --out three --validation 10% --json
code 0
out_has '"order": 3'
out_has '"eval_bits_per_byte": 0.'
run cmp three/data/train-00000.tokens data/train-00000.tokens
code 0

# What is refused.
run "$QUERN" train ngram corpus.jsonl --out none
code 2
err_has 'holds texts, which need a tokenizer: `quern train tokenizer corpus.jsonl --out tokenizer`'
run "$QUERN" train ngram data --tokenizer tok --out none
code 2
err_has '--tokenizer is for texts; data is prepared already'
run "$QUERN" train ngram data
code 2
err_has '--out DIR is missing'
run "$QUERN" train ngram data --order 9 --out none
code 2
err_has 'order'
run "$QUERN" train ngram nowhere --tokenizer tok --out none
code 4
err_has 'nowhere'
run ls none
code 2

done_testing
