#!/usr/bin/env python3
"""Do chat templates render as Python's Jinja2 renders them? Byte for byte, over many generated conversations.

    python3 tools/check_templates.py QUERN TEMPLATES [--chats 60] [--seed 1] [--only WORD]

TEMPLATES is a folder of *.jinja files, or such a file. Every template gets the same conversations, with and without the
generation prompt: system texts, many turns, tools, calls and their results, reasoning, parts, documents, switches of
templates, and what hostile people write. Where Python raises, quern must refuse; where Python renders, the bytes must
be equal. Needs jinja2 (set up as transformers does it: tools/fixtures/jinja.py).
"""
import argparse
import concurrent.futures
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures"))
from jinja import BOS, EOS, NOW, render  # noqa: E402
from jinja_chats import BARE, HOSTILE, SEARCH, WEATHER, call  # noqa: E402

TEXTS = [
    "Hello", "", " ", "\n\n", "  padded \n", "Zeile eins\nZeile zwei\r\nund drei\n", "世界 \U0001F600 é é",
    HOSTILE, "{{ 1 + 1 }} {% if x %}{# no #}{{ messages }}", "\"quoted\" 'single' \\ back\\slash \"\"\"",
    "<think>\nHm.\n</think>\n\nYes.",
    "a</think>b</think>c", "<tool_response>\nx\n</tool_response>", "<tool_call>{\"name\": 1}</tool_call>",
    "/no_think What?",
    "Is 3 < 4 && 5 > 2?", "\u2028line\u00a0space\u200b", "ß İ ŉ ǅ ﬁ",
    "tab\there\x0b\x0c\x1f", "%s %(a)s {0} {}",
    "<|channel|>analysis<|message|>x", "x" * 300,
]
NAMES = ["get_weather", "search", "now", "brave_search", "odd name", "süß"]
VALUES = ["Rome", 3, -2.5, 1e100, 1e-7, 0.1, True, None, [], {}, ["a", {"b": "\"c\""}], {"deep": {"er": [1, [2, [3]]]}},
          "<|im_end|>", "ü\n", 12345678901234567890, 1.0, "", "'single'"]
ROLES = ["user", "assistant", "system", "tool", "developer", "ipython", "tool_results", "chatbot", "User", "odd"]
SWITCHES = {
    "enable_thinking": [True, False], "thinking": [True, False], "reasoning_effort": ["low", "high"],
    "documents": [[], [{"doc_id": 7, "title": "T", "text": "Body <|end|>"}, {"doc_id": "x", "title": "", "text": ""}]],
    "builtin_tools": [["browser"], ["python", "browser"], ["brave_search", "code_interpreter"], []],
    "custom_tools": [[WEATHER]], "date_string": ["1 Jan 2030"], "tools_in_user_message": [True, False],
    "controls": [{"citations": True}, {"hallucinations": 1, "length": "short"}, []], "enable_citations": [True],
    "model_identity": ["You are a test."], "xml_tools": [[WEATHER, BARE]], "python_tools": [["def f(): pass"]],
    "custom_instructions": ["Be \"brief\"."], "available_tools": [[BARE]],
}
ODD_TOOL = {"type": "function", "function": {"name": "odd", "description": "é \"x\"\n", "parameters": {
    "type": "object", "properties": {
        "list": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "any": {}, "one": {"oneOf": [{"type": "string"}, {"type": "boolean", "default": False}]},
        "choice": {"type": "string", "enum": ["a", "b\"c"], "nullable": True}, "n": {"type": "integer", "default": 0}},
    "required": []}}}
FLAT_TOOL = {"name": "flat", "description": "Not wrapped", "parameters": {"type": "object", "properties": {}}}


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.odd = self.r.random() < 0.5        # else as well-behaved clients write them, which strict templates take

    def often(self, p):
        return self.r.random() < p

    def text(self):
        return self.r.choice(TEXTS)

    def content(self):
        if not self.odd or self.often(0.85):
            return self.text()
        return self.r.choice([None, [{"type": "text", "text": self.text()}], [{"type": "text", "text": self.text()},
                              {"type": "image"}, "bare"], [], {"output": self.text()}, 7, 2.5, True])

    def arguments(self):
        a = {self.r.choice(["place", "days", "q", "ключ"]): self.r.choice(VALUES) for _ in range(self.r.randrange(4))}
        return json.dumps(a) if self.odd and self.often(0.4) else a

    def tool_calls(self):
        out = []
        for _ in range(self.r.choice([1, 1, 2, 3]) if self.odd else 1):
            ident = "".join(self.r.choice("abcXYZ019") for _ in range(5 if self.odd and self.often(0.3) else 9))
            c = call(self.r.choice(NAMES), self.arguments(), ident)
            flat = {name: c["function"][name] for name in ("name", "arguments")}
            out.append(c if not self.odd or self.often(0.8) else flat)
        return out

    def assistant(self):
        m = {"role": "assistant", "content": self.content()}
        if self.often(0.3):
            m["tool_calls"] = self.tool_calls()
            if self.often(0.4):
                m["content"] = None
            if self.odd and self.often(0.1):
                del m["content"]
        elif self.odd and self.often(0.2):
            m["tool_calls"] = self.r.choice([None, []])
        if self.often(0.2):
            m["reasoning_content"] = self.r.choice([self.text(), None])
        if self.often(0.1):
            m["thinking"] = self.text()
        return m

    def results(self, message):
        out = []
        for c in message.get("tool_calls") or []:
            if not self.odd or self.often(0.9):
                out.append({"role": "tool", "content": self.content(), "tool_call_id": c.get("id", "none"),
                            "name": c.get("function", c)["name"]})
        return out

    def messages(self):
        m = []
        if self.often(0.5):
            m.append({"role": "system", "content": self.text()})
        for _ in range(self.r.choice([1, 1, 2, 2, 3, 5])):
            m.append({"role": "user", "content": self.content()})
            if not self.odd or self.often(0.7):
                m.append(self.assistant())
                more = self.results(m[-1])
                m += more
                if more and (not self.odd or self.often(0.8)):
                    m.append({"role": "assistant", "content": self.text()})
        if not self.odd and self.often(0.7) and m[-1]["role"] == "assistant":
            m.append({"role": "user", "content": self.text()})
        if self.odd and self.often(0.15):
            m.insert(self.r.randrange(len(m) + 1), {"role": self.r.choice(ROLES), "content": self.content()})
        return m

    def chat(self):
        c = {"messages": [] if self.odd and self.often(0.05) else self.messages()}
        if self.often(0.45):
            c["tools"] = self.r.sample([WEATHER, SEARCH, BARE, ODD_TOOL, FLAT_TOOL], self.r.choice([1, 2, 3]))
        for name, values in SWITCHES.items():
            if self.often(0.12):
                c[name] = self.r.choice(values)
        return c


def ours(quern, path, chat, prompt):
    """The prompt, or None where quern refuses; what it says goes with it."""
    command = [quern, "render", path, "-f", "-", "--json", "--bos", BOS, "--eos", EOS, "--date",
               NOW.strftime("%Y-%m-%d")]
    done = subprocess.run(command + ([] if prompt else ["--no-generation-prompt"]), input=json.dumps(chat).encode(),
                          capture_output=True)
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode not in (0, 5, 10, 12):
        raise SystemExit(f"{path}: quern ended with {done.returncode}: {said}\n{json.dumps(chat)}")
    return json.loads(done.stdout)["prompt"] if done.returncode == 0 else None, said


def difference(want, got):
    if want is None or got is None:
        return f"Python {'raises' if want is None else 'renders'}, quern {'refuses' if got is None else 'renders'}"
    at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
    return f"at {at}: Python {want[max(0, at - 30):at + 40]!r}, quern {got[max(0, at - 30):at + 40]!r}"


def check(quern, path, template, chats):
    equal = refused = 0
    bad = []
    for chat, prompt in chats:
        want = render(template, chat, prompt)
        got, said = ours(quern, path, chat, prompt)
        if want == got:
            equal += 1
            refused += want is None
        else:
            bad.append((difference(want, got) + (f" ({said})" if said else ""), chat))
    return os.path.basename(path), equal, refused, bad


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("quern")
    ap.add_argument("templates")
    ap.add_argument("--chats", type=int, default=60)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--only", default="")
    args = ap.parse_args()
    paths = [args.templates]
    if os.path.isdir(args.templates):
        paths = [os.path.join(args.templates, n) for n in sorted(os.listdir(args.templates)) if n.endswith(".jinja")]
    paths = [p for p in paths if args.only in p]
    # What JSON cannot carry (or carries otherwise), Python must not see otherwise either.
    chats = [(json.loads(json.dumps(Maker(args.seed * 1000003 + i).chat())), i % 3 != 2) for i in range(args.chats)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        work = [pool.submit(check, args.quern, p, open(p, encoding="utf-8", newline="").read(), chats) for p in paths]
        for w in work:
            name, equal, refused, bad = w.result()
            failed += len(bad)
            print(f"{name}: {equal} of {len(chats)} equal ({refused} refused by both)", flush=True)
            for why, chat in bad[:5]:
                print(f"    {why}\n        {json.dumps(chat, ensure_ascii=False)[:400]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
