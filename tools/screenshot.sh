#!/bin/sh
# tools/screenshot.sh REPORT.html OUT.png [WIDTH] [HEIGHT] — a picture of a report, for the documentation: headless
# Chromium draws it in light colours, pngquant makes it small. A developer's tool: nothing that is built or tested needs
# it.
#
#     tools/screenshot.sh demo/report.html docs/img/report.png
set -eu
[ $# -ge 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
page=$1 out=$2 width=${3:-1120} height=${4:-1500}
most=200000

browser=
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && browser=$name && break
done
[ -n "$browser" ] || { echo "no Chromium here: apt-get install -y chromium" >&2; exit 1; }
[ -f "$page" ] || { echo "$page: no such file" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed '1,3s/<html lang="en">/<html lang="en" data-theme="light">/' "$page" >"$work/page.html"
"$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --screenshot="$work/shot.png" --window-size="$width,$height" "file://$work/page.html" >/dev/null 2>&1
[ -s "$work/shot.png" ] || { echo "$browser drew nothing" >&2; exit 1; }

# Fewer colours until it is small enough.
cp "$work/shot.png" "$work/small.png"
if command -v pngquant >/dev/null 2>&1; then
    for colors in 128 64 32 16; do
        pngquant --force --strip --speed 1 --output "$work/small.png" "$colors" "$work/shot.png"
        [ "$(wc -c <"$work/small.png")" -gt "$most" ] || break
    done
fi
size=$(wc -c <"$work/small.png")
[ "$size" -le "$most" ] || { echo "$size bytes: more than $most; pngquant would make it smaller" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
cp "$work/small.png" "$out"
echo "$out: $width by $height, $size bytes"
