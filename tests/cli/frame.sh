#!/bin/sh
# tests/cli/frame.sh — what every command shares: help, suggestions, exit codes, streams, the environment.
. "$(dirname "$0")/lib.sh"

# Help that was asked for is the result; help that was not is an error.
run "$QUERN" --help
code 0; out_has 'usage: quern COMMAND'; out_has 'completion bash|zsh|fish'; err_is ''
run "$QUERN" help
code 0; out_has 'usage: quern COMMAND'
run "$QUERN" help version
code 0; out_has 'usage: quern version [OPTIONS]'; out_has '--json'; out_has 'quern version --json'
run "$QUERN" version -h
code 0; out_has 'usage: quern version'
run "$QUERN"
code 2; out_is ''; err_has 'quern --help'

# The same facts from each place.
run "$QUERN" version
code 0; out_has 'quern '; err_is ''
version=$(sed 's/quern //' "$scratch/out")
run "$QUERN" --version
code 0; out_is "quern $version"
run "$QUERN" version --json
code 0; out_has "\"version\": \"$version\""
run "$QUERN" man
code 0; out_has ".TH QUERN 1"; out_has "quern $version"; out_has '.SH EXIT STATUS'

# Wrong use: exit code 2, the nearest word, nothing on stdout.
run "$QUERN" versoin
code 2; out_is ''; err_has 'did you mean `quern version`?'
run "$QUERN" version --jsno
code 2; out_is ''; err_has 'did you mean --json?'; err_has '`quern version --help`'
run "$QUERN" completion
code 2; err_has 'quern completion bash|zsh|fish'
run "$QUERN" completion fisch
code 2; err_has 'did you mean fish?'
run "$QUERN" version more
code 2; err_has 'one argument too many'
run "$QUERN" version --threads 0
code 2; err_has 'from 1 to 1024'
run "$QUERN" version --isa avx3
code 2; err_has 'scalar|avx2'
run env QUERN_CPU=avx3 "$QUERN" version
code 2; err_has 'QUERN_CPU=avx3'
run env QUERN_CPU=scalar "$QUERN" version --json
code 0; out_has '"isa": "scalar"'

# Streams: remarks on stderr only; a full disk is an error; a reader that went away is none to talk about.
run "$QUERN" -v version
code 0; out_is "quern $version"; err_has 'peak memory'
run "$QUERN" version --verbose --quiet
code 0; out_is "quern $version"
if [ -w /dev/full ]; then
    run sh -c '"$QUERN" version >/dev/full'
    code 3; err_has 'cannot write to standard output'
fi
run sh -c '{ "$QUERN" man; echo "ended with $?" >&2; } | true'
err_has 'ended with '
verdict "$(holds test "$(wc -l <"$scratch/err")" -eq 1)" 'no complaint about a closed pipe'

# Completions: what they print is a script that its shell accepts, and bash's completes.
run "$QUERN" completion fish
code 0; out_has "complete -c quern -n __fish_use_subcommand -f -a version"
run "$QUERN" completion zsh
code 0; out_has '#compdef quern'
if command -v bash >/dev/null 2>&1; then
    complete='eval "$("$QUERN" completion bash)"; COMP_WORDS=(quern "$@"); COMP_CWORD=$#'
    complete="$complete"'; _quern; echo "${COMPREPLY[@]}"'
    run bash -c "$complete" - vers
    code 0; out_is 'version'
    run bash -c "$complete" - version --js
    code 0; out_is '--json'
    run bash -c "$complete" - version --isa avx512v
    code 0; out_is 'avx512vnni'
fi
for shell in zsh fish; do
    if command -v $shell >/dev/null 2>&1; then
        "$QUERN" completion $shell >"$scratch/completion"
        run $shell -n "$scratch/completion"
        code 0; err_is ''
    fi
done

done_testing
