#!/bin/sh
# tests/cli/serve.sh — a server: what it does not start with; the rest asks it over sockets (serve_http.py).
# full: WHOLE=1
. "$(dirname "$0")/lib.sh"
tiny
here=$(dirname "$0")

run "$QUERN" serve
code 2
run "$QUERN" serve "$S/none.gguf" --port 0
code 4
run "$QUERN" serve "$M" --port 0 --host 203.0.113.1
code 3; err_has 'cannot listen on 203.0.113.1'
run "$QUERN" serve "$M" --port 0 --api-key ''
code 2; err_has 'an empty key would let everybody in'
printf '\n  \n# key-of-nobody\n' >"$S/keys"
run "$QUERN" serve "$M" --port 0 --api-key-file "$S/keys"
code 2; err_has 'holds no key'
echo '{}' >"$S/schema.json"
for option in --grammar --json-schema; do
    run "$QUERN" serve "$M" --port 0 "$option" "$S/schema.json"
    code 2; err_has "no option $option; the end of \`quern help serve\` says why"
done
run "$QUERN" help serve
code 0; out_has 'response_format'
out_lacks '--json-schema FILE'; out_lacks '--grammar FILE'
run "$QUERN" serve "$S/none.gguf" --port 0 --max-body 10
code 2; err_has '--max-body 10: at least 1K'
for host in 'a b' '' box:8080 '*.example.org' http://box box/ é; do
    run "$QUERN" serve "$M" --port 0 --allow-host "$host"
    code 2; err_has "--allow-host \"$host\": expected the name of a host"
done
for origin in foo '' example.org https:// https://example.org/ https://a.b/c 'https://a b' https://a:99999 https://a: \
    ://a; do
    run "$QUERN" serve "$M" --port 0 --allow-host box.example.org --allow-origin "$origin"
    code 2; err_has "--allow-origin \"$origin\": expected what browsers call an origin"
done
# These can be; what is wrong comes after them.
run "$QUERN" serve "$S/none.gguf" --port 0 --allow-host box --allow-host ::1 --allow-host under_score.a-b.org \
    --allow-origin '*' --allow-origin null --allow-origin http://localhost:3000 --allow-origin 'https://[::1]:8443' \
    --allow-origin chrome-extension://abc --alias 'the model'
code 4
for alias in '' ' '; do
    run "$QUERN" serve "$M" --port 0 --alias "$alias"
    code 2; err_has "--alias \"$alias\": expected a name"
done

if command -v python3 >/dev/null 2>&1; then
    run python3 "$here/serve_http.py" "$QUERN" "$S" ${WHOLE:+whole}
    code 0; out_has ', 0 failed'
else
    echo "skipped: no python3 here, so the server was not asked"
fi
done_testing
