"""check_layers.py ROOT — stairs go down: every #include against the storeys of the house (docs/TOUR.md).

A room may include its own files and rooms of lower storeys. Exceptions among equals stand below, each with its reason.
Also: a file of ours is included by its full path from src/, and only the rooms listed for a library may include it.
A developer's tool: the build and the tests of the engine need no Python.
"""
import pathlib
import re
import sys

STOREYS = [
    "base",
    "num tok record plot ngram",
    "kernels format pull chat guide",
    "graph",
    "ops data world",
    "model",
    "infer train",
    "tune quant eval rag",
    "plan report lab serve",
    "cli api",
]
STOREY = {room: level for level, rooms in enumerate(STOREYS) for room in rooms.split()}

# (from room, to room): why this pair of equals may look at each other. `infer`, `train`, `quant`, `eval` never may:
# what combines them is a callback wired in cli.
EQUALS = {}

# Outside libraries and the rooms that may know them; a library used in one place can be replaced in one place.
LIBRARIES = {
    "pcre2.h": "tok",
    "utf8proc.h": "tok chat",
    "zlib.h": "format",
    "zstd.h": "format",
    "zstd_errors.h": "format",
    "microhttpd.h": "serve",
    "histedit.h": "cli",
    "yaml.h": "cli",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def check_one(path, room, quote, target):
    """The complaint about one include, or None."""
    if quote == "<":
        rooms = LIBRARIES.get(target)
        if rooms is not None and room not in rooms.split():
            return f"<{target}> belongs to: {rooms}"
        return None
    if target == "quern.h":
        return None
    parts = target.split("/")
    if len(parts) == 1:
        # A list or a template beside its includer (kernel_list.inc): a file of the same folder.
        return None if (path.parent / target).exists() else f'"{target}": write the full path from src/'
    other = parts[0]
    if other not in STOREY:
        return f'"{target}": no such room; a new room gets its storey in tools/check_layers.py and docs/TOUR.md'
    if other == room or STOREY[other] < STOREY[room] or (room, other) in EQUALS:
        return None
    return f'{room} (storey {STOREY[room]}) includes {other} (storey {STOREY[other]}): stairs go down'


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    complaints = []
    files = sorted(p for p in (root / "src").rglob("*") if p.suffix in (".c", ".h", ".inc"))
    for path in files:
        room = path.relative_to(root / "src").parts[0]
        where = path.relative_to(root)
        if room not in STOREY:
            complaints.append(f"{where}: the room {room} has no storey")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = INCLUDE.match(line)
            complaint = found and check_one(path, room, found[1], found[2])
            if complaint:
                complaints.append(f"{where}:{number}: {complaint}")
    for complaint in complaints:
        print(complaint)
    print(f"{len(files)} files, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
