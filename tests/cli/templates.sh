#!/bin/sh
# tests/cli/templates.sh — chat templates against Python's Jinja2 over conversations made by the hundred.
# label: full
. "$(dirname "$0")/lib.sh"
[ -z "${QUERN_CPU:-}" ] || { echo 'skipped: no kernel has a part in it'; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
python=${PYTHON:-python3}
"$python" -c 'import jinja2' 2>/dev/null || { echo "skipped: $python has no jinja2 (PYTHON names another)"; exit 77; }

# Our own, in the styles that models use; then the published ones, where they are.
"$python" - "$root" "$scratch" <<'END'
import os, sys
sys.path.insert(0, os.path.join(sys.argv[1], "tools", "fixtures"))
from jinja_chats import OWN
os.mkdir(os.path.join(sys.argv[2], "own"))
for name, text in OWN.items():
    with open(os.path.join(sys.argv[2], "own", name.replace(" ", "_") + ".jinja"), "w", encoding="utf-8") as f:
        f.write(text)
END
run "$python" "$root/tools/check_templates.py" "$QUERN" "$scratch/own" --chats 30
code 0; out_has '30 of 30 equal'
published=${QUERN_SHARED:-$root/../shared}/templates
if [ -d "$published" ]; then
    run "$python" "$root/tools/check_templates.py" "$QUERN" "$published" --chats 60 --seed 3
    code 0; out_has '60 of 60 equal'
else
    echo 'skipped: the published templates are not here'
fi
done_testing
