# tests/cli/train_tokenizer.sh — a vocabulary out of text: what is written, what is reported, what is refused.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

i=0
while [ $i -lt 400 ]; do
    echo "the theatre of thought $((i % 7)) (then) thirteen thousand things: naïve, über, день"
    i=$((i + 1))
done >corpus.txt

run "$QUERN" train tokenizer corpus.txt --vocab 300 --out one
code 0
out_has 'one/tokenizer.json: 300 tokens, 1 of them special, 43 merges'
out_has 'corpus: 1 document, '
out_has 'cyrillic'
run cat one/tokenizer_config.json
out_has '"eos_token": "<|endoftext|>"'
out_has '"ggml_pre": "gpt-2"'
run "$QUERN" tokenize one/tokenizer.json --ids --no-special 'zzz'
code 0
run "$QUERN" tokenize one/tokenizer.json '<|endoftext|>' --ids
out_is '0'

# The same bits again, with other threads, out of gzip, and from standard input.
gzip -c corpus.txt >corpus.txt.gz
run "$QUERN" train tokenizer corpus.txt.gz --vocab 300 --out two --threads 3 --json
code 0
out_has '"merges": 43'
out_has '"ggml_model": "gpt2"'
run cmp one/tokenizer.json two/tokenizer.json
code 0
run "$QUERN" train tokenizer - --vocab 300 --out three --max-memory 64M <corpus.txt
code 0
run cmp one/tokenizer.json three/tokenizer.json
code 0

# Options from a file; the command line wins.
printf '# as above\nvocab: 299\nout: three\nforce: true\nspecial: [<|a|>, "<|b|>"]\n' >tok.yaml
run "$QUERN" train tokenizer corpus.txt --config tok.yaml --vocab 300
code 0; out_has 'three/tokenizer.json: 300 tokens, 2 of them special, 42 merges'
printf 'vocab: 300\nmin_frequenzy: 2\n' >bad.yaml
run "$QUERN" train tokenizer corpus.txt --config bad.yaml --out three
code 2; err_has 'bad.yaml:2:1: no option --min-frequenzy; did you mean --min-frequency?'
run "$QUERN" train tokenizer corpus.txt --config none.yaml --out three
code 4; err_has 'none.yaml: cannot open'
run "$QUERN" train tokenizer --help
code 0; out_has '--config FILE'

# Nothing is replaced unasked.
run "$QUERN" train tokenizer corpus.txt --vocab 299 --out one
code 2
err_has 'is there already; --force replaces it'
run cmp one/tokenizer.json two/tokenizer.json
code 0
run "$QUERN" train tokenizer corpus.txt --vocab 299 --out one --force
code 0

run "$QUERN" train tokenizer corpus.txt --kind byte --no-special --out bytes --json
code 0
out_has '"vocab": 256'
out_has '"bytes_per_token": 1'
run "$QUERN" train tokenizer corpus.txt --kind char --vocab 300 --out chars --special '<s>' --json
code 0
out_has '"ggml_model": "llama"'
err_has 'the corpus supports'
run "$QUERN" tokenize chars/tokenizer.json --count --no-special 'über'
out_is '4'

# More than the corpus supports is said, and is no failure.
run "$QUERN" train tokenizer corpus.txt --out large
code 0
err_has 'tokens, not the 8192 asked for'

# Bytes that are no UTF-8.
printf 'fine \377 text\n' >broken.txt
run "$QUERN" train tokenizer broken.txt --vocab 300 --out broken --invalid refuse
code 9
err_has 'broken.txt: byte 5 (0xff) is not UTF-8'
err_has '--invalid replace|drop'
run test -e broken
code 1
for policy in replace drop; do
    run "$QUERN" train tokenizer broken.txt --vocab 300 --out "$policy" --invalid "$policy"
    code 0
    err_has '1 broken characters were'
done

run "$QUERN" train tokenizer broken.txt --vocab 300 --out default
code 0
err_has '1 broken characters were replaced'

# Special tokens of one's own leave <|endoftext|> out, and which one ends a text is said.
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out user --special '<|user|>'
code 0
err_has 'without <|endoftext|> leaves that out, and <|user|> ends a text'
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out both --special '<|user|>' --special '<|endoftext|>'
code 0
err_is ''

# What cannot be trained on, said before anything is written.
: >empty.txt
printf 'ELF\000\001' >binary
run "$QUERN" train tokenizer empty.txt --out none
code 2
err_has 'the corpus is empty'
run "$QUERN" train tokenizer binary --out none
code 5
err_has 'binary is no text'
run "$QUERN" train tokenizer nowhere.txt --out none
code 4
run "$QUERN" train tokenizer corpus.txt
code 2
err_has '--out DIR is missing'
run "$QUERN" train tokenizer corpus.txt --out none --vocab 256
code 2
err_has 'is too small'
run "$QUERN" train tokenizer corpus.txt --out none --max-memory 1M
code 2
err_has 'at least 64M'
run "$QUERN" train tokenizer corpus.txt --out none --max-memory many
code 2
run "$QUERN" train tokenizer corpus.txt --out none --kind byte --vocab 300
code 2
run "$QUERN" train tokenizer corpus.txt --out none --no-special --eos '<e>'
code 2

# What begins a text stands in front of each.
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out begun --bos '<s>' --quiet
code 0
run "$QUERN" tokenize begun 'a b' --json
code 0
out_has '[1,'
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out same --bos '<|endoftext|>' --quiet
code 0
run "$QUERN" tokenize same 'a b' --json
out_has '[0,'

# A template for chats is looked at before the work, and stands beside the tokens.
printf '{%% for m in messages %%}<{{ m.content }}>{%% endfor %%}\n' >chat.jinja
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out chats --chat-template chat.jinja --quiet
code 0
printf '[{"role":"user","content":"hello"}]' >chat.json
run "$QUERN" render chats -f chat.json
code 0
out_has '<hello>'
printf '{%% for m in messages %%}\n{{ m.content }\n' >torn.jinja
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out none --chat-template torn.jinja
code 12
err_has 'torn.jinja:2:'
run "$QUERN" train tokenizer corpus.txt --vocab 300 --out none --chat-template nowhere.jinja
code 4
err_has nowhere.jinja

run "$QUERN" train tokenizer corpus.txt --out none/deeper
code 3
run test -e none
code 1

# Ctrl-C leaves nothing behind.
mkfifo pipe
"$QUERN" train tokenizer pipe --out stopped 2>err &
pid=$!
until [ -d stopped ] || ! kill -0 $pid; do sleep 0.05; done       # made before the corpus is read
kill -INT $pid
cat corpus.txt >pipe 2>/dev/null &      # waits for a reader, which may never come; one that came finds an end
writer=$!
wait $pid
status=$?
kill $writer 2>/dev/null
last='interrupted training'
code 130
run test -e stopped
code 1

done_testing
