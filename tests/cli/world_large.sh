#!/bin/sh
# tests/cli/world_large.sh — the large world: as many people and bytes as it says, names that give nobody away.
# label: full
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
if [ "$(df -Pk . | awk 'NR == 2 {print $4}')" -lt 1000000 ]; then
    echo "skipped: less than a gigabyte of room"
    exit 77
fi

run "$QUERN" data world --size large --out large --json --quiet
code 0
out_has '"people": 20000'
out_has '"facts": 120000'
run sh -c 'cat large/corpus/*.txt | wc -c | awk "{ print (\$1 > 360e6 && \$1 < 440e6) }"'
out_is 1
run sh -c 'sed -n "s/.*\"name_tokens_p\": \([0-9.]*\).*/\1/p" large/world.json | awk "{ print (\$1 > 0.2) }"'
out_is 1
run sh -c 'ls large/eval | wc -l'
out_is 16
done_testing
