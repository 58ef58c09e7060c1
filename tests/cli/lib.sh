# tests/cli/lib.sh — whole commands: run one, look at its exit code, stdout and stderr. Sourced by the tests beside it.
#
#     . "$(dirname "$0")/lib.sh"
#     run "$QUERN" version                        runs a command; it has no stdin unless one is piped in
#     code 0                                      its exit code
#     out_is 'quern 0.1.0'                        stdout, exactly (without the last newline)
#     out_has 'quern '; err_has 'did you mean'    a fixed string anywhere in it
#     err_is ''
#     chats; pairs                                chats.jsonl, pairs.jsonl here, to tune with
#     sayings                                     text.txt here, to train on
#     killed RUN "$QUERN" train …                 the command that makes it, killed behind its first checkpoint
#     tiny                                        models of known words in $scratch (make_tiny.c says which)
#     shows '> ' 2                                waits: what feeds a terminal goes on when this stands there twice
#     done_testing                                last line: says how many checks ran, fails if one did
#
# QUERN names the binary, MAKE_TINY the maker of models. QUERN_CPU beyond this machine skips the whole file (exit code
# 77).
set -u
: "${QUERN:?QUERN must name the binary}"
if [ -n "${QUERN_CPU:-}" ] && ! "$QUERN" version --json | grep -qF "\"isa\": \"$QUERN_CPU\""; then
    echo "skipped: no $QUERN_CPU here"
    exit 77
fi

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
checks=0 failures=0 last=

run() {
    last=$*
    if [ -t 0 ]; then exec </dev/null; fi
    "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
}

# Waits until a terminal's text, which goes to $scratch/out, has this in it, so many times; half a minute at the most.
shows() {       # text, how often (1)
    waited=0
    until [ "$(grep -oF -- "$1" "$scratch/out" | wc -l)" -ge "${2:-1}" ] || [ $waited -gt 600 ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
}

verdict() {     # true|false, what was expected
    checks=$((checks + 1))
    $1 && return
    failures=$((failures + 1))
    printf 'FAILED: %s\n  expected %s\n' "$last" "$2"
    printf '  exit code %s\n' "$status"
    sed 's/^/  stdout: /' "$scratch/out" | head -n 20
    sed 's/^/  stderr: /' "$scratch/err" | head -n 20
}

holds() { if "$@"; then echo true; else echo false; fi; }
code() { verdict "$(holds test "$status" -eq "$1")" "exit code $1"; }
out_is() { verdict "$(holds test "$(cat "$scratch/out")" = "$1")" "stdout: $1"; }
err_is() { verdict "$(holds test "$(cat "$scratch/err")" = "$1")" "stderr: $1"; }
out_has() { verdict "$(holds grep -qF -- "$1" "$scratch/out")" "in stdout: $1"; }
err_has() { verdict "$(holds grep -qF -- "$1" "$scratch/err")" "in stderr: $1"; }
out_lacks() { verdict "$(holds test -z "$(grep -F -- "$1" "$scratch/out")")" "not in stdout: $1"; }
err_lacks() { verdict "$(holds test -z "$(grep -F -- "$1" "$scratch/err")")" "not in stderr: $1"; }

chats() {       # forty lessons of one turn, into chats.jsonl
    i=0
    while [ $i -lt 40 ]; do
        echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}," \
            "{\"role\": \"assistant\", \"content\": \"$i it is\"}]}"
        i=$((i + 1))
    done >chats.jsonl
}

pairs() {       # forty preferences, into pairs.jsonl
    i=0
    while [ $i -lt 40 ]; do
        echo "{\"prompt\": \"say $i\", \"chosen\": \"$i it is\", \"rejected\": \"no never\"}"
        i=$((i + 1))
    done >pairs.jsonl
}

sayings() {     # sixty lines of what chats speak of, into text.txt
    i=0
    while [ $i -lt 60 ]; do
        echo "say $i and $i it is"
        i=$((i + 1))
    done >text.txt
}

killed() {      # RUN, and the command that makes it
    folder=$1
    shift
    "$@" >"$scratch/said" 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null && [ ! -e "$folder/last" ]; do sleep 0.02; done
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
}

tiny() {
    "${MAKE_TINY:?MAKE_TINY must name the program}" "$scratch" || exit 1
    M=$scratch/tiny.gguf S=$scratch
    export M S QUERN
}

done_testing() {
    echo "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
}
