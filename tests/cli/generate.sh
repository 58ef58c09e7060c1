#!/bin/sh
# tests/cli/generate.sh — prompts continued by models that know the alphabet (make_tiny.c).
. "$(dirname "$0")/lib.sh"
tiny
rest=defghijklmnopqrstuvwxyz

for model in "$M" "$S/tiny" "$S/bos.gguf"; do
    run "$QUERN" generate "$model" -p abc
    code 0; out_is "$rest"; err_has 'stopped by eos'; err_has 'llama, 0.6 M parameters'
done
for weights in f32 bf16 f16 q8_0 q4_0 q4_1 as-is; do
    run "$QUERN" generate "$M" -p abc --weights $weights --threads 1 -q
    code 0; out_is "$rest"; err_is ''
done
for kv in f32 f16 bf16 q8_0; do
    run "$QUERN" generate "$M" -p abc --kv $kv
    code 0; out_is "$rest"; err_has "KV $kv"
done
run sh -c 'printf abc | "$QUERN" generate "$M" -p - -q'
code 0; out_is "$rest"
printf abc >"$scratch/text"
run "$QUERN" generate "$M" -f "$scratch/text" -q
code 0; out_is "$rest"

# Where an answer ends.
run "$QUERN" generate "$M" -p abc -n 4
code 0; out_is 'defg'; err_has 'stopped by length'
run "$QUERN" generate "$M" -p abc --stop xx --stop mno
code 0; out_is 'defghijkl'; err_has 'stopped by stop'
run "$QUERN" generate "$M" -p x --ignore-eos -n 6
code 0; out_is 'yzabc'
run "$QUERN" generate "$M" -p x --ignore-eos -n 6 --special
code 0; out_is 'yz<|im_end|>abc'
run "$QUERN" generate "$M" -p abc --ctx 10 -n -1
code 0; out_is 'defghijk'; err_has 'the answer was cut: the context of 10 tokens is full'; err_has 'stopped by context'
run "$QUERN" generate "$M" -p abcdef --ctx 5
code 8; out_is ''; err_has '6 tokens'; err_has 'ask for a longer context'
run "$QUERN" generate "$M" -p abc --echo -n 1
code 0; out_is 'abcd'

# Characters of several tokens come whole; one that the limit cuts is left out of the text, and its tokens count.
run "$QUERN" generate "$M" -p 0 -q
code 0; out_is 'é'
run "$QUERN" generate "$M" -p 1 -q
code 0; out_is '😀'
run "$QUERN" generate "$M" -p 1 -n 2 -q
code 0; out_is ''
run "$QUERN" generate "$M" -p 1 -n 3 --json
code 0; out_has '"text": ""'; out_has '"new_tokens": 3'
run "$QUERN" generate "$M" -p 1 --ctx 3 -n -1 -q
code 0; out_is ''

# Special tokens in a prompt are text unless asked for: behind <|im_end|> itself the model says "a".
run "$QUERN" generate "$M" -p 'abc<|im_start|>' -n 1 --json
code 0; out_has '"prompt_tokens": 15'
run "$QUERN" generate "$M" -p 'abc<|im_start|>' -n 1 --json --parse-special
code 0; out_has '"prompt_tokens": 4'

# --chat: behind "assistant\n" the capitals follow. A message of role r and text t is 4 + |r| + |t| tokens, the
# opening of the answer 11.
run "$QUERN" generate "$M" --chat -p 'say <|im_end|> it' -q
code 0; out_is 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
run "$QUERN" generate "$M" --chat --system 'be brief' -p it --json -n 2
code 0; out_has '"text": "AB"'; out_has '"prompt_tokens": 39'; out_has '"content": "AB"'
run "$QUERN" generate "$M" --chat -p refuse
code 12; out_is ''; err_has 'the template refuses'

# JSON: ids, reason, log-probabilities.
run "$QUERN" generate "$M" -p x --json --logprobs 2
code 0; out_has '"text": "yz"'; out_has '"stop_reason": "eos"'; out_has '"new_tokens": 3'; out_has '"context": 512'
out_has '"logprobs": ['
verdict "$(holds test "$(grep -c '"logprob":' "$scratch/out")" -eq 6)" 'two tokens with two alternatives each'
verdict "$(holds test "$(tr -d ' \n' <"$scratch/out" | sed 's/.*"tokens":\[\([^]]*\)\].*/\1/')" = 124,125)" 'the ids'

# Draws: the same seed says the same, another one something else; at a moderate temperature the alphabet stands.
run "$QUERN" generate "$M" -p abc --temp 100 -n 16 --seed 1 -q
code 0; cp "$scratch/out" "$scratch/first"
run "$QUERN" generate "$M" -p abc --temp 100 -n 16 --seed 1 -q
verdict "$(holds cmp -s "$scratch/first" "$scratch/out")" 'the same answer from the same seed'
run "$QUERN" generate "$M" -p abc --temp 100 -n 16 --seed 2 -q
verdict "$(holds sh -c '! cmp -s "$S/first" "$S/out"')" 'another answer from another seed'
run "$QUERN" generate "$M" -p abc --temp 100 --top-k 1 -q
code 0; out_is "$rest"
run "$QUERN" generate "$M" -p abc --temp 0.7 --top-p 0.95 --min-p 0.05 -v
code 0; out_is "$rest"; err_has 'temperature 0.7'; err_has 'seed 0'
run "$QUERN" generate "$M" -p 'abc d' -n 1 --presence-penalty 30 -q
code 0; out_is 'e'
run "$QUERN" generate "$M" -p 'bc b' -n 1 --presence-penalty 30 --json
code 0; out_lacks '"text": "c"'

# Guesses: the same text, by whoever guesses; here it repeats itself, or a model says the same.
alphabet=abcdefghijklmnopqrstuvwxyz
run "$QUERN" generate "$M" -p "$alphabet abc" --draft ngram --json
code 0; out_has "\"text\": \"$rest\""; out_has '"guessed": '; out_has '"acceptance": 1'; out_has '"passes": 3,'
run "$QUERN" generate "$M" -p "$alphabet abc" --draft ngram:2 --draft-tokens 31
code 0; out_is "$rest"; err_has 'draft: '; err_has 'tokens per pass'
for sampling in '--temp 0' '--temp 100 --seed 3 -n 30' '--temp 40 --top-k 20 --seed 1 -n 30'; do
    # shellcheck disable=SC2086 # several words each
    run "$QUERN" generate "$M" -p abc -q $sampling
    code 0; cp "$scratch/out" "$scratch/first"
    for draft in ngram ngram:1 "$S/tiny" "$S/bos.gguf"; do
        # shellcheck disable=SC2086
        run "$QUERN" generate "$M" -p abc -q $sampling --draft "$draft"
        verdict "$(holds cmp -s "$scratch/first" "$scratch/out")" "the same text drafted by $draft, $sampling"
    done
done
run "$QUERN" generate "$M" -p abc --draft "$S/tiny" --draft-tokens 4 --ctx 12 -n -1 --json
code 0; out_has '"text": "defghijklm"'; out_has '"stop_reason": "context"'; out_has '"context_used": 12'
run "$QUERN" generate "$M" -p abc --draft "$S/tiny" --stop mno --json
code 0; out_has '"text": "defghijkl"'; out_has '"stop_reason": "stop"'
run sh -c 'printf "one\ntwo\n" | "$QUERN" chat "$M" --draft "$S/tiny" --json'
code 0; out_has '"text":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"'; out_has '"tokens_per_pass":'
run "$QUERN" generate "$M" -p abc --draft "$S/swapped.gguf"
code 6; err_has 'swapped.gguf'; err_has 'token 124 is "z" in'; err_has 'the same vocabulary'
run "$QUERN" generate "$M" -p abc --draft "$M"
code 2; err_has 'is the model itself'
run "$QUERN" generate "$M" -p abc --draft "$S/nothing.gguf"
code 4; err_has 'nothing.gguf'
for bad in ngram:0 ngram:65 ngram: ngram:x; do
    run "$QUERN" generate "$M" -p abc --draft $bad
    code 2; err_has "--draft $bad"; err_has '1 to 64'
done
run "$QUERN" generate "$M" -p abc --draft ngram --draft-tokens 32
code 2; err_has 'from 1 to 31'
run "$QUERN" generate "$M" -p abc --draft-tokens 3
code 2; err_has '--draft-tokens needs --draft'

# Errors name what is wrong.
run "$QUERN" generate "$S/alien.gguf" -p a
code 6; err_has 'alien'; err_has 'llama'
run "$QUERN" generate "$S/unread.gguf" -p a
code 6; err_has 'blk.0.ffn_down.weight'; err_has 'IQ2_XXS'; err_has 'Q8_0'
run "$QUERN" generate "$S/extra.gguf" -p a
code 5; err_has 'the tokenizer has 264 tokens, the model'
run "$QUERN" generate "$S/missing.gguf" -p a
code 4; err_has 'blk.0.attn_q.weight'
run "$QUERN" generate "$S/tiny/tokenizer.json" -p a
code 2; err_has 'not a model'
run "$QUERN" generate "$M" -p ''
code 2; err_has 'the prompt is empty'
run "$QUERN" generate "$S/bos.gguf" -p '' -n 2 -q
code 0; out_is 'ab'
run "$QUERN" generate "$M"
code 2; err_has 'a text is missing'
run "$QUERN" generate "$M" -p a --logprobs 2
code 2; err_has '--json'
run "$QUERN" generate "$M" -p a --system x
code 2; err_has '--chat'
run "$QUERN" generate "$M" -p a --temp 101
code 2; err_has 'from 0 to 100'
run "$QUERN" generate "$M" -p "$(printf 'a\377')"
code 9; err_has 'UTF-8'

# A run that was never evaluated has no best model; the last one is named.
mkdir -p "$scratch/run/last"
run "$QUERN" generate "$scratch/run/best" -p a
code 4; err_has "run/best: there is none"; err_has 'run/last'

# Ctrl-C: what was said stands, and the exit code says why it ends.
"$QUERN" generate "$M" -p a --ignore-eos -n -1 --ctx 4000000 >"$scratch/out" 2>"$scratch/err" &
last='generate, interrupted'
while [ "$(wc -c <"$scratch/out")" -lt 26 ] && kill -0 $! 2>/dev/null; do sleep 0.1; done
kill -INT $!
wait $!
status=$?
code 130; out_has 'bcdefghijklmnopqrstuvwxyz'; err_has 'stopped by cancelled'; err_has 'interrupted'

done_testing
