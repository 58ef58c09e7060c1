#!/bin/sh
# tests/cli/eval.sh — eval TASK and eval suite: what they say, write and refuse, on models that know the alphabet.
. "$(dirname "$0")/lib.sh"
tiny

# The model continues "abc" with "def…"; behind a newline it begins A B C.
mkdir "$S/tasks"
cat >"$S/tasks/next.jsonl" <<'END'
{"task":"next","kind":"choice","description":"the next letters","choice_sets":{"letters":["d","e","f"]}}
{"id":"c","context":"abc","choice_set":"letters","answer":0,"groups":{"half":"first"}}
{"id":"d","context":"abcd","choice_set":"letters","answer":1,"groups":{"half":"first"}}
{"id":"e","context":"xy","choices":["z"," z"],"answer":0,"groups":{"half":"second"}}
{"id":"f","context":"ab","choice_set":"letters","answer":2,"groups":{"half":"second"}}
END
cat >"$S/tasks/pairs.jsonl" <<'END'
{"task":"pairs","kind":"pair"}
{"good":"abc","bad":"acb"}
END
cat >"$S/tasks/say.jsonl" <<'END'
{"task":"say","kind":"generate","judge":"exact","stop":["j"],"max_tokens":8,"abstain":["XYZ"]}
{"id":"s","prompt":"abc","targets":["defghi"]}
{"id":"m","prompt":"abc","targets":["defg"],"max_tokens":4}
{"id":"t","messages":[{"role":"user","content":"hi"}],"targets":["ABCDEFGH"]}
{"id":"u","prompt":"ab","targets":["abstain"],"judge":"abstain","known":true}
END
cat >"$S/tasks/words.jsonl" <<'END'
{"task":"words","kind":"text"}
{"text":"abcdefghijklmnopqrstuvwxyz"}
END

run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --items "$S/items" --out "$S/result.json"
code 0; out_has 'next       4  acc '; out_has '75.0 %'; out_has '37.5 %'; out_has '  half first '; out_has 'items/s'
cp "$S/items" "$S/out"
out_has '{"task":"next","id":"c","acc":1,"answer":0,"pick":0,'; out_has '"id":"f","acc":0,"answer":2'
out_has '"logprobs":[-'; out_has '"greedy":true'
cp "$S/result.json" "$S/out"
out_has '"format": "quern-eval-1"'; out_has '"name": "next"'; out_has '"metric": "acc"'; out_has '"value": 0.75'
out_has '"chance": 0.37'; out_has '"majority": 0.5'; out_has '"baselines": {'; out_has '"half": {'; out_has '"first": {'

# A stranger's words do not steer the terminal.
cat >"$S/escape.jsonl" <<'END'
{"task":"t\u001b[31m","kind":"choice"}
{"context":"x","choices":["y","z"],"answer":0,"groups":{"k":"\u001b[31mred\u0007"}}
END
run "$QUERN" eval "$S/escape.jsonl" "$M"
code 0; out_has 'k ?[31mred?'
run "$QUERN" eval suite "$M" --tasks "$S/tasks"
code 0; out_has 'pairs       1  acc '; out_has 'say         4  acc '; out_has 'words       1  bits_per_byte'
run "$QUERN" eval suite "$M" --tasks "$S/tasks" --json
code 0; out_has '"name": "say"'; out_has '"value": 0.75'
cp "$S/out" "$S/first"
grep -v seconds "$S/first" >"$S/first.plain"
# Threads and the room for sequences change no digit.
run "$QUERN" eval suite "$M" --tasks "$S/tasks" --json --threads 1 --ctx 96
code 0
grep -v 'seconds\|"context"' "$S/out" >"$S/second.plain"
grep -v '"context"' "$S/first.plain" >"$S/first.same"
run cmp "$S/first.same" "$S/second.plain"
code 0

run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --vs "$M" --baseline "$S/tiny" --limit 2
code 0; out_has 'next       2  acc '; out_has '  tiny'; out_has 'p = 1'; out_has 'better on 0 items'
# Names of one's own; by them a program finds the figures, so there are no two alike.
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --baseline "another one=$S/tiny" --baseline "$S/tiny" --limit 2 \
    --out "$S/named"
code 0; out_has '  another one'; out_has '      tiny'
cp "$S/named" "$S/out"
out_has '"another one": {'; out_has '"tiny": {'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --baseline "$S/tiny" --baseline "$S/tiny" --limit 2
code 2; err_has 'another column is called "tiny" already'; err_has '--baseline other='
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --baseline "model=$S/tiny" --limit 2
code 2; err_has 'another column is called "model" already'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --baseline "=$S/tiny"
code 2; err_has 'a name of 1 to 31 bytes'
cp -r "$S/tiny" "$S/a=b"
run sh -c 'cd "$S" && "$QUERN" eval tasks/next.jsonl "$M" --baseline a=b --limit 2'
code 0; out_has '  a=b'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --baseline "x=$S/absent"
code 4; err_has 'absent'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --vs "$M" --json
code 0; out_has '"difference": 0'; out_has '"p": 1'; out_has '"vs": {'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --shots 1 --seed 3
code 0; out_has 'next       4'

printf 'It said: one two three four five six seven eight nine ten eleven twelve thirteen.' >"$S/corpus.txt"
printf '%s\n%s\n' '{"task":"seen","kind":"text"}' \
    '{"text":"one two three four five six seven eight nine ten eleven twelve thirteen"}' >"$S/seen.jsonl"
run "$QUERN" eval "$S/seen.jsonl" "$M" --contamination "$S/corpus.txt"
code 0; out_has 'seen: 1 of 1 items have 13 words in a row in that text'
run "$QUERN" eval "$S/seen.jsonl" "$M" --contamination "$S/corpus.txt" --json
code 0; out_has '"found": 1,'

# Benchmarks, as distributed.
printf '%s\n%s\n' '{"sentence_good":"abc","sentence_bad":"acb","UID":"order"}' \
    '{"sentence_good":"xyz","sentence_bad":"xzy","UID":"order"}' >"$S/blimp.jsonl"
run "$QUERN" eval blimp "$M" --data "$S/blimp.jsonl"
code 0; out_has '100.0 %'; out_has '  uid order '
printf '%s\n' '{"question":"1+1?","answer":"So 2.\n#### 2"}' '{"question":"1+2?","answer":"So 3.\n#### 3"}' \
    >"$S/gsm.jsonl"
run "$QUERN" eval gsm8k "$M" --data "$S/gsm.jsonl" --shots 1
code 0; out_has 'strict'; out_has 'flexible'
run "$QUERN" eval gsm8k "$M" --data "$S/gsm.jsonl"
code 2; err_has '5 shots are asked for, there are 1 items to show'
run "$QUERN" eval piqa "$M"
code 2; err_has 'piqa needs --data'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --data "$S/gsm.jsonl"
code 2; err_has 'belongs to a benchmark'
run "$QUERN" eval helaswag "$M"
code 2; err_has 'is no task file and no benchmark'

# What is wrong is told with its place.
printf '{"task":"a","kind":"choice"}\n{"context":"x","choices":["a","b"]}\n' >"$S/bad.jsonl"
run "$QUERN" eval "$S/bad.jsonl" "$M"
code 5; out_is ''; err_has 'bad.jsonl:2'; err_has 'needs "answer"'
run "$QUERN" eval "$S/absent.jsonl" "$M"
code 4; err_has 'absent.jsonl'
run "$QUERN" eval suite "$M"
code 2; err_has 'give --tasks'
mkdir "$S/empty"
run "$QUERN" eval suite "$M" --tasks "$S/empty"
code 2; err_has 'no task files'
run "$QUERN" eval suite "$S/absent" --tasks "$S/tasks"
code 4
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --items "$S/absent/items"
code 4; err_has 'absent/items'; out_is ''

# Where a result goes is looked at before the work; what is none of ours stays, unless it is given away.
run "$QUERN" eval suite "$S/absent.gguf" --tasks "$S/tasks" --out "$S/absent/result"
code 4; err_has 'absent/result'; err_lacks 'absent.gguf'
for option in out items; do
    run "$QUERN" eval "$S/tasks/next.jsonl" "$S/absent.gguf" --$option "$S/tasks/next.jsonl"
    code 2; err_has 'next.jsonl: is there already and is not '
    run "$QUERN" eval "$S/tasks/next.jsonl" "$S/absent.gguf" --$option "$S/tasks"
    code 3; err_has 'is a directory'
done
echo mine >"$S/mine"
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --limit 1 --out "$S/mine" --force
code 0
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --limit 1 --out "$S/mine" --items "$S/items"
code 0
# Full at the end: what was found is shown all the same.
run sh -c '(ulimit -f 0; trap "" XFSZ; "$QUERN" eval "$S/tasks/next.jsonl" "$M" --limit 1 --out "$S/late" 2>&1) | cat'
out_has 'next       1  acc '; out_has 'late: cannot write'
run "$QUERN" eval "$S/tasks/next.jsonl" "$M" --ctx 2 --limit 1
code 0; out_has '1 item was longer than the context'; out_has 'was cut (next 1)'

done_testing
