#!/bin/sh
# tools/build.sh PRESET GENERATOR JOBS [cmake options] — configures once, then builds (TARGET: only that target).
set -e
preset=$1 generator=$2 jobs=$3
shift 3
# The generator cannot change in a configured folder; everything else can.
if [ -f "build/$preset/CMakeCache.txt" ]; then
    cmake --preset "$preset" "$@" >"build/$preset/configure.log" || { cat "build/$preset/configure.log"; exit 1; }
else
    cmake --preset "$preset" -G "$generator" "$@"
fi
cmake --build "build/$preset" --parallel "$jobs" --target "${TARGET:-all}"
