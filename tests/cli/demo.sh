# tests/cli/demo.sh — a model out of one's own text on the smallest rung: stages done once, stopped and gone on with,
# the same bits for any number of threads, what is refused. Other scripts and more kills: demo_text.sh.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 600 ]; do
    echo "The miller of brook $i turns the stone $((i * 7 % 13)) times, and the stone turns grain into flour."
    i=$((i + 1))
done >own.txt

# On one's own text: every stage is a command that is shown.
run "$QUERN" demo --corpus own.txt --time 5s --out own
code 0
out_has '── 1/5 tokenizer ──'
out_has "\$ quern train tokenizer --vocab 512 --bos '<|endoftext|>' --json --out own/tokenizer own.txt"
out_has 'tokens to learn from'
out_has 'Counting alone needs '
out_has 'So it writes:'
run "$QUERN" generate own/run/best -p 'The' --tokens 2
code 0

# Again: nothing is done again.
run "$QUERN" demo --corpus own.txt --time 5s --out own --no-talk --quiet
code 0
out_is ''
run "$QUERN" demo --corpus own.txt --time 5s --out own --no-talk
code 0
out_has '── 3/5 run ── done before'
out_lacks '$ quern'

# Killed at some instant, stopped at another, with another number of threads: the same bits in the end.
"$QUERN" demo --corpus own.txt --time 5s --out broken --threads 1 >said 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -e broken/run/last ]; do
    sleep 0.02
done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
rm -f broken/stages/data.json                       # as if it had come earlier for that stage
"$QUERN" demo --corpus own.txt --time 5s --out broken --threads 1 >said 2>&1 &
pid=$!
sleep 0.3
kill -INT $pid 2>/dev/null
wait $pid
stopped=$?
run cat said
verdict "$(holds test $stopped -eq 130 -o $stopped -eq 0)" 'stopped in order'
run "$QUERN" demo --corpus own.txt --time 5s --out broken --no-talk --threads 1
code 0
for file in run/best/model.safetensors run/last/model.safetensors tokenizer/tokenizer.json ngram/model.ngram; do
    run cmp own/$file broken/$file
    code 0
done

# What is made is made again where it was taken away, and with it nothing else.
rm -rf own/ngram
run "$QUERN" demo --corpus own.txt --time 5s --out own --no-talk
code 0
out_has '── 3/5 run ── done before'
out_has '$ quern train ngram'

# Another demo does not take a folder from this one, unless it may; nor one that is something else.
run "$QUERN" demo --corpus own.txt --time 5s --out own --seed 2
code 2
err_has 'holds a demo that was asked for something else (--time 5s'
"$QUERN" demo --corpus own.txt --time 5s --out own --seed 2 --force --no-talk >said 2>&1 &
pid=$!
until grep -q '"seed": 2' own/run/manifest.json 2>/dev/null || ! kill -0 $pid 2>/dev/null; do
    sleep 0.02
done
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
run grep '"seed": 2' own/run/manifest.json
code 0
run cat own/demo.json
out_has '"seed": 2'
mkdir hurt && echo '{"format": "quern de' >hurt/demo.json
run "$QUERN" demo --corpus own.txt --time 5s --out hurt
code 5
err_has 'hurt/demo.json'
err_has 'is damaged'
mkdir mine && echo 'my notes' >mine/notes.txt
run "$QUERN" demo --corpus own.txt --time 5s --out mine
code 2
err_has 'mine holds other things than a demo'
run ls mine
out_is 'notes.txt'

# Texts of which nothing can be made.
echo 'One line.' >line.txt
run "$QUERN" demo --corpus line.txt --out none
code 2
err_has 'line.txt: 10 bytes of text in 1 line: too little'
run "$QUERN" demo --corpus nowhere.txt --out none
code 4
run ls none
code 2

done_testing
