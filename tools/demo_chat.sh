#!/bin/sh
# tools/demo_chat.sh QUERN — fetch a real model, talk to it, see what it costs.
set -e
quern=$1
model=$(tools/fetch_model.sh)

echo "model: $model ($(($(wc -c < "$model") / 1000000)) MB)"
echo
echo "\$ $quern chat $model --temp 0 -n 200"
echo "> Why is the sky blue?"
printf '%s\n' 'Why is the sky blue?' | "$quern" --verbose chat "$model" --temp 0 -n 200
echo
echo "\$ $quern bench $model --prompt 128 --gen 32"
"$quern" bench "$model" --prompt 128 --gen 32
