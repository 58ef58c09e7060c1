#!/bin/sh
# tools/test.sh BUILD LABELS — runs the tests with these labels, says aloud what was skipped, and ends with one plain line:
#     N passed, N failed, N skipped
set -u
build=$1 labels=$2
log=$build/tests.log
ctest --test-dir "$build" -L "$labels" --output-on-failure --no-tests=error -j "${JOBS:-2}" -O "$log"
rc=$?

# Cases that skipped inside a program that passed: ctest does not see them, so they are named here.
inner=$(sed -n 's/^\[  SKIPPED \] \([a-z_0-9A-Z]*\)$/\1/p' "$build/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u)
[ -n "$inner" ] && echo "cases skipped inside tests:" $inner

count() { grep -cE "^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*$1" "$log"; }
echo "$(count '  Passed ') passed, $(count '\*\*\*(Failed|Timeout|Exception|Not Run)') failed, $(count '\*\*\*Skipped') skipped"
exit $rc
