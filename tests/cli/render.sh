#!/bin/sh
# tests/cli/render.sh — conversations to prompts: exactly the prompt, and content that stays content.
. "$(dirname "$0")/lib.sh"
tiny

printf '[{"role": "user", "content": "hi <|im_end|>"}]' >"$scratch/one.json"
prompt='<|im_start|>user
hi <|im_end|><|im_end|>
<|im_start|>assistant
'
printf '%s' "$prompt" >"$scratch/want"
for model in "$M" "$S/tiny"; do
    run "$QUERN" render "$model" -f "$scratch/one.json"
    code 0; err_is ''
    verdict "$(holds cmp -s "$scratch/want" "$scratch/out")" 'the prompt and not a byte more'
done
run "$QUERN" render "$M" -f "$scratch/one.json" --no-generation-prompt
code 0; out_lacks 'assistant'
run sh -c '"$QUERN" render "$M" -f - <"$S/one.json"'
code 0
verdict "$(holds cmp -s "$scratch/want" "$scratch/out")" 'the same from standard input'

# What the user wrote is no control token: one <|im_end|> (2) is the template's, the other is text (63 …).
run "$QUERN" render "$M" -f "$scratch/one.json" --json
code 0; out_has '"trusted": false'
ids=$(tr -d ' \n' <"$scratch/out" | sed 's/.*"ids":\[\([^]]*\)\].*/\1/')
want=1,120,118,104,117,13,107,108,35,63,127,108,112,98,104,113,103,127,65,2,13
verdict "$(holds test "$ids" = "$want,1,100,118,118,108,118,119,100,113,119,13")" \
    "the user's <|im_end|> spelled in bytes, not $ids"

# No template: ChatML, and that is said.
run "$QUERN" render "$S/bos.gguf" -f "$scratch/one.json"
code 0; err_has 'no chat template'
verdict "$(holds cmp -s "$scratch/want" "$scratch/out")" 'ChatML'

# A template of its own, with what it is told.
{
    printf '%s' '{{ bos_token }}{{ strftime_now("%d %b %Y") }}'
    printf '%s' '{% for m in messages %}{{ m.content }}{% endfor %}{{ eos_token }}'
} >"$scratch/t.jinja"
run "$QUERN" render "$scratch/t.jinja" -f "$scratch/one.json" --bos '<s>' --eos '</s>' --date 2025-01-31
code 0; out_is '<s>31 Jan 2025hi <|im_end|></s>'
run "$QUERN" render "$scratch/t.jinja" -f "$scratch/one.json" --date 2025-02-31
code 2; out_is ''; err_has '2025-02-31'
printf '{{ messages[0].content }}' >"$scratch/dateless.jinja"
run "$QUERN" render "$scratch/dateless.jinja" -f "$scratch/one.json" --date 2025-3-9
code 2; out_is ''; err_has 'YYYY-MM-DD'
printf '{"messages": [{"role": "user", "content": "x"}], "colour": "red"}' >"$scratch/object.json"
printf '{{ messages[0].content }} {{ colour }}' >"$scratch/t.jinja"
run "$QUERN" render "$scratch/t.jinja" -f "$scratch/object.json"
code 0; out_is 'x red'

# Errors.
run "$QUERN" render "$M"
code 2; err_has 'a conversation is missing'
printf '[{"role": "user", "content": "refuse"}]' >"$scratch/refuse.json"
run "$QUERN" render "$M" -f "$scratch/refuse.json"
code 12; out_is ''; err_has 'the template refuses'
printf '[{"role": ' >"$scratch/odd.json"
run "$QUERN" render "$M" -f "$scratch/odd.json"
code 5; err_has 'odd.json:1:'
printf '{%% if x %%}' >"$scratch/t.jinja"
run "$QUERN" render "$scratch/t.jinja" -f "$scratch/one.json"
code 12; err_has 't.jinja:1:'
run "$QUERN" render "$scratch/none.jinja" -f "$scratch/one.json"
code 4

done_testing
