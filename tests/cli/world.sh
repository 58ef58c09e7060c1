# tests/cli/world.sh — a world made by the command: its files, what is in the way, what an interruption leaves.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

echo "To be, or not to be, that is the question of the day." >other.txt
run "$QUERN" data world --out world --sidecar --compare other.txt
code 0
out_has 'world: 192 people, 960 facts, told '
out_has 'what the text cannot do without: 0.'
out_has 'compared'
for name in corpus/part-0000.txt sidecar/part-0000.jsonl facts.jsonl world.json sft.jsonl preferences.jsonl \
    prompts.jsonl passages.jsonl eval/recall_transfer.jsonl; do
    run test -s "world/$name"
    code 0
done
run test -e world.partial
code 1
run grep -c '"kind":"person"' world/facts.jsonl
out_is 960
run head -n 1 world/facts.jsonl
out_has '"relation":"home"'
out_has '"mentions":'
run grep -q '"size": "small"' world/world.json
code 0

# The same bytes with other threads, and with no sidecar: the text, and the sets beside it.
run "$QUERN" data world --out one/two/again --threads 3 --json
code 0
out_has '"people": 192'
out_has '"share": {'
run cmp world/corpus/part-0000.txt one/two/again/corpus/part-0000.txt
code 0
run cmp world/corpus/part-0001.txt one/two/again/corpus/part-0001.txt
code 0
for name in facts.jsonl chat_template.jinja eval sft.jsonl preferences.jsonl prompts.jsonl passages.jsonl; do
    run diff -r world/$name one/two/again/$name
    code 0
done
run test -e one/two/again/sidecar
code 1

# Others from another seed, into a folder that is there; what a killed run of ours left beside it goes.
mkdir left
mkdir -p left.partial/corpus && touch left.partial/unfinished left.partial/corpus/.quern-12-0.tmp
run "$QUERN" data world --out left/ --seed 2 --quiet
code 0
run sh -c 'ls -d left*'
out_is left
run cmp -s world/corpus/part-0000.txt left/corpus/part-0000.txt
code 1

# What is there stays, unless it is a world and --force is given.
run "$QUERN" data world --out world
code 2
err_has 'holds a world already'
mkdir full && echo precious >full/file
run "$QUERN" data world --out full --force
code 2
err_has 'holds no world'
run cat full/file
out_is precious
mv left other
cp -r world/sidecar other/
run "$QUERN" data world --out other/ --seed 1 --quiet --force
code 0
run cmp world/corpus/part-0000.txt other/corpus/part-0000.txt
code 0

# Nothing of the user's goes: neither beside a world, nor where one would be written, nor under names that are none.
mkdir pd.partial && echo precious >pd.partial/thesis.txt
run "$QUERN" data world --out pd
code 2
err_has 'pd.partial: stands where the world would be written'
touch pd.partial/unfinished
run "$QUERN" data world --out pd
code 2
err_has 'pd.partial/thesis.txt: is no part of a world'
run cat pd.partial/thesis.txt
out_is precious
for file in notes.txt eval/mine.jsonl corpus/part-0000.txt.bak sidecar; do
    echo mine >other/$file
    run "$QUERN" data world --out other --force
    code 2
    err_has "other/$file: is no part of a world"
    run cat other/$file
    out_is mine
    rm other/$file
done
mkdir other.before
run "$QUERN" data world --out other --force
code 2
err_has 'other.before: stands in the way'
rmdir other.before
ln -s other link
for out in . ./ .. ../other "$scratch/other/" /; do
    run sh -c 'cd other && exec "$0" data world --out "$1" --force' "$QUERN" "$out"
    code 2
done
err_has 'as a whole'
run "$QUERN" data world --out link --force
code 2
err_has 'is a link'
run "$QUERN" data world --out ''
code 2
err_has "--out '': an empty name"
run cmp world/corpus/part-0000.txt other/corpus/part-0000.txt
code 0
run test -e other/sidecar -o -e other/unfinished -o -e other.before -o -e other.partial
code 1
echo '{"generator": "mine"}' >full/world.json
run "$QUERN" data world --out full --force
code 2
err_has 'holds no world'
rm full/world.json

# A text to compare with is looked at first.
: >empty.txt
run "$QUERN" data world --out x --compare empty.txt
code 2
err_has 'empty.txt: is empty'
printf 'a\0b' >binary
run "$QUERN" data world --out x --compare binary
code 2
err_has 'binary: is no text'

run "$QUERN" data world
code 2
err_has '--out DIR is missing'
run "$QUERN" data world --out full/file
code 2
err_has 'is a file'
run "$QUERN" data world --out full/file/x
code 4
err_has 'full/file'
run "$QUERN" data world --out x --compare nowhere.txt
code 4
err_has 'nowhere.txt'
run "$QUERN" data world --out x --size huge
code 2
run test -e x
code 1

# A folder that nothing may be written into (root may write everywhere).
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked && chmod 555 locked
    run "$QUERN" data world --out locked/world
    code 3
    err_has 'locked'
fi

# A disk that is full in the middle: nothing half done is left.
run sh -c 'ulimit -f 4096; trap "" XFSZ; exec "$0" data world --out small_disk' "$QUERN"
code 3
err_has 'small_disk.partial'
run sh -c 'ls -d small_disk*'
out_is ''

# Ctrl-C (a child in the background would ignore SIGINT, so it is TERM).
"$QUERN" data world --out stopped --size medium --quiet 2>err.txt &
pid=$!
i=0
while [ ! -e stopped.partial/corpus ] && [ $i -lt 200 ]; do
    sleep 0.02
    i=$((i + 1))
done
kill -TERM $pid
wait $pid
status=$?
last='data world, interrupted'
code 130
run sh -c 'ls -d stopped*'
out_is ''

# Training reads it: each document by itself.
head -n 4000 world/corpus/part-0000.txt >some.txt
run "$QUERN" train tokenizer some.txt --separator '<|endoftext|>' --vocab 512 --out tok --quiet
code 0
run "$QUERN" data prepare some.txt --separator '<|endoftext|>' --tokenizer tok --dedup none --out data --quiet
code 0
documents=$(sed '$d' some.txt | grep -cx '<|endoftext|>')
run grep -c "\"documents\": $((documents + 1))," data/data.json
code 0
printf 'one\n---\ntwo\n' >parted.txt
run "$QUERN" data prepare parted.txt --separator '---' --tokenizer tok --out parted --validation 0 --json
code 0
out_has '"documents": 2'
run "$QUERN" data prepare parted.txt --separator '' --tokenizer tok --out none
code 2
err_has 'without a line break'

done_testing
