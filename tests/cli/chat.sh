#!/bin/sh
# tests/cli/chat.sh — talking: turns, commands, a pipe and a terminal. Every answer of the tiny models is the alphabet.
. "$(dirname "$0")/lib.sh"
tiny
alphabet=ABCDEFGHIJKLMNOPQRSTUVWXYZ

for model in "$M" "$S/tiny"; do
    run "$QUERN" chat "$model" -p hello
    code 0; out_is "$alphabet"; err_is ''
done
run "$QUERN" chat "$S/bos.gguf" -p hello
code 0; out_is "$alphabet"; err_has 'no chat template'
run "$QUERN" chat "$M" -p hello --stats
code 0; out_is "$alphabet"; err_has '1 answer; prefill '; err_has 'peak memory'
run "$QUERN" chat "$M" -p hello -v
code 0; err_has 'temperature 0.7'; err_has 'top-p 0.95'
run "$QUERN" chat "$S/tiny" -p hello -v
code 0; err_has 'temperature 0.5'; err_has 'top-k 3'
run "$QUERN" chat "$S/tiny" -p hello -v --temp 0
code 0; err_has 'temperature 0,'

# A template that opens the thoughts itself: what follows is thought until they are closed, and no answer.
cp -r "$S/tiny" "$S/thinker"
sed 's/assistant\\n/assistant\\n<think>\\n/' "$S/tiny/tokenizer_config.json" >"$S/thinker/tokenizer_config.json"
run "$QUERN" chat "$S/thinker" -p hello -n 3 --json
code 0; out_has '{"text":"","reasoning_content":"ABC","stop_reason":"length"'
run "$QUERN" chat "$S/thinker" -p hello -n 3
code 0; out_is ''
run "$QUERN" generate "$S/thinker" --chat -p hello -n 3 --json
code 0; out_has '"text": "ABC"'; out_has '"reasoning_content": "ABC"'; out_has '"content": ""'

# A pipe: a turn per line, answers only. The second turn finds the first in the cache, but for the last token, which
# the model has said and not heard. A message of role r and text t is 4 + |r| + |t| tokens, the opening of an answer 11.
run sh -c 'printf "one\n\ntwo\n" | "$QUERN" chat "$M" -n 3'
code 0; out_is 'ABC
ABC'; err_is ''
run sh -c 'printf "one\ntwo\n" | "$QUERN" chat "$M" -n 3 --json'
code 0; out_has '{"text":"ABC","stop_reason":"length","prompt_tokens":22,"cached_tokens":0'
out_has '"prompt_tokens":49,"cached_tokens":24'

# Commands. The conversation that is saved can be rendered.
printf '%s\n' '/system be brief' one two /regen //slash "/save $S/talk.json" /quit never >"$S/lines"
run sh -c '"$QUERN" chat "$M" -n 2 <"$S/lines"'
code 0; out_is 'AB
AB
AB
AB'; err_has 'saved to'
printf '[{"role":"%s","content":"bebrief"}' system >"$S/want"
printf ',{"role":"user","content":"%s"},{"role":"assistant","content":"AB"}' one two /slash >>"$S/want"
verdict "$(holds test "$(tr -d ' \n' <"$S/talk.json")" = "$(cat "$S/want")]")" "the conversation: $(cat "$S/want")"
run "$QUERN" render "$M" -f "$S/talk.json"
code 0; out_has 'be brief<|im_end|>'
run sh -c 'printf "one\n/reset\n/system\ntwo\n/save $S/talk.json\n" | "$QUERN" chat "$M" -n 2 --system s'
code 0
verdict "$(holds test "$(tr -d ' \n' <"$S/talk.json")" = \
    '[{"role":"user","content":"two"},{"role":"assistant","content":"AB"}]')" 'only what came after /reset and /system'
run sh -c 'echo /help | "$QUERN" chat "$M"'
code 0; err_has '/save FILE'
run sh -c 'echo /sav x | "$QUERN" chat "$M"'
code 2; err_has 'did you mean /save?'
run sh -c 'echo /save | "$QUERN" chat "$M"'
code 2; err_has 'name of a file'
run sh -c 'echo /save /no/such/folder/x | "$QUERN" chat "$M"'
code 4
run sh -c 'echo /regen | "$QUERN" chat "$M"'
code 2; err_has 'no answer yet'

# What a user writes is never a control token: as many tokens as any ten characters.
run sh -c 'printf "<|im_end|>\n" | "$QUERN" chat "$M" -n 1 --json'
code 0; out_has '"prompt_tokens":29'
run sh -c 'printf "0123456789\n" | "$QUERN" chat "$M" -n 1 --json'
code 0; out_has '"prompt_tokens":29'

# The context: an answer that fills it is cut aloud, a conversation beyond it is an error; nothing is dropped.
run sh -c 'echo one | "$QUERN" chat "$M" --ctx 30'
code 0; out_is 'ABCDEFGHI'; err_has 'the answer was cut: the context of 30 tokens is full'
run sh -c 'printf "one\ntwo\n" | "$QUERN" chat "$M" --ctx 30'
code 8; out_is 'ABCDEFGHI'; err_has 'the context holds 30'
run sh -c 'echo refuse | "$QUERN" chat "$M"'
code 12; err_has 'the template refuses'
run sh -c 'printf "a\377\n" | "$QUERN" chat "$M"'
code 9; err_has 'UTF-8'

# On a terminal errors do not end the talk, and Ctrl-C stops the answer only. (Once: the level changes nothing here.)
# exec: a shell that stays in between is in the terminal's group too, and dash would end with the interrupt's 130.
if [ -z "${QUERN_CPU:-}" ] && script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    export XDG_STATE_HOME="$scratch/state"
    # Keys are hit when a prompt stands there: before it, the terminal would throw them away.
    talk() { shows '> ' 1; printf 'refuse\r'; shows '> ' 2; printf 'one\r'; shows "$alphabet"; printf '\003'
             shows ', stopped'; shows '> ' 3; printf '/save %s/talk.json\r' "$S"; shows 'saved to'; shows '> ' 4
             printf '/quit\r'; sleep 0.2; }
    endless='exec "$QUERN" chat "$M" --ignore-eos --ctx 4000000 --temp 0'
    last='chat on a terminal'
    : >"$scratch/out"
    talk | script -qec "$endless" /dev/null >"$scratch/out" 2>"$scratch/err"
    status=$?
    code 0; out_has 'the template refuses'; out_has "$alphabet"; out_has ', stopped'; out_has 'saved to'
    verdict "$(holds grep -q '"content": "ABC' "$S/talk.json")" 'the part of the answer that was said'
    verdict "$(holds test -s "$scratch/state/quern/chat_history")" 'a history'
fi

done_testing
