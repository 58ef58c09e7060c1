#!/bin/sh
# tools/deps.sh check | install [KINDS] — what the build needs and where Debian and Ubuntu keep it.
# `check` names what is missing; `install` fetches exactly that with apt and does nothing when all is there.
set -u

# One row per need: how it is found, its name, the package that brings it.
needs='
command cc          gcc
command cmake       cmake
command pkg-config  pkg-config
library libpcre2-8  libpcre2-dev
library libutf8proc libutf8proc-dev
library zlib        zlib1g-dev
library libzstd     libzstd-dev
library libmicrohttpd libmicrohttpd-dev
library yaml-0.1    libyaml-dev
library libedit     libedit-dev
library cmocka      libcmocka-dev
module  pip         python3-pip
'

is_there() {    # kind, name
    case $1 in
    command) command -v "$2" >/dev/null 2>&1 ;;
    library) pkg-config --exists "$2" 2>/dev/null ;;
    module) python3 -m "$2" --version >/dev/null 2>&1 ;;
    esac
}

# A C compiler alone is not enough on a bare machine: it also needs the C library's headers.
has_libc() { printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1; }

missing() {     # which kinds count
    while read -r kind name package; do
        case " $1 " in *" $kind "*) is_there "$kind" "$name" || echo "$package" ;; esac
    done <<END
$(echo "$needs" | sed '/^$/d')
END
    has_libc || echo libc6-dev
}

case ${1:-check} in
check)          # pip serves `make demo-chat` alone, so a build does not ask for it
    list=$(missing 'command library' | tr '\n' ' ')
    [ -z "$list" ] && exit 0
    echo "missing: $list"
    echo "'make deps' installs them with apt; then run this again."
    exit 1
    ;;
install)
    list=$(missing "${2:-command library module}" | tr '\n' ' ')
    if [ -z "$list" ]; then
        echo "nothing is missing"
        exit 0
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "no apt-get here; please install what Debian calls: $list"
        exit 1
    fi
    root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "no sudo here; as root, run: apt-get install $list"
            exit 1
        fi
        root=sudo
    fi
    echo "installing: $list"
    $root apt-get update -q && $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y $list
    ;;
*)
    echo "usage: tools/deps.sh check|install"
    exit 2
    ;;
esac
