# tests/cli/sft.sh — examples looked at and taught: masks, plan, run, kill and resume to the same bits; refusals.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
tiny
chats

# What is taught is shown, and what is lost is said.
run "$QUERN" data check --model tiny chats.jsonl --rows 1
code 0
out_has '── row 1: example, '
out_has '⟦<|im_end|>⟧'
out_has '›0 it is⟦<|im_end|>⟧‹'
out_has 'form          chat messages; the model'
out_has 'left out      nothing'
run "$QUERN" data check --model tiny chats.jsonl --rows 1 --color always
out_has '[2;36m<|im_start|>'
cp chats.jsonl faulty.jsonl
echo '{"messages": [{"role": "user", "content": "say"}, {"role": "assistant", "content": " "}]}' >>faulty.jsonl
echo '{"messages": [{"content": "say"}, {"role": "assistant", "content": "a"}]}' >>faulty.jsonl
run "$QUERN" data check --model tiny faulty.jsonl --rows 0 --json
code 0
out_has '"form": "chat messages"'
out_has '"why": "an empty answer"'
out_has '"why": "a message without a known role"'
err_has '1 × an empty answer (row 41)'
run "$QUERN" data check --model tiny faulty.jsonl --strict
code 2
err_has 'faulty.jsonl: row 41: an empty answer'
{ head -n 3 chats.jsonl; echo '{"messages": ['; tail -n +4 chats.jsonl; } >torn.jsonl
run "$QUERN" data check --model tiny torn.jsonl
code 5
err_has 'torn.jsonl: row 4'
run "$QUERN" data check --model tiny torn.jsonl --bad-lines skip
code 0
out_has 'left out      1 × no JSON (row 4)'
run "$QUERN" data check --model tiny torn.jsonl --bad-lines skip --strict
code 2
err_has 'torn.jsonl: row 4: no JSON'
run "$QUERN" data check chats.jsonl
code 2
err_has '--model is missing'
# What `train sft` takes is looked at, and what it refuses is refused in the same words.
{ printf '\357\273\277'; head -n 2 chats.jsonl | sed 's/$/\r/'; } >marked.jsonl
run "$QUERN" data check --model tiny marked.jsonl --rows 0
code 0
out_has 'form          chat messages; the model'
out_has 'examples      2 out of 2 rows'
echo '{"Question": "say 1", "Answer": "1 it is"}' >unknown.jsonl
echo '{"data": [{"prompt": "say 1", "completion": "1 it is"}]}' >nested.json
for file in unknown.jsonl nested.json; do
    for ask in 'data check --model' 'train sft --dry-run --context 64 --data'; do
        run "$QUERN" $ask $([ "$ask" = 'data check --model' ] && echo tiny $file || echo $file tiny)
        code 5
        err_has "$file: row 1: none of the forms that are known: messages; conversations; instruction and output;"
        err_lacks field
    done
done
printf '{\n  "prompt": "say 1",\n  "completion": "1 it is"\n}\n' >pretty.json
run "$QUERN" data check --model tiny pretty.json
code 5
err_has 'pretty.json: begins with '"'{'"' and so is read as JSON lines'
err_has 'what is expected is one line for each object, or all of them in an array'
echo '{"text": "another form"}' >>faulty.jsonl
run "$QUERN" data check --model tiny faulty.jsonl
code 5
err_has 'row 43: its form is plain text'
# Of several files each row is named with its own; a template that refuses says why.
head -n 41 faulty.jsonl >second.jsonl
echo '{"messages": [{"role": "user", "content": "refuse"}, {"role": "assistant", "content": "a"}]}' >>second.jsonl
run "$QUERN" data check --model tiny chats.jsonl second.jsonl --rows 1
code 0
out_has '── chats.jsonl, row 1: example, '
out_has '1 × an empty answer (row second.jsonl:41); 1 × the chat template cannot render it (row second.jsonl:42)'
out_has 'the template refuses'
run "$QUERN" data check --model tiny chats.jsonl second.jsonl --rows 0 --json
out_has '"in": ['
tail -n 1 second.jsonl >third.jsonl
run "$QUERN" data check --model tiny third.jsonl --strict
code 2
err_has 'row 1: the chat template cannot render it: '
err_has 'the template refuses'

# Quantized numbers are not trained, unless they are taken for what they stand for.
sft() { run "$QUERN" train sft "$@" --data chats.jsonl --context 64; }
bare() { run "$QUERN" train sft "$@"; }
sft tiny.gguf --out run
code 2
err_has 'weights are quantized'
err_has '--weights f32'
run ls
out_lacks run
bare tiny --data chats.jsonl
code 2
err_has 'needed: --data'
bare tiny --out run
code 2
bare tiny --data chats.jsonl --out run --context 100000
code 2
err_has 'do not fit into the model'
# A pipe is read once: what it is, and its rows.
last='examples out of a pipe'
"$QUERN" train sft tiny --data /dev/stdin --context 64 --dry-run <chats.jsonl >"$scratch/out" 2>"$scratch/err"
status=$?
code 0
err_has 'data    chat messages: '
mkfifo pipe
cat chats.jsonl >pipe &
run "$QUERN" train sft tiny --data pipe --context 64 --dry-run
code 0
err_has 'data    chat messages: '
sft tiny.gguf --weights f32 --dry-run --epochs 2
code 0
err_has 'chat messages: 40 rows, 40 examples'
err_has '2.0 epochs'
run ls
out_lacks run

# Of pairs the chosen answers are taught, and that is said. What is held out and trained on is told from what is new.
pairs
bare tiny --data pairs.jsonl --context 64 --dry-run
code 0
err_has 'only the chosen answers are taught; `quern train dpo` learns from both'
sft tiny --held chats.jsonl --dry-run
code 0
err_has '40 of 40 examples that are held out have a prompt that is trained on, too'
echo '{"messages": [{"role": "user", "content": "another"}, {"role": "assistant", "content": "a"}]}' >other.jsonl
sft tiny --held other.jsonl --dry-run
code 0
err_lacks 'held    '

# A run to its end answers and stops; its template and tokenizer go with it.
sft tiny --out run --epochs 6 --lr 1e-2 --neftune 5 --json
code 0
out_has '"state": "done"'
out_has '"read_per_second": '
err_has 'validation loss'
err_has 'writes: '
run ls run/last
out_has tokenizer_config.json
run "$QUERN" generate run/best --chat -p 'say 7' --tokens 30 --verbose
code 0
out_has 'it is'
run grep -c neftune run/manifest.json
code 0

# Stopped anywhere, it ends with the same bits; threads are no matter.
plan='--data chats.jsonl --context 64 --batch 4 --steps 8 --lr 1e-3 --neftune 5 --dropout 0.1 --checkpoint-every 1
    --eval-every 3 --seed 5'
run "$QUERN" train sft tiny $plan --out whole --threads 1 --quiet
code 0
killed cut "$QUERN" train sft tiny $plan --out cut --threads 2 --quiet
mv chats.jsonl away.jsonl
run "$QUERN" train resume cut --threads 2 --quiet
code 0
run cmp cut/last/model.safetensors whole/last/model.safetensors
code 0
run cmp cut/last/training_state.safetensors whole/last/training_state.safetensors
code 0
run cmp cut/last/config.json whole/last/config.json
code 0
mv away.jsonl chats.jsonl

# Killed before its first checkpoint it begins again.
rm -rf cut/last cut/best cut/checkpoints
run "$QUERN" train resume cut --quiet
code 0
run cmp cut/last/model.safetensors whole/last/model.safetensors
code 0

# Passes of any size, and shards, make the same batch.
run "$QUERN" train sft tiny $plan --micro-batch 1 --out ones
code 0
verdict "$(holds grep -Eq '[0-9] tokens/s, [0-9]+ of them taught' "$scratch/out")" 'both speeds'

# Tasks on the way: asked at each evaluation, of the model as it is, and no bit of it is another for that. A resume goes
# on with them, or without those that are gone.
echo '{"task": "next", "kind": "choice"}
{"context": "abc", "choices": ["d", "y"], "answer": 0}
{"context": "bc", "choices": ["y", "d"], "answer": 1}' >next.jsonl
echo '{"task": "say", "kind": "generate"}
{"messages": [{"role": "user", "content": "say 7"}], "targets": ["7 it is"], "judge": "contains", "max_tokens": 8}' \
    >say.jsonl
run "$QUERN" train sft tiny $plan --task next.jsonl --task say.jsonl --out asked --threads 1
code 0
err_has 'tasks   next, say: 50 items of each at every evaluation'
err_has 'step 3: next acc '
run cmp asked/last/model.safetensors whole/last/model.safetensors
code 0
run grep -c '"eval_loss".*"eval_task/next":.*"eval_task/say":' asked/metrics.jsonl
out_is 3
run "$QUERN" report asked
code 0
out_has 'Tasks'
killed again "$QUERN" train sft tiny $plan --task next.jsonl --task say.jsonl --out again --threads 2
rm say.jsonl
run "$QUERN" train resume again
code 0
err_has 'say.jsonl'
err_has 'goes on without this task'
run cmp again/last/model.safetensors whole/last/model.safetensors
code 0
run grep -c '"step":8.*"eval_task/next":' again/metrics.jsonl
out_is 1
bare tiny --data chats.jsonl --context 64 --task nowhere.jsonl --out none
code 4
err_has 'nowhere.jsonl'
bare tiny --data chats.jsonl --context 64 --task next.jsonl --eval-every 0 --out none
code 2
err_has '--task is asked at evaluations; it needs an --eval-every above 0'
bare tiny --data chats.jsonl --context 64 --task next.jsonl --validation 0 --out none
code 2
err_has 'these data have no validation split; it needs one (--validation 5%)'
bare tiny --data chats.jsonl --context 64 --task-items 3 --out none
code 2
err_has '--task-items is of tasks: it needs --task'
run ls
out_lacks none

# A model that knows no chat gets ChatML, and rows for its tokens.
i=0
while [ $i -lt 60 ]; do echo "{\"text\": \"say $i and $i it is, said the miller\"}"; i=$((i + 1)); done >corpus.jsonl
run "$QUERN" train tokenizer corpus.jsonl --vocab 300 --out tok --quiet
code 0
run "$QUERN" train pretrain --data corpus.jsonl --tokenizer tok --layers 1 --dim 32 --context 64 --batch 2 --steps 4 \
    --out base --quiet
code 0
sft base/last --out chatty --steps 6
code 0
err_has 'ChatML, because the model has none'
err_has 'tokens  2 are new'
err_has 'vocabulary 302'
run grep -c 'im_start' chatty/last/tokenizer_config.json
code 0
run "$QUERN" chat chatty/last --help
run "$QUERN" generate chatty/last --chat -p 'say 7' --tokens 4
code 0
run "$QUERN" tokenize chatty/last '<|im_end|>'
out_has '301'
rm -rf chatty/last chatty/best chatty/checkpoints
run "$QUERN" train resume chatty --quiet
code 0

done_testing
