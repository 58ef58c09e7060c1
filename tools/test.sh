#!/bin/sh
# tools/test.sh BUILD LABELS — runs the tests with these labels, says aloud what was skipped, ends with one plain line:
#     N passed, N failed, N skipped
set -u
build=$1 labels=$2
# The model that `make demo-chat` fetched, for the tests that want a real one; not where that would take minutes.
case $labels in *full*) export QUERN_MODELS="${QUERN_MODELS:-$PWD/build/models}" ;; esac
# Hundreds of small checkpoints are flushed to the disk each time: half of the tests' time, where no test looks at the
# disk. In memory, where there is enough of it, a flush costs nothing.
free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $4}')
[ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && [ "${free:-0}" -gt 4000000 ] && export TMPDIR=/dev/shm
log=$build/tests.log
ctest --test-dir "$build" -L "$labels" --output-on-failure --no-tests=error -j "${JOBS:-2}" -O "$log"
rc=$?

# Cases that skipped inside a program that passed: ctest does not see them, so they are named here.
last=$build/Testing/Temporary/LastTest.log
inner=$(sed -n 's/^\[   NOTE   \] skipped: /  /p' "$last" 2>/dev/null | sort -u)
[ -n "$inner" ] && printf 'cases skipped inside tests:\n%s\n' "$inner"

count() { grep -cE "^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*($1)" "$log"; }
bad='\*\*\*(Failed|Timeout|Exception|Not Run)'
echo "$(count '   Passed ') passed, $(count "$bad") failed, $(count '\*\*\*Skipped') skipped"
exit $rc
