#!/bin/sh
# tests/cli/page.sh — the page of the server: its readers of Markdown and of streams, under node where there is one.
. "$(dirname "$0")/lib.sh"
[ -z "${QUERN_CPU:-}" ] || { echo 'skipped: no kernel has a part in it'; exit 77; }
command -v node >/dev/null || { echo 'skipped: no node here'; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)

run node "$here/page_check.js" "$here/../../src/serve/page"
code 0; out_is 'all right'; err_is ''
# A check that cannot fail is none.
mkdir "$scratch/page"
sed 's/url.protocol === "http:" ||/true ||/' "$here/../../src/serve/page/markdown.js" >"$scratch/page/markdown.js"
cp "$here/../../src/serve/page/stream.js" "$scratch/page/"
run node "$here/page_check.js" "$scratch/page"
code 1; out_has 'javascript:alert'

# Nothing that the page's policy forbids, and no text as markup.
cd "$here/../../src/serve/page" || exit 1
run grep -nE 'innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style=|onclick=|https?://[^w]' \
    index.html page.js markdown.js stream.js
code 1
done_testing
