# tests/cli/demo_text.sh — `demo --corpus` on other texts: one line, another script; Ctrl-C in each stage and the
# same command again; the prompt at a terminal. (A disk that is too small: test_demo_room.c.)
# full: WHOLE=1
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

# All of it in one line, and no end of it.
awk 'BEGIN { for (i = 0; i < 500; i++) printf "The miller of brook %d turns the stone %d times. ", i, i * 7 % 13 }' \
    >line.txt
run "$QUERN" demo --corpus line.txt --time 5s --out line --threads 1
code 0
out_has 'MB in 1 line, 0 % of its characters beyond ASCII'
err_has 'little of the language'
err_has 'a part of the largest one became it'
out_has 'Counting alone needs '
out_has 'So it writes:'
out_lacks '--corpus FILE'
out_lacks 'Once'
said=$(tr '\n' ' ' <"$scratch/out" | sed -n "s/.*-p '\([^']*\)'.*/\1/p")
verdict "$(holds grep -qF "${said:-nothing}" line.txt)" "a beginning out of the text itself: $said"

# Chinese: 24 characters put together in many ways, three bytes each, without blanks. Cyrillic where there is time.
awk 'BEGIN {
    n = split("磨 坊 主 人 在 溪 边 转 动 石 头 把 谷 子 变 成 面 粉 村 里 的 都 来 买", c, " ")
    for (i = 0; i < 600; i++) {
        for (k = 0; k < 24; k++)
            printf "%s", c[1 + (i * 7 + k * (1 + i % 5)) % n]
        print "。"
    }
}' >chinese.txt
run "$QUERN" demo --corpus chinese.txt --time 5s --out chinese --threads 1
code 0
out_has '96 % of its characters beyond ASCII'
out_has 'So it writes:'
sed '1,/So it writes:/d' "$scratch/out" >written
verdict "$(holds test -s written -a -z "$(grep '[A-Za-z]' written)")" 'Chinese, and nothing else'
run "$QUERN" tokenize chinese/run/best --ids '磨坊主人'
code 0
verdict "$(holds test "$(wc -w <"$scratch/out")" -lt 12)" 'fewer tokens than bytes'
if [ "${WHOLE:-0}" = 1 ]; then
    awk 'BEGIN { for (i = 0; i < 300; i++)
        print "Мельник у ручья " i " вращает камень, и камень превращает зерно в муку." }' >cyrillic.txt
    run "$QUERN" demo --corpus cyrillic.txt --time 5s --out cyrillic
    code 0
    out_has '% of its characters beyond ASCII'
    out_has 'So it writes:'
fi

# Ctrl-C in each stage, or where that is done at once in the next; the same command goes on each time, to the same bits.
last='demo, stopped in each stage'
stops=0
for stage in tokenizer data run ngram report; do
    : >said
    "$QUERN" demo --corpus line.txt --time 5s --out stopped --threads 1 --no-talk >said 2>&1 &
    pid=$!
    until grep -q " $stage ──" said || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -INT $pid 2>/dev/null
    wait $pid
    status=$?
    cp said "$scratch/out"
    verdict "$(holds test $status -eq 130 -o $status -eq 0)" 'stopped in order, or done'
    if [ $status -eq 130 ]; then
        stops=$((stops + 1))
        out_has 'the same command goes on from there'
    fi
done
verdict "$(holds test $stops -ge 2)" 'stopped in two stages at least'
run "$QUERN" demo --corpus line.txt --time 5s --out stopped --threads 1 --no-talk
code 0
for file in run/best/model.safetensors run/last/model.safetensors tokenizer/tokenizer.json ngram/model.ngram; do
    run cmp line/$file stopped/$file
    code 0
done

# At a terminal the model goes on with what is begun; an empty line ends it, and so does Ctrl-C at the prompt. (Once:
# the level changes nothing here. exec: dash in between would end with the interrupt's 130.)
if [ -z "${QUERN_CPU:-}" ] && script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    again='exec "$QUERN" demo --corpus line.txt --time 5s --out line --threads 1'
    export QUERN
    last='demo at a terminal'
    : >out
    talk() { shows '> ' 1; printf 'The miller of\r'; shows '> ' 2; printf '\r'; sleep 0.2; }
    talk | script -qec "$again" /dev/null >"$scratch/out" 2>"$scratch/err"
    status=$?
    code 0
    out_has 'Now you: write how a sentence begins'
    out_lacks 'So it writes:'
    verdict "$(holds test "$(grep -c 'The miller of' out)" -ge 2)" 'what was typed, and how it goes on'
    : >out
    stop() { shows '> ' 1; printf '\003'; sleep 0.2; }
    stop | script -qec "$again" /dev/null >"$scratch/out" 2>"$scratch/err"
    status=$?
    code 0
    out_has 'Now you: write how a sentence begins'
fi

done_testing
