#!/bin/sh
# tools/python.sh SCRIPT ARGS — runs a developer's check, or says that it is skipped where there is no Python.
if ! command -v python3 >/dev/null 2>&1; then
    echo "skipped: no python3 here, so $1 was not run"
    exit 77
fi
exec python3 "$@"
