"""check_style.py ROOT — what the house rules say about files, measured.

Fails on what may not be (see LIMITS and the rules below); remarks, without failing, on what is over the size aimed at.
A developer's tool: the build and the tests of the engine need no Python.
"""
import collections
import pathlib
import re
import sys

# kind: (aim, end). A pure table is exempt: a file whose longest function is shorter than a tenth of it.
LIMITS = {"file": (600, 1000), "header": (300, 300), "function": (60, 120), "nesting": (3, 5)}
LINE = 120
TABLE_LINE = 160         # between `clang-format off` and `on`: tables aligned by hand
FOLDERS = ("src", "include", "tests", "fuzz", "bench", "examples", "tools", "docs", ".ci")
C_SUFFIXES = (".c", ".h", ".inc")
CODE_SUFFIXES = C_SUFFIXES + (".py", ".sh", ".in")

# Words are spelled in two pieces so that this file does not find itself.
ANYWHERE = [
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "left behind"),
    (re.compile(r"(^|[^A-Za-z0-9_.~*/])/(work|home|root|opt|srv|mnt|Users)/"), "a path of one machine"),
]
C_ONLY = [(re.compile(r"^\s*#\s*if\s+0\b"), "dead code behind #if 0")]
# In src below cli: the library never prints, ends the process or reads the environment, and counts its memory.
LIBRARY = [
    (re.compile(r"\b(abort|exit|_exit|_Exit|quick_exit)\s*\("), "the library does not end the process"),
    (re.compile(r"\b(printf|puts|putchar|fprintf|vprintf|vfprintf|perror)\s*\("), "the library does not print"),
    (re.compile(r"\b(getenv|secure_getenv|setenv|putenv)\s*\("), "the library does not read the environment"),
    (re.compile(r"\b(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign)\s*\("),
     "memory goes through base/mem.h"),
    (re.compile(r"\b(fork|vfork|system|popen)\s*\("), "never fork while a pool lives: posix_spawn"),
    (re.compile(r"\balloca\s*\("), "no alloca"),
]
# Where a rule above is kept by breaking it: file and the reason.
EXEMPT = {
    "src/base/mem.c": "the one caller of malloc",
    "src/base/err.c": "qn_assert ends the process on our own bugs",
    "src/cli/main.c": "the command's last line may end the process; reads the environment",
}
ISA_NAME = re.compile(r"_(avx2|avxvnni|avx512\w*|amx|neon)\.c$")
CONTROL = re.compile(r"^( +)(if|for|while|switch|do)\b")


def blank_comments_and_strings(text):
    """The same text with comments and literals blanked, lines kept."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[0][0] == "/" else '""', text)


def functions(code):
    """(name, first line, number of lines) of every function body in blanked C text."""
    found, depth, head, line, name, start = [], 0, "", 1, None, 0
    for piece in re.split(r"([{};\n])", re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m[0].count("\n"),
                                               code, flags=re.M)):
        if piece == "\n":
            line += 1
        elif piece == "{":
            if depth == 0:
                called = re.search(r"(\w+)\s*\(", head)
                name = called[1] if called and "=" not in head else None
                start = line
            depth += 1
            head = ""
        elif piece == "}":
            depth -= 1
            if depth == 0 and name:
                found.append((name, start, line - start + 1))
                name = None
            head = ""
        elif piece == ";":
            head = ""
        else:
            head += piece
    return found


def deepest(code):
    """(nesting, line) of the deepest control statement, by indentation; continued macros do not count."""
    worst = (0, 0)
    lines = code.splitlines()
    for number, line in enumerate(lines, 1):
        control = CONTROL.match(line)
        if control and not line.endswith("\\"):
            worst = max(worst, (len(control[1]) // 4, number))
    return worst


class Report:
    def __init__(self):
        self.complaints, self.remarks = [], []

    def measure(self, kind, where, what, size):
        aim, end = LIMITS[kind]
        if size > end:
            self.complaints.append(f"{where}: {what}: {size}, and {end} is the end")
        elif size > aim:
            self.remarks.append(f"{where}: {what}: {size}, aim {aim}")


def check_lines(report, where, path, text):
    code_file = path.suffix in CODE_SUFFIXES
    rules = list(ANYWHERE) + (C_ONLY if path.suffix in C_SUFFIXES else [])
    longest = LINE
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{where}:{number}"
        if "clang-format o" in line:
            longest = TABLE_LINE if "clang-format off" in line else LINE
        if line != line.rstrip():
            report.complaints.append(f"{place}: white space at the end of the line")
        if "\t" in line:
            report.complaints.append(f"{place}: a tab")
        if code_file and len(line) > longest:
            report.complaints.append(f"{place}: {len(line)} characters, and {longest} is the end")
        for pattern, reason in rules:
            found = pattern.search(line)
            if found:
                report.complaints.append(f"{place}: {found[0].strip()}: {reason}")


def check_c(report, where, path, text):
    code = blank_comments_and_strings(text)
    bodies = functions(code)
    lines = text.count("\n")
    if not text.startswith("/*"):
        report.complaints.append(f"{where}:1: a file opens by telling what it is for")
    if path.suffix == ".h":
        report.measure("header", where, "lines", lines)
    elif path.suffix == ".c" and (lines <= 600 or max((b[2] for b in bodies), default=0) * 10 > lines):
        report.measure("file", where, "lines", lines)
    for name, start, length in bodies:
        report.measure("function", f"{where}:{start}", f"lines of {name}", length)
    nesting, line = deepest(code)
    report.measure("nesting", f"{where}:{line}", "nesting", nesting)
    if ISA_NAME.search(path.name) and where.parts[0] == "src" and path.parent.name not in ("x86", "arm"):
        report.complaints.append(f"{where}: a file for one kind of CPU lives in x86/ or arm/")
    if where.parts[0] != "src" or where.parts[1] == "cli" or str(where) in EXEMPT:
        return
    for number, line in enumerate(code.splitlines(), 1):
        for pattern, reason in LIBRARY:
            found = pattern.search(line)
            if found:
                report.complaints.append(f"{where}:{number}: {found[1]}: {reason}" if found.groups()
                                         else f"{where}:{number}: {reason}")


def check_script(report, where, text):
    head = text.split("\n", 2)
    opens = head[0].startswith(('"""', "# ")) or (head[0].startswith("#!") and len(head) > 1
                                                   and head[1].startswith(('"""', "# ")))
    if not opens:
        report.complaints.append(f"{where}:1: a script opens by telling what it is for")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    report, names, count = Report(), collections.defaultdict(list), 0
    paths = [p for folder in FOLDERS for p in sorted((root / folder).rglob("*")) if p.is_file()]
    for path in paths:
        where = path.relative_to(root)
        if {"fixtures", "corpus"} & set(where.parts[:2]) or "__pycache__" in where.parts:
            continue
        if path.suffix not in CODE_SUFFIXES + (".md", "") or path.name == ".gitkeep":
            continue
        count += 1
        text = path.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            report.complaints.append(f"{where}: no newline at the end")
        check_lines(report, where, path, text)
        if path.suffix in C_SUFFIXES:
            names[path.name].append(str(where))
            check_c(report, where, path, text)
        elif path.suffix in (".py", ".sh"):
            check_script(report, where, text)
    for name, places in names.items():
        if len(places) > 1:
            report.complaints.append(f"{name} stands in more than one place: {', '.join(places)}")
    for remark in report.remarks:
        print("remark:", remark)
    for complaint in report.complaints:
        print(complaint)
    print(f"{count} files, {len(report.complaints)} complaints, {len(report.remarks)} remarks")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
