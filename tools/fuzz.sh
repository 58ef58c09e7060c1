#!/bin/sh
# tools/fuzz.sh BUILD SECONDS — every parser under libFuzzer for that long; new inputs stay in BUILD/corpus.
set -e
build=$1 seconds=$2
for source in fuzz/fuzz_*.c; do
    [ -f "$source" ] || { echo "no fuzz targets yet"; exit 0; }
    name=$(basename "$source" .c)
    parser=${name#fuzz_}
    mkdir -p "$build/corpus/$parser" "fuzz/corpus/$parser"
    echo "== $parser, $seconds s"
    "$build/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$build/" "$build/corpus/$parser" "fuzz/corpus/$parser"
done
