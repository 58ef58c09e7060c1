#!/bin/sh
# tests/cli/page_browser.sh — the server's page in a browser: a key, questions, a reload, a stop, on a phone's width.
# label: full
. "$(dirname "$0")/lib.sh"
[ -z "${QUERN_CPU:-}" ] || { echo 'skipped: no kernel has a part in it'; exit 77; }
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    { echo 'skipped: no Chromium here'; exit 77; }
node --experimental-websocket -e 'WebSocket' 2>/dev/null || { echo 'skipped: no node with WebSocket here'; exit 77; }
tiny

"$QUERN" serve "$M" --port 0 --api-key secret >"$scratch/served" 2>&1 &
server=$!
trap 'kill $server; wait $server; rm -rf "$scratch"' EXIT
waited=0
until site=$(grep -o 'http://127.0.0.1:[0-9]*' "$scratch/served") || [ $waited -gt 600 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
run node --experimental-websocket "$(dirname "$0")/page_browser.js" "$browser" "$scratch/profile" "$site" secret \
    ${SCREENSHOT:+"$SCREENSHOT"}
code 0; out_has 'all right'
done_testing
