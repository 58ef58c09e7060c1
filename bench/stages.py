"""What the long studies share: commands that are done once and go on where they were stopped, and tables."""
import json
import subprocess
import sys


def quern(o, *words):
    """Runs it in the work folder; what it says goes to the terminal, what it prints comes back."""
    command = [str(o.quern)] + [str(w) for w in words] + (["--threads", str(o.threads)] if o.threads else [])
    print("$ quern", *command[1:], file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=o.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"quern ended with {done.returncode}; the same command goes on from here")
    return done.stdout


def once(o, name, words, clear=None, resume=None):
    """A command whose mark is not there; with its mark and other words the study is another one."""
    mark = o.work / "done" / name.replace("/", "-")
    words = [str(w) for w in words]
    if mark.is_file():
        if json.loads(mark.read_text(encoding="utf-8")) != words:
            sys.exit(f"{o.work} holds a study that was asked for something else ({name}); name another --work")
        return
    if resume and (o.work / resume / "manifest.json").is_file():
        quern(o, "train", "resume", resume)
    else:
        if clear and (o.work / clear).exists():
            remove(o.work / clear)
        quern(o, *words)
    mark.parent.mkdir(exist_ok=True)
    part = mark.with_suffix(".part")
    part.write_text(json.dumps(words), encoding="utf-8")
    part.rename(mark)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            remove(inner)
        path.rmdir()
    else:
        path.unlink()


def find_quern(o):
    if not o.quern.exists():
        sys.exit(f"{o.quern} is not there: build it, or name it with --quern")
    o.quern = o.quern.resolve()


def make_world(o, folder, seed, size, vocab):
    """A world, its tokenizer, and its text as tokens, in `folder`."""
    text = [f"{folder}world/corpus", "--separator", "<|endoftext|>"]
    once(o, f"{folder}world", ["data", "world", "--seed", seed, "--size", size, "--sidecar", "--out", f"{folder}world",
                               "--quiet"], clear=f"{folder}world")
    once(o, f"{folder}tokenizer", ["train", "tokenizer", *text, "--vocab", vocab, "--bos", "<|endoftext|>",
                                   "--chat-template", f"{folder}world/chat_template.jinja",
                                   "--out", f"{folder}tokenizer", "--quiet"], clear=f"{folder}tokenizer")
    once(o, f"{folder}data", ["data", "prepare", *text, "--tokenizer", f"{folder}tokenizer", "--validation", "1%",
                              "--out", f"{folder}data", "--quiet"], clear=f"{folder}data")


# ---- tables ----

def percent(c):
    return f"{100 * c['value']:.1f} ({100 * c['lo']:.0f} – {100 * c['hi']:.0f})"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def write(o, name, text, result):
    (o.work / f"{name}.md").write_text(text, encoding="utf-8")
    (o.work / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
