# tests/cli/data.sh — corpora prepared and looked at: what is written, what is shown, what is refused.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 300 ]; do
    echo "{\"text\": \"The miller of brook $i turns the stone, and the stone turns grain into flour.\", \"id\": $i}"
    i=$((i + 1))
done >corpus.jsonl
echo '{"text": "The miller of brook 7 turns the stone, and the stone turns grain into flour."}' >>corpus.jsonl
echo '{"text": "  "}' >>corpus.jsonl
run "$QUERN" train tokenizer corpus.jsonl --vocab 320 --out tok --quiet
code 0

# A tokenizer's folder, without a model, is enough, and its EOS is known.
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out data --validation 10%
code 0
out_has 'data: 300 documents out of 1 file, in 2 shards'
out_has 'left out: 1 duplicate, 1 empty'
err_is ''
run cmp data/tokenizer.json tok/tokenizer.json
code 0
run cmp data/tokenizer_config.json tok/tokenizer_config.json
code 0
run "$QUERN" data check data --rows 1 --context 64
code 0
out_has 'row 0: '
out_has '── document '
out_has '⟦<|endoftext|>⟧'
out_has 'left out: 1 duplicate, 1 empty'
out_has 'leaked        0 validation'
run "$QUERN" data check data --rows 1 --context 64 --color always
out_has '[36m<|endoftext|>'
out_lacks '⟦'
run "$QUERN" data check data --rows 1 --context 64 --split validation --json
code 0
out_has '"document": 0'
out_has '"leaked": 0'
out_has '"duplicates": 1'

# A window of a stream runs on over documents, and says which.
run "$QUERN" data check data --rows 1 --context 128 --packing stream
code 0
both='^── document [0-9]+, token [0-9]+ of [0-9]+, to document [0-9]+, token [0-9]+ of'
verdict "$(holds grep -Eq "$both" "$scratch/out")" 'both ends of the window'

# The same bits with other threads, out of zstd or gzip, from standard input.
run "$QUERN" data prepare - --tokenizer tok/tokenizer.json --out threads --validation 0.1 --threads 3 <corpus.jsonl
code 0
err_has 'warning'
gzip -c corpus.jsonl >packed.jsonl.gz
run "$QUERN" data prepare packed.jsonl.gz --tokenizer tok --out packed --validation 0.1 --threads 3 --json
code 0
out_has '"duplicates": 1'
run cmp data/train-00000.tokens packed/train-00000.tokens
code 0
run cmp data/validation-00000.tokens packed/validation-00000.tokens
code 0

# Nothing is replaced unasked.
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out data
code 2
err_has 'holds prepared data already'
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out data --force --dedup none
code 0
out_has 'left out: 0 duplicates, 1 empty'
run "$QUERN" train tokenizer corpus.jsonl --vocab 300 --out theirs --quiet
cp theirs/tokenizer.json theirs.json
for force in '' --force; do
    run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out theirs $force
    code 2
    err_has 'theirs: is not empty (it holds tokenizer.json); prepared data go into a folder of their own'
done
run cmp theirs/tokenizer.json theirs.json
code 0
cp -r data mixed
: >mixed/notes.txt
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out mixed --force
code 2
err_has 'it holds notes.txt'
rm mixed/notes.txt mixed/data.json                 # killed before it was whole
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out mixed --quiet
code 0

# One book: its end is the validation, and that is said.
sed 's/.*"text": "\(.*\)".*/\1/' corpus.jsonl >book.txt
run "$QUERN" data prepare book.txt --tokenizer tok --out book --validation 5%
code 0
err_has 'a part of the largest one became it'
run "$QUERN" data check book --rows 1 --context 32 --packing stream --seed 3
code 0
out_has 'row 0: 1 piece, 32 of 32 tokens'

# Sources with weights.
run "$QUERN" data prepare --source corpus.jsonl=3 --source book.txt=1 --tokenizer tok --out mix
code 0
out_has 'book.txt: '
out_has 'weight 3'
run "$QUERN" data prepare --source book.txt --tokenizer tok --out none
code 2
err_has 'PATH=WEIGHT'

# Raw text is looked at without leaving anything behind.
mkdir t
run env TMPDIR="$scratch/t" "$QUERN" data check book.txt --tokenizer tok --rows 0
code 0
out_has 'train         1 document, '
run ls -A t
out_is ''
run "$QUERN" data check book.txt
code 2
err_has '--tokenizer is missing'

# A terminal is not at the mercy of a corpus.
printf 'a\033[31mred\007 \342\200\256right to left' >nasty.txt
run "$QUERN" data check nasty.txt --tokenizer tok --rows 9 --validation 0 --context 64
code 0
out_has '\u{1b}[31mred\u{7} \u{202e}right'
out_lacks "$(printf '\033')"

# Bytes that are no UTF-8.
printf 'caf\351 au lait\n' >latin.txt
run "$QUERN" data prepare latin.txt --tokenizer tok --out latin --validation 0
code 0
err_has '1 broken characters were replaced'
run "$QUERN" data prepare latin.txt --tokenizer tok --out refused --invalid refuse
code 9
err_has 'byte 3 (0xe9)'

# What begins with little but broken characters is no text: a file that is named is refused, one of a folder passed
# over, and that is said once.
i=0
while [ $i -lt 9 ]; do printf '\300\304 \326\334 '; i=$((i + 1)); done >koi8.txt
run "$QUERN" data prepare koi8.txt --tokenizer tok --out koi8
code 5
err_has 'koi8.txt is no text in UTF-8: 36 broken characters in its first 54 bytes (other encodings can be converted'
mkdir several
cp koi8.txt book.txt several
mkfifo several/pipe
ln -s nowhere several/dangling
run "$QUERN" data prepare several --tokenizer tok --out of-several --validation 0
code 0
out_has '1 document out of 1 file, in 1 shard'
cp err heard
for said in 'koi8.txt is passed over: it is no text' 'pipe is passed over: it is no file' \
    'dangling is passed over: No such file'; do
    run grep -cF "several/$said" heard
    out_is 1
done

# Lines that are no JSON: refused with a way on, or passed over and counted.
{ head -n 9 corpus.jsonl; echo '{"text": "torn'; echo 'no JSON'; tail -n +10 corpus.jsonl; } >torn.jsonl
for ask in "data prepare torn.jsonl --tokenizer tok --out torn" "data check torn.jsonl --tokenizer tok" \
    "train tokenizer torn.jsonl --vocab 300 --out torn-tok"; do
    run "$QUERN" $ask
    code 5
    err_has 'torn.jsonl:10:'
    err_has '--bad-lines skip passes over such lines'
    run "$QUERN" $ask --bad-lines skip
    code 0
    err_has '2 lines were passed over, no JSON: torn.jsonl:10, torn.jsonl:11'
done
run "$QUERN" data prepare torn.jsonl --tokenizer tok --out torn2 --bad-lines skip --json --quiet
code 0
out_has '"bad_lines": 2'
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out sound --json --quiet
code 0
out_has '"bad_lines": 0'
run cmp torn2/train-00000.tokens sound/train-00000.tokens
code 0
run "$QUERN" data check torn2 --rows 0
out_has 'left out: 0 without a text, 2 of no JSON'
run "$QUERN" data check sound --rows 0
out_lacks 'of no JSON'

run "$QUERN" data prepare corpus.jsonl --tokenizer tok
code 2
err_has '--out DIR is missing'
run "$QUERN" data prepare corpus.jsonl --out x
code 2
err_has '--tokenizer is missing'
run "$QUERN" data prepare --tokenizer tok --out x
code 2
err_has 'no corpus'
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out x --validation 60%
code 2
err_has '0 … 0.5'
run "$QUERN" data prepare nowhere.txt --tokenizer tok --out x
code 4
: >empty.txt
run "$QUERN" data prepare empty.txt --tokenizer tok --out x
code 2
err_has 'the corpus is empty'
run test -e x
code 1
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out book.txt/folder
code 3
err_has 'book.txt'
run "$QUERN" data prepare corpus.jsonl --tokenizer tok --out new/folder
code 0

# Damage is found.
cp -r packed damaged
printf 'XX' | dd of=damaged/train-00000.tokens bs=1 seek=100 conv=notrunc 2>/dev/null
run "$QUERN" data check damaged
code 5
err_has 'the checksum is'
rm damaged/data.json
run "$QUERN" data check damaged --tokenizer tok
code 2
err_has 'not prepared to the end'

run "$QUERN" data
code 2
err_has 'quern data prepare, quern data check'

done_testing
