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
run "$QUERN" serve "$M" --port 0 --json-schema "$S/schema.json"
code 2; err_has 'response_format'
run "$QUERN" serve "$M" --port 0 --max-body 10
code 2

if command -v python3 >/dev/null 2>&1; then
    run python3 "$here/serve_http.py" "$QUERN" "$S" ${WHOLE:+whole}
    code 0; out_has ', 0 failed'
else
    echo "skipped: no python3 here, so the server was not asked"
fi
done_testing
