#!/bin/sh
# tools/check_size.sh — the command stays small: under 4 MB without its symbols (decision 016). QUERN names the binary.
limit=4000000
copy=$(mktemp) || exit 1
trap 'rm -f "$copy"' EXIT
strip -o "$copy" "$QUERN" || exit 77
size=$(wc -c < "$copy")
echo "$size bytes stripped, limit $limit"
[ "$size" -lt "$limit" ]
