"""serve_http.py QUERN FOLDER [whole] — a server asked over raw sockets: shapes, errors, who is let in, who goes away.

FOLDER holds what make_tiny wrote. Prints what does not hold; the exit code says whether all did. `whole`: 2,000
requests of all kinds, many of them broken, and 1,000 open connections, too. Nothing but the standard library, nothing
but this machine's loopback.
"""
import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

QUERN, FOLDER = sys.argv[1], sys.argv[2]
WHOLE = len(sys.argv) > 3
checks = failures = 0


def check(ok, what, *seen):
    global checks, failures
    checks += 1
    if not ok:
        failures += 1
        print("FAILED:", what, *[repr(s)[:600] for s in seen], flush=True)
    return ok


# ---- servers -------------------------------------------------------------------------------------------------------

class Server:
    def __init__(self, model, *options):
        self.log = open(os.path.join(FOLDER, "serve.log"), "w+")
        self.process = subprocess.Popen([QUERN, "serve", os.path.join(FOLDER, model), "--port", "0", "-v", *options],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1]) if ":" in line else 0
        if not self.port:
            print(open(self.log.name).read())
            raise SystemExit("the server does not start")

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.log.close()
        return code

    def said(self):
        return open(self.log.name).read()

    def connect(self, timeout=60):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, path, body=None, method=None, headers=()):
        """Status, headers, body."""
        with self.connect() as s:
            s.sendall(request(path, body, method, headers))
            return answer(s)

    def json(self, path, body=None, **more):
        status, headers, text = self.ask(path, body, **more)
        try:
            return status, json.loads(text)
        except ValueError:
            check(False, f"{path}: JSON in the answer", status, text)
            return status, {}

    def figure(self, name):
        text = self.ask("/metrics")[2].decode()
        return float(re.search(rf"^quern_{name} (\S+)$", text, re.M)[1])

    def wait_for(self, name, value, seconds=30):
        end = time.time() + seconds
        while self.figure(name) < value and time.time() < end:
            time.sleep(0.02)
        return self.figure(name)


def request(path, body=None, method=None, headers=(), keep=False):
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    head = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1"]
    if not any(h.lower().startswith("host:") for h in headers):
        head.append("Host: localhost")
    head += list(headers)
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    if not keep:
        head.append("Connection: close")
    return ("\r\n".join(head) + "\r\n\r\n").encode() + (body or b"")


def answer(s, pending=None):
    """One answer off a socket."""
    data = pending.pop() if pending else b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            return 0, {}, data
        data += more
    head, data = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    status = int(lines[0].split()[1])
    if "content-length" in headers:
        n = int(headers["content-length"])
        while len(data) < n:
            more = s.recv(65536)
            if not more:
                break
            data += more
        if pending is not None:
            pending.append(data[n:])
        return status, headers, data[:n]
    while True:
        more = s.recv(65536)
        if not more:
            break
        data += more
    if headers.get("transfer-encoding") == "chunked":
        whole = b""
        while data:
            size, data = data.split(b"\r\n", 1)
            n = int(size, 16)
            if n == 0:
                break
            whole, data = whole + data[:n], data[n + 2:]
        data = whole
    return status, headers, data


def events(text):
    """The JSON of a stream's events; None for its end."""
    found = []
    for block in text.decode().split("\n\n"):
        for line in block.split("\n"):
            if line.startswith("data: "):
                found.append(None if line == "data: [DONE]" else json.loads(line[6:]))
            elif line and not line.startswith(":"):
                check(False, "a stream has data lines and comments", line)
    return found


def chat(content, **more):
    return dict(messages=[dict(role="user", content=content)], **more)


def quern(*words):
    done = subprocess.run([QUERN, *words], capture_output=True, text=True)
    return json.loads(done.stdout)


# ---- shapes --------------------------------------------------------------------------------------------------------

def plain(s):
    status, headers, text = s.ask("/health")
    check(status == 200 and json.loads(text)["status"] == "ok" and headers["x-request-id"], "health", text)
    for path in ("/v1/models", "/models"):
        check(s.json(path)[1]["data"][0]["id"] == "tiny", path)
    check(s.json("/v1/models/tiny")[1]["meta"]["n_ctx"] == 512, "one model")
    for path, body, method, want in (("/v1/models/other", None, None, 404), ("/nothing", None, None, 404),
                                     ("/v1/chat/completions", None, None, 405), ("/health", {}, None, 405),
                                     ("/v1/engines", {}, None, 404)):
        status, told = s.json(path, body, method=method)
        check(status == want and told["error"]["message"], f"{path}: {want}", status, told)
    for path, method, want in (("/v1/chat/completions", "GET", "POST, OPTIONS"),
                               ("/health", "PUT", "GET, HEAD, OPTIONS"), ("/nothing", "GET", None)):
        headers = s.ask(path, method=method)[1]
        check(headers.get("allow") == want, f"Allow of {path}", headers)
    check(b"<title>" in s.ask("/")[2], "a page")
    status, headers, text = s.ask("/health", method="HEAD")
    check(status == 200 and text == b"", "HEAD", text)
    told = s.json("/tokenize", dict(content="ab<|im_end|>"))[1]["tokens"]
    check(len(told) == 3, "special tokens are parsed", told)
    check(s.json("/detokenize", dict(tokens=told))[1]["content"] == "ab<|im_end|>", "and back")
    check(len(s.json("/tokenize", dict(content="<|im_end|>", parse_special=False))[1]["tokens"]) == 10, "or are text")
    pieces = s.json("/tokenize", dict(content="the é", with_pieces=True))[1]["tokens"]
    check(pieces[0]["piece"] == "the" and pieces[-1]["piece"] == [0xa9], "pieces", pieces)
    check(s.json("/detokenize", dict(tokens=[]))[1]["content"] == "", "nothing")
    told = s.json("/apply-template", chat("hi"))[1]
    check(told["prompt"] == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "a template", told)
    told = s.json("/apply-template", chat("hi", add_generation_prompt=False))[1]
    check(told["prompt"] == "<|im_start|>user\nhi<|im_end|>\n", "... that does not begin the answer", told)


def chats(s):
    status, told = s.json("/v1/chat/completions", chat("hi", max_tokens=4, model="whatever", unknown={"a": [1]},
                                                      temperature=None, tools=None, stop=None))
    choice = told["choices"][0]
    check(status == 200 and told["object"] == "chat.completion", "whole", told)
    check(choice["message"]["content"] == "ABCD", "its text", told)
    check(choice["finish_reason"] == "length" and choice["logprobs"] is None, "cut", choice)
    check(told["usage"] == dict(prompt_tokens=21, completion_tokens=4, total_tokens=25,
                                prompt_tokens_details=told["usage"]["prompt_tokens_details"]), "usage", told["usage"])
    told = s.json("/v1/chat/completions", chat("hi"))[1]["choices"][0]
    check(told["message"]["content"] == "ABCDEFGHIJKLMNOPQRSTUVWXYZ" and told["finish_reason"] == "stop", "to the end")
    told = s.json("/chat/completions", chat("hi", stop=["never", "EF"]))[1]["choices"][0]
    check(told["message"]["content"] == "ABCD" and told["finish_reason"] == "stop", "a stop string", told)
    told = s.json("/v1/chat/completions", chat("hi", max_completion_tokens=2, logprobs=True, top_logprobs=3))[1]
    entry = told["choices"][0]["logprobs"]["content"]
    check(len(entry) == 2 and entry[0]["token"] == "A" and entry[0]["bytes"] == [65] and entry[0]["logprob"] < 0 and
          len(entry[1]["top_logprobs"]) == 3 and entry[1]["top_logprobs"][0]["token"] == "B", "logprobs", entry)
    parts = [dict(type="text", text="h"), dict(type="text", text="i")]
    said = [dict(role="developer", content="be brief"), dict(role="user", content=parts),
            dict(role="assistant", content=None), dict(role="user", content="\ud83d")]
    told = s.json("/apply-template", dict(messages=said))[1]["prompt"]
    check("system\nbe brief" in told and "user\nh\ni<" in told and "assistant\n<" in told and "\ufffd" in told,
          "roles and parts", told)


def streams(s):
    status, headers, text = s.ask("/v1/chat/completions", chat("hi", stream=True, stop="H", logprobs=True,
                                                              stream_options=dict(include_usage=True)))
    got = events(text)
    check(status == 200 and headers["content-type"].startswith("text/event-stream"), "a stream", headers)
    check(got[-1] is None and got[-2]["choices"] == [] and got[-2]["usage"]["completion_tokens"] == 8, "its end", got)
    check(len({e["id"] for e in got[:-1]}) == 1 and all("usage" in e for e in got[:-1]), "one id")
    deltas = [e["choices"][0]["delta"] for e in got[:-2]]
    check([d.get("role") for d in deltas] == ["assistant"] + [None] * (len(deltas) - 1), "the role once", deltas)
    check("".join(d.get("content", "") for d in deltas) == "ABCDEFG", "its text", deltas)
    check([e["choices"][0]["finish_reason"] for e in got[:-2]] == [None] * (len(deltas) - 1) + ["stop"], "its reason")
    tokens = [p["token"] for e in got[:-2] for p in (e["choices"][0]["logprobs"] or {}).get("content", [])]
    check("".join(tokens) == "ABCDEFGH", "logprobs in a stream", tokens)
    text = s.ask("/v1/completions", dict(prompt="1", stream=True, max_tokens=5))[2]
    check("".join(e["choices"][0]["text"] for e in events(text)[:-1]) == "\U0001f600", "whole characters", text)
    for n in (1, 2, 3):                                 # a character that the limit cuts: its tokens, and no text
        ask = dict(prompt="1", max_tokens=n, logprobs=1)
        told = s.json("/v1/completions", ask)[1]
        choice = told["choices"][0]
        check(choice["text"] == "" and choice["finish_reason"] == "length" and len(choice["logprobs"]["tokens"]) == n
              and told["usage"]["completion_tokens"] == n, "half a character", told)
        got = [e["choices"][0] for e in events(s.ask("/v1/completions", dict(ask, stream=True))[2])[:-1]]
        check("".join(c["text"] for c in got) == "" and got[-1]["finish_reason"] == "length" and
              sum(len(c["logprobs"]["tokens"]) for c in got if c["logprobs"]) == n, "half a character streamed", got)
    ask = chat("hi", max_tokens=2, logit_bias={str(3 + 0xf0): 100})
    told = s.json("/v1/chat/completions", ask)[1]["choices"][0]["message"]["content"]
    got = [e["choices"][0]["delta"] for e in events(s.ask("/v1/chat/completions", dict(ask, stream=True))[2])[:-1]]
    check(told == "".join(d.get("content", "") for d in got) == "\ufffd", "what is no character is shown", told, got)


def completions(s):
    told = s.json("/v1/completions", dict(prompt=["abc", "xyz"], max_tokens=2, n=2, logprobs=2))[1]
    check([c["text"] for c in told["choices"]] == ["de", "de", "", ""], "prompts times answers", told)
    check([c["index"] for c in told["choices"]] == [0, 1, 2, 3] and told["usage"]["prompt_tokens"] == 6, "in order")
    told = told["choices"][0]["logprobs"]
    check(told["tokens"] == ["d", "e"] and told["text_offset"] == [0, 1] and len(told["top_logprobs"][0]) == 2 and
          told["token_logprobs"][0] < 0, "logprobs of a completion", told)
    ids = s.json("/tokenize", dict(content="abc"))[1]["tokens"]
    for prompt in (ids, [ids]):
        told = s.json("/v1/completions", dict(prompt=prompt, max_tokens=1, echo=True))[1]
        check(told["choices"][0]["text"] == "abcd", "ids, echoed", told)
    said = quern("score", os.path.join(FOLDER, "tiny.gguf"), "-p", "the brook", "--json")
    want = [t.get("logprob") for t in said["tokens"]]
    for more in ({}, dict(n=2), dict(max_tokens=0), dict(stream=True)):
        ask = dict(dict(prompt="the brook", max_tokens=1, echo=True, logprobs=2), **more)
        if "stream" in ask:
            parts = [e["choices"][0]["logprobs"] for e in events(s.ask("/v1/completions", ask)[2])[:-1]]
            told = [v for p in parts for v in p["token_logprobs"]]
        else:
            part = s.json("/v1/completions", ask)[1]["choices"][-1]["logprobs"]
            told = part["token_logprobs"]
            check(len(part["tokens"]) == len(told) == len(part["top_logprobs"]) == len(part["text_offset"]) and
                  part["text_offset"][:2] == [0, 3] and part["top_logprobs"][0] is None, "lists of one length", part)
        check(len(told) == len(want) + ask["max_tokens"] and told[0] is None and
              all(abs(a - b) < 1e-6 for a, b in zip(told[1:], want[1:])), "what score says of the prompt", told, want)
    told = s.json("/v1/completions", dict(prompt="abc", max_tokens=0))[1]
    check(told["choices"][0]["text"] == "" and told["usage"]["completion_tokens"] == 0, "no tokens", told)


def wrong(s):
    """What is the client's fault is 400 with the member's name."""
    deep = "[" * 100
    cases = [
        ("{", None, "request:1"), ("", None, "request"), ("[]", None, "request:1:1"), ("nul", None, "request"),
        ('{"messages": [{"role": "user", "content": "\xff"}]}'.encode("latin-1"), "messages", "UTF-8"),
        ('{"messages": ' + deep, "messages", "deep"), ({}, "messages", "messages"),
        (dict(messages=[]), "messages", "empty"), (dict(messages={}), "messages", "array"),
        (dict(messages=[1]), "messages", "object"), (dict(messages=[{}]), "messages", "role"),
        (dict(messages=[dict(role="king", content="")]), "messages", "king"),
        (dict(messages=[dict(role="user", content=[dict(type="image_url", image_url={})])]), "messages", "image_url"),
        (chat("refuse"), "messages", "the template refuses"),
        (chat("hi", temperature="hot"), "temperature", "request:1"),
        (chat("hi", temperature=-1), "temperature", "0 to"),
        (chat("hi", top_p=1.5), "top_p", "0 to 1"), (chat("hi", n=0), "n", "1 to"), (chat("hi", n=10**9), "n", "1 to"),
        (chat("hi", n=1.5), "n", ""), (chat("hi", max_tokens=-7), "max_tokens", "-1 to"),
        (chat("hi", stop=[""]), "stop", "empty"), (chat("hi", stop=["x"] * 50), "stop", "more than"),
        (chat("hi", stop=7), "stop", ""), (chat("hi", top_logprobs=100), "top_logprobs", "0 to"),
        (chat("hi", logprobs=3), "logprobs", ""), (chat("hi", stream="yes"), "stream", ""),
        (chat("hi", seed="x"), "seed", ""), (chat("hi", logit_bias={"9999999": 1}), "logit_bias", "9999999"),
        (chat("hi", logit_bias={"5": 1000}), "logit_bias", "-100 to 100"),
        (chat("hi", response_format=dict(type="xml")), "response_format",
         '"xml"; expected text, json_object or json_schema'),
        (chat("hi", tool_choice="maybe"), "tool_choice", '"maybe"; expected auto, none or required'),
        (chat("hi", seed=9 * 10**15 + 1), "seed", "0 to 9000000000000000"), (chat("hi", seed=1e20), "seed", "0 to 9"),
        (chat("hi", seed=1.5), "seed", "an integer"), (chat("hi", seed=9 * 10**15, n=2), "seed", "2 answers go beyond"),
        (chat("hi", dry_sequence_breakers=[]), "dry_sequence_breakers", "at least one"),
        (chat("hi", dry_sequence_breakers=[""]), "dry_sequence_breakers", "empty"),
        (chat("hi", dry_sequence_breakers="x"), "dry_sequence_breakers", ""),
        (chat("hi", dry_sequence_breakers=["x"] * 33), "dry_sequence_breakers", "more than 32"),
        (chat("hi", mirostat=2, top_p=0.9), "top_p", "mirostat stands in place of top_p"),
        (chat("hi", top_k=5, mirostat=1), "top_k", "mirostat stands in place of top_k"),
        (chat("hi", max_tokens=3, max_completion_tokens=4), "max_completion_tokens", "max_tokens mean the same"),
        (chat("hi", n_predict=3, max_tokens=4), "max_tokens", "n_predict mean the same"),
        (chat("hi", repeat_penalty=1.5, repetition_penalty=1), "repetition_penalty", "mean the same"),
        (chat("hi", lora=[], adapters=[]), "adapters", "lora and adapters mean the same"),
        (chat("hi", response_format=dict(type="json_schema")), "response_format", "schema"),
        (chat("hi", tool_choice="required"), "tool_choice", "no tools"), (chat("hi", tools={}), "tools", "array"),
        (chat("hi", lora=[dict(id=3)]), "lora", "no such adapter"), (chat("x" * 600), "messages", "619 tokens"),
        (chat("hi", temperature=float("nan")), "temperature", ""),
        (chat("hi", top_logprobs=2), "top_logprobs", '"logprobs"'),
        (chat("hi", top_logprobs=2, logprobs=False), "top_logprobs", '"logprobs"'),
        (chat("hi", stream_options=dict(include_usage=True)), "stream_options", '"stream"'),
        (chat("hi", grammar="root ::= "), "grammar", "grammar:1:10: the rule"),
        ('{"messages": [], "n": 1, "n": 2}', "n", 'request:1:26: "n" is there twice'),
        ('{"x": null, "\\u0078": 1}', "x", '"x" is there twice'),
        (json.dumps({f"m{i}": 0 for i in range(300)}), "m256", "more than 256"),
        (chat("x" * 300000), "messages", "bytes, and the context of 512 tokens holds"),
        (dict(messages=[dict(role="user", content="a"), dict(role="assistant", content="b")] * 300), "messages",
         "the context holds 512"),
        (chat("hi", tools=[dict(type="function", function=dict(name="f", parameters=dict(type="string")))]), "tools",
         'of type "string"'),
    ]
    for body, param, message in cases:
        if isinstance(body, dict):
            body = json.dumps(body)
        status, told = s.json("/v1/chat/completions", body)
        error = told.get("error", {})
        check(status == 400 and error.get("type") == "invalid_request_error" and error.get("param") == param and
              message in error.get("message", ""), f"400 with {param!r} and {message!r}", body[:120], status, told)
    check(s.json("/v1/chat/completions", chat("x" * 600))[1]["error"]["code"] == "context_length_exceeded", "its code")
    for path, body in (("/v1/completions", {}), ("/v1/completions", dict(prompt=[])),
                       ("/v1/completions", dict(prompt=7)),
                       ("/v1/completions", dict(prompt=[[99999]])), ("/v1/completions", dict(prompt=[-1])),
                       ("/v1/completions", dict(prompt="")), ("/v1/completions", dict(prompt=["a"] * 65)),
                       ("/v1/completions", dict(prompt="a", suffix="b")),
                       ("/v1/completions", dict(prompt="a", n=1, best_of=2)), ("/tokenize", {}),
                       ("/tokenize", dict(content=7)), ("/detokenize", dict(tokens="x")), ("/detokenize", {}),
                       ("/detokenize", dict(tokens=[1e9])), ("/apply-template", {}),
                       ("/v1/embeddings", dict(input="a")),
                       ("/v1/embeddings", {}), ("/tokenize", '{"content": "a", "content": "b"}')):
        status, told = s.json(path, body)
        check(status == 400 and told["error"]["message"], f"{path}: 400", body, status, told)


def not_done(s):
    """Members that would change the answer and are not done: refused by name, unless they say nothing."""
    for name, means, off in (("functions", [dict(name="f")], []), ("function_call", dict(name="f"), "auto"),
                             ("continue_final_message", True, False), ("chat_template", "x", None),
                             ("min_tokens", 3, 0), ("stop_token_ids", [2], []), ("bad_words", ["A"], []),
                             ("top_n_sigma", 1.5, -1),
                             ("dynatemp_range", 0.5, 0.0), ("modalities", ["text", "audio"], ["text"])):
        status, told = s.json("/v1/chat/completions", chat("hi", **{name: means}))
        check(status == 400 and told["error"]["param"] == name and name in told["error"]["message"] and
              told["error"]["code"] == "unsupported", f"{name} is refused", means, status, told)
        for nothing in (off, None):
            status, told = s.json("/v1/chat/completions", chat("hi", max_tokens=4, **{name: nothing}))
            check(status == 200 and told["choices"][0]["message"]["content"] == "ABCD", f"{name}: {nothing!r} is off",
                  status, told)
    for more in (dict(max_tokens=4, max_completion_tokens=4),
                 dict(mirostat=2, top_p=1, top_k=-1, min_p=0, max_tokens=4), dict(mirostat=0, top_p=0.9, max_tokens=4),
                 dict(seed=-1, n=2, max_tokens=4),
                 dict(seed=9 * 10**15, max_tokens=4)):
        status, told = s.json("/v1/chat/completions", chat("hi", **more))
        check(status == 200 and told["choices"][0]["message"]["content"] == "ABCD", f"{more} is fine", status, told)
    drawn = {s.json("/v1/completions", dict(prompt="abc", max_tokens=12, seed=-1, temperature=3, top_p=1))[1]
             ["choices"][0]["text"] for _ in range(6)}
    check(len(drawn) > 1, "a negative seed is none", drawn)


# ---- answers held to a form -----------------------------------------------------------------------------------------

WEATHER = [dict(type="function", function=dict(name="weather", description="the weather", parameters=dict(
    type="object", properties=dict(city=dict(enum=["Mill", "Brook"]), days=dict(type="integer", minimum=1, maximum=9)),
    required=["city", "days"], additionalProperties=False)))]


def forms(s):
    members = dict(name=dict(enum=["x", "y"]), n=dict(type="integer", minimum=3, maximum=5))
    schema = dict(type="object", properties=members, required=["name", "n"], additionalProperties=False)
    form = dict(type="json_schema", json_schema=dict(name="it", schema=schema))
    for more in (dict(response_format=form), dict(json_schema=schema), dict(response_format=form, n=2, temperature=2)):
        told = s.json("/v1/chat/completions", chat("hi", **more))[1]
        for c in told["choices"]:
            value = json.loads(c["message"]["content"])
            check(value["name"] in "xy" and 3 <= value["n"] <= 5 and c["finish_reason"] == "stop", "a schema", told)
    told = s.json("/v1/completions", dict(prompt="a", grammar='root ::= "yes" | "no"'))[1]["choices"][0]
    check(told["text"] in ("yes", "no"), "a grammar", told)
    told = s.json("/v1/completions", dict(prompt="abc", max_tokens=1, logit_bias={str(3 + ord("q")): 100}))[1]
    check(told["choices"][0]["text"] == "q", "a bias", told)
    for more, want in ((dict(guided_json=schema), "{"), (dict(guided_json=json.dumps(schema)), "{"),
                       (dict(guided_regex="[xy]{3}z"), "xy"), (dict(guided_choice=["yes", "no \"\n"]), "yn"),
                       (dict(structured_outputs=dict(choice=["yes", "no"])), "yn"),
                       (dict(structured_outputs=dict(regex="[xy]{3}z", json=None)), "xy")):
        told = s.json("/v1/chat/completions", chat("hi", **more))[1]["choices"][0]
        check(told["message"]["content"][:1] in want and told["finish_reason"] == "stop", f"held to {more}", told)
    for more in (dict(json_object=True), dict(json_object=True, regex=None, structural_tag=None)):
        ask = chat("hi", structured_outputs=more, temperature=1, max_tokens=40)
        told = s.json("/v1/chat/completions", ask)[1]["choices"][0]["message"]["content"]
        ask = dict(chat("hi", response_format=dict(type="json_object"), temperature=1, max_tokens=40, seed=1))
        first = s.json("/v1/chat/completions", ask)[1]["choices"][0]["message"]["content"]
        check(told.startswith("{") and first.startswith("{"), "a JSON object", told, first)
    told = s.json("/v1/chat/completions", chat("hi", structured_outputs=dict(json_object=False), max_tokens=4))[1]
    check(told["choices"][0]["message"]["content"] == "ABCD", "no JSON object", told)
    for more in (dict(structural_tag="x"), dict(regexp="a"), dict(foo=1), dict(foo=1, regex="a")):
        status, told = s.json("/v1/chat/completions", chat("hi", structured_outputs=more))
        check(status == 400 and told["error"]["param"] == "structured_outputs" and list(more)[0] in
              told["error"]["message"] and "json, regex, choice, grammar and json_object" in told["error"]["message"],
              "a form that is not known", more, status, told)
    read, kept = s.figure("grammars_read_total"), s.figure("grammars_kept_total")
    more = [s.json("/v1/chat/completions", chat("hi", seed=i, temperature=2, response_format=form))[1]
            for i in range(3)]
    check(all(json.loads(m["choices"][0]["message"]["content"])["n"] in (3, 4, 5) for m in more), "valid again", more)
    check(s.figure("grammars_read_total") == read and s.figure("grammars_kept_total") == kept + 3, "it is read once")
    for more, param in ((dict(response_format=dict(type="json_schema", json_schema=dict(schema=dict(type="what")))),
                         "response_format"), (dict(grammar="root ::= nothing"), "grammar"),
                        (dict(guided_regex="("), "guided_regex"), (dict(guided_choice=[]), "guided_choice"),
                        (dict(guided_choice="x"), "guided_choice"), (dict(guided_json=dict(type=1)), "guided_json"),
                        (dict(structured_outputs=dict(regex="(")), "structured_outputs.regex"),
                        (dict(tools=[{}]), "tools"), (dict(tools=[dict(function=dict(name=""))]), "tools"),
                        (dict(tools=WEATHER, tool_choice=dict(function=dict(name="wether"))), "tool_choice"),
                        (dict(tools=WEATHER, tool_choice="maybe"), "tool_choice")):
        status, told = s.json("/v1/chat/completions", chat("hi", **more))
        check(status == 400 and told["error"]["param"] == param, f"400 for {param}", more, status, told)


def one_form(s):
    """Two members that each hold the answer to something are refused, both by name; what says nothing is no second."""
    grammar, schema, form = 'root ::= "a"', dict(type="object"), dict(type="json_object")
    for more, names in ((dict(response_format=form, grammar=grammar), ("response_format", "grammar")),
                        (dict(grammar=grammar, response_format=form), ("grammar", "response_format")),
                        (dict(guided_regex="a", guided_choice=["a"]), ("guided_regex", "guided_choice")),
                        (dict(json_schema=schema, guided_json=schema), ("json_schema", "guided_json")),
                        (dict(structured_outputs=dict(choice=["a"], json=schema)),
                         ("structured_outputs.choice", "structured_outputs.json")),
                        (dict(structured_outputs=dict(choice=["a"]), grammar=grammar),
                         ("structured_outputs.choice", "grammar")),
                        (dict(tools=WEATHER, tool_choice="required", grammar=grammar), ("grammar", "tool_choice"))):
        status, told = s.json("/v1/chat/completions", chat("hi", **more))
        check(status == 400 and told["error"]["param"] == names[1] and
              all(n in told["error"]["message"] for n in names), f"{names} at once", more, status, told)
    text = dict(type="text")
    for more in (dict(grammar=grammar, response_format=text), dict(response_format=text, grammar=grammar),
                 dict(grammar=grammar, guided_grammar=None, guided_json=None, guided_regex=None, json_schema=None),
                 dict(grammar=grammar, structured_outputs=dict(json=None)), dict(grammar="", guided_grammar=grammar),
                 dict(grammar=grammar, tools=WEATHER, tool_choice="none")):
        status, told = s.json("/v1/chat/completions", chat("hi", **more))
        check(status == 200 and told["choices"][0]["message"]["content"] == "a", "one form", more, status, told)


# As pydantic writes models within models, and two tools that call different things by the same name.
def by_reference(name, value):
    it = {"type": "object", "properties": {"v": {"const": value}}, "required": ["v"]}
    them = {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/It"}}
    schema = {"type": "object", "properties": {"it": {"$ref": "#/$defs/It"}, "them": them}, "required": ["it"],
              "$defs": {"It": it}}
    return dict(type="function", function=dict(name=name, parameters=schema))


def references(s):
    both = [by_reference("first", 1), by_reference("second", 2)]
    for name, value in (("first", 1), ("second", 2)):
        choice = dict(type="function", function=dict(name=name))
        told = s.json("/v1/chat/completions", chat("hi", tools=both, tool_choice=choice))[1]
        call = told["choices"][0]["message"]["tool_calls"][0]["function"]
        check(call["name"] == name and json.loads(call["arguments"])["it"] == {"v": value}, "its own reference", told)
    several = chat("hi", tools=both, tool_choice="required", parallel_tool_calls=True, temperature=1.5, seed=1,
                   max_tokens=2000)
    told = s.json("/v1/chat/completions", several)[1]["choices"][0]
    for call in told["message"]["tool_calls"]:
        if told["finish_reason"] != "length":
            value = json.loads(call["function"]["arguments"])["it"]["v"]
            check(call["function"]["name"] == ("first", "second")[value - 1], "each call its own", told)
    nothing = dict(type="function", function=dict(name="now"))
    told = s.json("/v1/chat/completions", chat("hi", tools=[nothing], tool_choice="required"))[1]
    call = told["choices"][0]["message"]["tool_calls"][0]["function"]
    check(json.loads(call["arguments"]) == {}, "no parameters, no arguments", told)
    broken = dict(type="function", function=dict(name="odd", parameters={"properties": {"a": {"if": {}}}}))
    status, told = s.json("/v1/chat/completions", chat("hi", tools=[broken], tool_choice="required"))
    check(status == 400 and "odd#/properties/a/if" in told["error"]["message"], "whose schema it is", told)


def llama(s):
    """A model whose template means Llama 3's calls is held to those."""
    many = dict(parallel_tool_calls=True, temperature=1.5, max_tokens=2000)
    for choice, more in (("required", {}), ("required", many),
                         (dict(type="function", function=dict(name="weather")), {})):
        ask = chat("hi", tools=WEATHER, tool_choice=choice, seed=3, **more)
        told = s.json("/v1/chat/completions", ask)[1]["choices"][0]
        calls = told["message"]["tool_calls"]
        check(told["message"]["content"] is None and json.loads(calls[0]["function"]["arguments"])["days"] > 0 and
              (more or len(calls) == 1), "a bare call", told)
    got = [e["choices"][0]["delta"] for e in events(s.ask("/v1/chat/completions", dict(ask, stream=True))[2])[:-1]]
    text = "".join(c["function"]["arguments"] for d in got for c in d.get("tool_calls", []))
    check(text == calls[0]["function"]["arguments"], "the same streamed", got)
    text = s.json("/v1/completions", dict(prompt="a", max_tokens=3))[1]["choices"][0]["text"]
    check(text == "bcd", "texts are texts", text)


def llama_like():
    """The tiny model, with a template that speaks of <|python_tag|>."""
    to = os.path.join(FOLDER, "llama-like")
    shutil.copytree(os.path.join(FOLDER, "tiny"), to)
    path = os.path.join(to, "tokenizer_config.json")
    config = json.load(open(path))
    config["chat_template"] = "{# <|python_tag|> #}" + config["chat_template"]
    json.dump(config, open(path, "w"))
    s = Server("llama-like", "--temp", "0", "--ctx", "4000")
    llama(s)
    check(s.stop() == 0, "ends")


def tools(s):
    named = dict(type="function", function=dict(name="weather"))
    for choice in ("required", named):
        told = s.json("/v1/chat/completions", chat("hi", tools=WEATHER, tool_choice=choice))[1]["choices"][0]
        call = told["message"]["tool_calls"][0]
        value = json.loads(call["function"]["arguments"])
        check(told["finish_reason"] == "tool_calls" and told["message"]["content"] is None and call["id"] and
              call["function"]["name"] == "weather" and value["city"] in ("Mill", "Brook"), "a call", told)
    text = s.ask("/v1/chat/completions", chat("hi", tools=WEATHER, tool_choice="required", stream=True))[2]
    deltas = [e["choices"][0] for e in events(text)[:-1]]
    calls = [d["delta"]["tool_calls"][0] for d in deltas if "tool_calls" in d["delta"]]
    check([c.get("id") is not None for c in calls] == [True] + [False] * (len(calls) - 1), "its id once", calls)
    check([c["function"].get("name") for c in calls] == ["weather"] + [None] * (len(calls) - 1), "its name once", calls)
    check(json.loads("".join(c["function"]["arguments"] for c in calls))["days"] > 0, "its arguments", calls)
    check(len(calls) > 5, "… as they come", len(calls))
    ask = chat("hi", tools=WEATHER, tool_choice="required")
    n = s.json("/v1/chat/completions", ask)[1]["usage"]["completion_tokens"]
    ask["max_tokens"] = n - 16                          # "}\n}\n</tool_call>" is its end
    told = s.json("/v1/chat/completions", ask)[1]["choices"][0]
    got = [e["choices"][0] for e in events(s.ask("/v1/chat/completions", dict(ask, stream=True))[2])[:-1]]
    cut = "".join(c["function"]["arguments"] for d in got for c in d["delta"].get("tool_calls", []))
    check(cut.startswith("{") and got[-1]["finish_reason"] == told["finish_reason"] == "length" and
          told["message"]["tool_calls"][0]["function"]["arguments"] == cut, "a call that is cut", cut, told)
    check(deltas[-1]["finish_reason"] == "tool_calls", "its reason", deltas[-1])
    told = s.json("/apply-template", chat("hi", tools=WEATHER))[1]["prompt"]
    check("<tools>" in told and '"weather"' in told, "a template without words for tools is helped", told)
    call = dict(id="1", type="function", function=dict(name="weather", arguments='{"days": 1}'))
    said = [dict(role="system", content="be brief"), dict(role="user", content="hi"),
            dict(role="assistant", content=None, tool_calls=[call])]
    told = s.json("/apply-template", dict(messages=said, tools=WEATHER))[1]["prompt"]
    check(told.count("<|im_start|>system") == 1 and "be brief\n\n# Tools" in told and
          '<tool_call>\n{"name":"weather","arguments":{"days": 1}}\n</tool_call>' in told, "in one message", told)
    told = s.json("/apply-template", chat("hi", tools=WEATHER, tool_choice="none"))[1]["prompt"]
    check("weather" not in told, "none are told of", told)
    told = s.json("/v1/chat/completions", chat("hi", tools=WEATHER, max_tokens=3))[1]["choices"][0]["message"]
    check(told["content"] == "ABC" and "tool_calls" not in told, "words are words", told)


# ---- equal answers -------------------------------------------------------------------------------------------------

def same_as_generate(s):
    """Drawn answers, many at once, are those of `quern generate`."""
    jobs = [(seed, "abc"[seed % 3:] * (1 + seed % 5), 5 + seed % 9) for seed in range(12)]
    got = {}

    def one(seed, prompt, n):
        got[seed] = s.json("/v1/completions", dict(prompt=prompt, max_tokens=n, seed=seed, temperature=2.5, top_p=1,
                                                   min_p=0, top_k=0))[1]["choices"][0]["text"]

    threads = [threading.Thread(target=one, args=job) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for seed, prompt, n in jobs[::4]:
        want = quern("generate", os.path.join(FOLDER, "tiny.gguf"), "-p", prompt, "-n", str(n), "--seed", str(seed),
                     "--temp", "2.5", "--json")["text"]
        check(got[seed] == want, f"seed {seed}: what generate says", got[seed], want)
    told = s.json("/v1/completions", dict(prompt="abc", max_tokens=9, seed=3, temperature=2.5, top_p=1, n=2))[1]
    second = s.json("/v1/completions", dict(prompt="abc", max_tokens=9, seed=4, temperature=2.5, top_p=1))[1]
    check(told["choices"][1]["text"] == second["choices"][0]["text"], "the second of n has the next seed", told, second)
    differ = set()
    for breakers in (None, ["c"], ["c", "zz", ":"], ["\n", ":", '"', "*"]):
        words = [w for b in breakers or [] for w in ("--dry-breaker", b)]
        for prompt in ("abcdefabcdefabc", 'abc:def"abc:def"abc:', "abc"):
            ask = dict(prompt=prompt, max_tokens=24, seed=7, temperature=1.5, top_p=1, dry_multiplier=3, dry_base=2,
                       dry_allowed_length=1, dry_sequence_breakers=breakers)
            got = s.json("/v1/completions", ask)[1]["choices"][0]["text"]
            want = quern("generate", os.path.join(FOLDER, "tiny.gguf"), "-p", prompt, "-n", "24", "--seed", "7",
                         "--temp", "1.5", "--dry-multiplier", "3", "--dry-base", "2", "--dry-allowed", "1", *words,
                         "--json")["text"]
            check(got == want, f"DRY as generate has it, breakers {breakers}", prompt, got, want)
            differ.add((prompt, got))
    check(len(differ) > 3, "breakers change something", differ)


def breakers_of_start():
    """What --dry-breaker said at the start holds for a request that turns DRY on, unless it has its own."""
    s = Server("tiny.gguf", "--temp", "0", "--dry-breaker", "c")
    ask = dict(prompt="abcdefabcdefabc", max_tokens=2, dry_multiplier=50)
    check(s.json("/v1/completions", ask)[1]["choices"][0]["text"] == "de", "the start's breakers")
    ask["dry_sequence_breakers"] = [":"]
    check(s.json("/v1/completions", ask)[1]["choices"][0]["text"] != "de", "the request's breakers")
    check(s.stop() == 0, "ends")


# ---- who may ask, and how much -------------------------------------------------------------------------------------

def gates(s):
    key = ["Authorization: Bearer right-key-1"]
    check(s.ask("/health")[0] == 200 and s.ask("/")[0] == 200, "health and page want no key")
    for headers in ([], ["Authorization: Bearer wrong"], ["Authorization: Bearer right-key-12"], ["x-api-key: "],
                    ["Authorization: right-key-1"], ["x-api-key: # right-key-3"], ["x-api-key: right-key-3"]):
        status, told = s.json("/v1/models", headers=headers)
        check(status == 401 and told["error"]["type"] == "authentication_error", "401", headers, told)
    for headers in (key, ["authorization: bearer right-key-1"], ["X-API-Key: right-key-2"]):
        check(s.ask("/v1/models", headers=headers)[0] == 200, "a right key", headers)
    for path, lines, want in (("/v1/chat/completions", ["Content-Length: 1000"], 401),
                              ("/v1/chat/completions", ["Content-Length: 1000", "Authorization: Bearer wrong"], 401),
                              ("/tokenize", ["Transfer-Encoding: chunked"], 401),
                              ("/v1/completions", ["Content-Length: 1000", "Origin: https://evil.example"], 403)):
        status, _, said = head_alone(s, "Host: localhost", *lines, path=path)
        check(status == want, f"{want} before the body comes", lines, status, said)
    for host, want in (("evil.example", 403), ("evil.example:80", 403), ("127.0.0.1.evil.example", 403),
                       ("localhost", 200), (f"127.0.0.1:{s.port}", 200), ("[::1]:80", 200), ("mill.local", 200),
                       ("x" * 400, 403)):
        check(s.ask("/v1/models", headers=[f"Host: {host}", *key])[0] == want, f"Host: {host[:40]}: {want}")
    for origin, want in (("https://evil.example", 403), ("null", 403), (f"http://localhost:{s.port}", 200),
                         ("https://good.example", 200)):
        status, headers, text = s.ask("/v1/models", headers=[f"Host: localhost:{s.port}", f"Origin: {origin}", *key])
        check(status == want, f"Origin: {origin}: {want}", status, text)
        check((headers.get("access-control-allow-origin") == origin) == ("good" in origin), "told so", headers)
    status, headers, text = s.ask("/v1/chat/completions", method="OPTIONS", headers=[
        "Origin: https://good.example", "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization,content-type"])
    check(status == 204 and "authorization" in headers["access-control-allow-headers"], "preflight, no key", headers)
    status, told = s.json("/v1/chat/completions", "x" * 5000, headers=key)
    check(status == 413 and "4096" in told["error"]["message"], "a long body", status, told)
    with s.connect() as c:
        c.sendall(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nx-api-key: right-key-1\r\n"
                  b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for _ in range(3):
            c.sendall(b"800\r\n" + b"x" * 2048 + b"\r\n")
        c.sendall(b"0\r\n\r\n")
        check(answer(c)[0] == 413, "a long body in chunks")
    with s.connect() as c:
        c.sendall(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nx-api-key: right-key-1\r\n"
                  b"Content-Length: 99999999999\r\n\r\nxx")
        check(answer(c)[0] == 413, "far too long: told before it comes")
    status, headers, text = s.ask("/v1/completions", dict(prompt="a", n=2, max_tokens=1), headers=key)
    told = json.loads(text)["error"]
    check(status == 400 and told["param"] == "n" and "retry-after" not in headers and "2 answers in one request; this "
          "server takes 1 at most" in told["message"], "what never has room", status, headers, told)
    status, told = s.json("/v1/completions", dict(prompt=["a"] * 4, max_tokens=1), headers=key)
    check(status == 400 and told["error"]["param"] == "prompt" and "4 answers" in told["error"]["message"],
          "prompts beyond all places", status, told)
    for _ in range(50):                                 # the first may have ended before the second asks
        with s.connect() as c:
            c.sendall(request("/v1/completions", dict(prompt="a", ignore_eos=True, stream=True), headers=key))
            c.recv(1000)
            status, headers, text = s.ask("/v1/completions", dict(prompt="a", max_tokens=1), headers=key)
        if status != 200:
            break
    check(status == 429 and int(headers["retry-after"]) >= 1 and b"queue holds 0" in text, "429", headers, text)
    end = time.time() + 20
    while (status := s.json("/v1/completions", dict(prompt="a", max_tokens=1), headers=key)[0]) == 429 and \
            time.time() < end:
        time.sleep(0.05)
    check(status == 200, "and one has room", status)


def wires(s):
    with s.connect() as c:                              # two on one connection, sent at once
        c.sendall(request("/v1/completions", dict(prompt="abc", max_tokens=1), keep=True) +
                  request("/v1/completions", dict(prompt="xy", max_tokens=1), keep=True))
        pending = []
        told = [json.loads(answer(c, pending)[2])["choices"][0]["text"] for _ in range(2)]
        check(told == ["d", "z"], "pipelined", told)
    with s.connect() as c:                              # a body in pieces, which waits to be asked for
        c.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                  b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        check(c.recv(1000).startswith(b"HTTP/1.1 100"), "100 Continue")
        for piece in (b'{"prompt": "a', b'bc", "max_', b'tokens": 1, "suffix": "", "best_of": 1}'):
            c.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.sendall(b"0\r\n\r\n")
        check(json.loads(answer(c)[2])["choices"][0]["text"] == "d", "a body in chunks")
    with s.connect() as c:                              # an old client
        c.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        check(answer(c)[0] == 200, "HTTP/1.0")
    with s.connect() as c:
        body = b'{"prompt": "abc", "max_tokens": 2, "stream": true}'
        c.sendall(b"POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        check(b"[DONE]" in answer(c)[2], "a stream for HTTP/1.0")
    for bytes_ in (b"\0\1\2\3", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 100000, b"\r\n" * 50,
                   b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                   b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhalf"):
        with s.connect(0.2) as c:
            try:
                c.sendall(bytes_)
                c.shutdown(socket.SHUT_WR)
                c.recv(65536)
            except OSError:
                pass
    check(s.ask("/health")[0] == 200, "and it still stands")


def head_alone(s, *lines, path="/v1/completions", method="POST"):
    """What is said to a request of which only the head has come: status, headers, the error's message."""
    with s.connect(5) as c:
        c.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode())
        try:
            status, headers, text = answer(c)
        except OSError as e:
            return 0, {}, str(e)
    try:
        return status, headers, json.loads(text)["error"]["message"]
    except (ValueError, KeyError):
        return status, headers, text


def framing(s):
    """Heads that a proxy might read otherwise are refused, at once, and the connection ends."""
    host = "Host: localhost"
    for lines, word in (([host, "Host: evil.example"], "more than one Host"), ([host, host], "more than one Host"),
                        ([], "no Host"), (["Host: localhost:99999"], "65535"), (["Host: localhost:80x"], "65535"),
                        (["Host: [::1"], "Host"), (["Host: [::1]x"], "Host"),
                        ([host, "Content-Length: 4", "Transfer-Encoding: chunked"], "said twice"),
                        ([host, "Content-Length: 4", "Content-Length: 5"], "more than one Content-Length"),
                        ([host, "Transfer-Encoding: gzip, chunked"], "expected chunked")):
        status, headers, said = head_alone(s, *lines)
        check(status == 400 and word in said and headers.get("x-request-id") and
              headers.get("connection") == "close", f"400: {word}", lines, status, headers, said)
    status, _, said = head_alone(s, host, "Host: evil.example", path="/health", method="GET")
    check(status == 400 and "more than one Host" in said, "of a GET, too", status, said)
    for line in ("Host: localhost:", "Host: localhost:65535", "Host: [::1]"):
        check(s.ask("/health", headers=[line])[0] == 200, f"{line} is fine")
    # What is no HTTP to libmicrohttpd it answers itself, with a page (docs/SERVING.md says so).
    for lines, want in (([host, "Content-Length: -1"], 400), ([host, "X: " + "x" * 100000], 431)):
        status, headers, _ = head_alone(s, *lines)
        check(status == want, f"{want} by libmicrohttpd", status, headers)


# ---- long answers --------------------------------------------------------------------------------------------------

LONG = dict(prompt="a", ignore_eos=True, max_tokens=-1)


def goes_away(s):
    before = s.figure("answers_cancelled_total")
    whole, stream = s.connect(), s.connect()
    whole.sendall(request("/v1/completions", LONG))
    stream.sendall(request("/v1/completions", dict(LONG, stream=True)))
    stream.recv(1000)
    check(s.wait_for("slots_active", 1) >= 1, "under way")
    whole.close()
    stream.close()
    check(s.wait_for("answers_cancelled_total", before + 2) == before + 2, "who goes away cancels")
    check(s.wait_for("clients_gone_total", 2) >= 2, "and is counted")


def half_closed(s):
    """Who only says that no more will come still gets a stream; who is gone is noticed by it."""
    with s.connect() as c:
        c.sendall(request("/v1/completions", dict(prompt="a", stream=True, ignore_eos=True, max_tokens=300)))
        c.shutdown(socket.SHUT_WR)
        check(b"[DONE]" in answer(c)[2], "a stream to one that has closed its half")
    before = s.figure("answers_cancelled_total")
    first = [s.connect() for _ in range(2)]
    for c in first:
        c.sendall(request("/v1/completions", dict(LONG, stream=True)))
        c.recv(1000)
    waits = s.connect()
    waits.sendall(request("/v1/completions", dict(LONG, stream=True)))
    waits.recv(1000)
    waits.close()
    check(s.wait_for("answers_cancelled_total", before + 1) == before + 1, "gone while it waits", before)
    for c in first:
        c.close()
    check(s.wait_for("answers_cancelled_total", before + 3) == before + 3, "and the others", before)


def waits_and_pings(s):
    first, second = s.connect(), s.connect()
    first.sendall(request("/v1/completions", dict(LONG, stream=True, n=2)))
    first.recv(1000)
    second.sendall(request("/v1/completions", dict(prompt="abc", stream=True, max_tokens=3)))
    data, end = b"", time.time() + 20
    while b":\n\n" not in data and time.time() < end:
        data += second.recv(1000)
    check(b":\n\n" in data and b"data:" not in data, "pings while it waits", data)
    check(s.figure("queue_waiting") == 1, "in the queue")
    first.close()
    while b"[DONE]" not in data and time.time() < end + 20:
        more = second.recv(65536)
        if not more:
            break
        data += more
    check(b'"text":"d"' in data and b"[DONE]" in data, "and is answered when the first has gone", data)
    second.close()


def slow_reader(s):
    with s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        c.sendall(request("/v1/completions", dict(prompt="a", ignore_eos=True, max_tokens=800, stream=True)))
        time.sleep(0.2)
        got = [e for e in events(answer(c)[2]) if e]
        check(len(got) > 600 and got[-1]["choices"][0]["finish_reason"] == "length", "a slow reader gets all", len(got))


def drains(s):
    c = s.connect()
    c.sendall(request("/v1/completions", dict(prompt="a", ignore_eos=True, max_tokens=1000, stream=True)))
    data = c.recv(500)
    s.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    try:
        s.connect(2).close()
        refused = False
    except OSError:
        refused = True
    check(refused, "nobody new is let in")
    while True:
        more = c.recv(65536)
        if not more:
            break
        data += more
    check(b"[DONE]" in data, "what is under way is answered", data[-300:])
    code = s.process.wait(30)
    check(code == 0, "and it ends in order", code, s.said()[-1000:])
    s.stop()


# ---- embeddings, adapters ------------------------------------------------------------------------------------------

def near(a, b):
    return len(a) == len(b) and all(abs(x - y) < 1e-7 for x, y in zip(a, b))


def embeddings():
    s = Server("bert", "--queue", "0")
    check(s.json("/v1/embeddings", dict(input="hello"))[0] == 200, "one at once, although none may wait")
    check(s.stop() == 0, "ends")
    s = Server("bert")
    texts = ["hello", "the brook", ""]
    status, told = s.json("/v1/embeddings", dict(input=texts, model="m"))
    check(status == 200 and [d["index"] for d in told["data"]] == [0, 1, 2], "embeddings", told)
    packed = s.json("/embeddings", dict(input=texts, encoding_format="base64"))[1]
    for a, b, text in zip(told["data"], packed["data"], texts):
        raw = base64.b64decode(b["embedding"])
        want = quern("embed", os.path.join(FOLDER, "bert"), "-p", text, "--json")
        floats = list(struct.unpack(f"<{len(raw) // 4}f", raw))
        check(near(floats, a["embedding"]), "base64")
        check(near(want["embedding"], a["embedding"]), f"what embed says of {text!r}")
    many = s.json("/v1/embeddings", dict(input=texts * 30))[1]
    check(many["data"][88]["embedding"] == told["data"][1]["embedding"], "the same beside others")
    for body, param in ((dict(input=[]), "input"), (dict(input="x " * 5000), "input"), (dict(input=[["a"]]), "input"),
                        (dict(input="a", dimensions=3), "dimensions"),
                        (dict(input="a", encoding_format="x"), "encoding_format"),
                        (dict(input=["a"] * 3000), "input")):
        status, told = s.json("/v1/embeddings", body)
        check(status == 400 and told["error"]["param"] == param, f"400 for {param}", str(body)[:80], status, told)
    cut_embeddings(s)
    for path in ("/v1/chat/completions", "/apply-template"):
        check(s.json(path, chat("hi"))[0] == 400, f"no {path} with an encoder")
    check(s.json("/v1/completions", dict(prompt="a"))[0] == 400, "no completions with an encoder")
    check(s.stop() == 0, "ends")


def cut_embeddings(s):
    """Texts that are too long are cut where that is asked for, and it is told; else the error says how to ask."""
    text, bert = "the brook " * 500, os.path.join(FOLDER, "bert")
    status, told = s.json("/v1/embeddings", dict(input=["hello", text]))
    said = re.search(r"text 2 has (\d+) tokens; this model reads (\d+) at once", told["error"]["message"])
    check(status == 400 and said and told["error"]["code"] == "context_length_exceeded" and
          '"truncate": true' in told["error"]["message"] and "--" not in told["error"]["message"], "too long", told)
    had, most = int(said[1]), int(said[2])
    want = quern("embed", bert, "-p", text, "--truncate", "--json")
    ids = s.json("/tokenize", dict(content=text, add_special=True))[1]["tokens"]
    for more in (dict(truncate=True), dict(truncate_prompt_tokens=-1), dict(truncate_prompt_tokens=most),
                 dict(truncate=True, truncation_direction="Right", input=["hello", text]),
                 dict(truncate=True, input=[ids])):
        status, told = s.json("/v1/embeddings", dict(dict(input=text), **more))
        one = told["data"][-1] if status == 200 else {}
        check(near(one.get("embedding", []), want["embedding"]) and one["truncated_from"] == had and
              told["usage"]["truncated_tokens"] == had - most, "cut as embed --truncate cuts", str(more)[:80],
              status, str(told)[:300])
    status, told = s.json("/v1/embeddings", dict(input=["the brook " * 3, "hello"], truncate_prompt_tokens=5))
    short = quern("embed", bert, "-p", "the brook " * 3, "--truncate", "--max-tokens", "5", "--json")
    check(status == 200 and near(told["data"][0]["embedding"], short["embedding"]) and
          "truncated_from" in told["data"][0], "cut to five", status, str(told)[-300:])
    told = s.json("/v1/embeddings", dict(input="hello", truncate=True))[1]
    check(told["usage"]["truncated_tokens"] == 0 and "truncated_from" not in told["data"][0], "nothing to cut", told)
    for more, param in ((dict(truncate_prompt_tokens=most + 1), "truncate_prompt_tokens"),
                        (dict(truncate_prompt_tokens=2), "truncate_prompt_tokens"),
                        (dict(truncate_prompt_tokens=0), "truncate_prompt_tokens"), (dict(truncate="END"), "truncate"),
                        (dict(truncation_direction="Left"), "truncation_direction"), (dict(input=[ids]), "input")):
        status, told = s.json("/v1/embeddings", dict(dict(input=text), **more))
        check(status == 400 and told["error"]["param"] == param, f"400 for {param}", str(more)[:80], status, told)


def adapters():
    s = Server("tiny.gguf", "--adapter", os.path.join(FOLDER, "adapter"), "--temp", "0")
    body = dict(prompt="abc", max_tokens=2)
    name = s.json("/v1/models")[1]["data"][1]["id"]
    for more, want in (({}, "yz"), (dict(lora=[]), "de"), (dict(lora=[dict(id=0, scale=1)]), "yz"),
                       (dict(adapters=[dict(name=name)]), "yz"), (dict(lora=[dict(id=0, scale=0)]), "de"),
                       (dict(model=name), "yz")):
        told = s.json("/v1/completions", dict(body, **more))[1]["choices"][0]["text"]
        check(told == want, f"with {more}: {want}", told)
    check(name == "adapter" and s.json("/v1/models/adapter")[1]["parent"] == "tiny", "called as its file is", name)
    path = os.path.join(FOLDER, "adapter")
    for more, want in ((dict(lora=[dict(id=0, scale=None)]), "yz"), (dict(lora=[dict(id=None, name=path)]), "yz"),
                       (dict(lora=[dict(id=0, name=name)]), "yz"), (dict(model=path), "yz"),
                       (dict(lora=[dict(name=name, scale=0)]), "de")):
        told = s.json("/v1/completions", dict(body, **more))[1]["choices"][0]["text"]
        check(told == want, f"with {more}: {want}", told)
    for entries, word in (([dict(id=0, name="other")], "no such adapter"), ([dict(id=1, name=name)], "no such"),
                          ([dict(id=0), dict(id=0)], "twice"), ([dict(id=0), dict(name=path)], "twice"),
                          ([{}], "no such adapter"), ([dict(id=-1)], "no such adapter")):
        status, told = s.json("/v1/completions", dict(body, lora=entries))
        check(status == 400 and told["error"]["param"] == "lora" and word in told["error"]["message"], word, entries,
              status, told)
    check(s.stop() == 0, "ends")
    shutil.copytree(path, os.path.join(FOLDER, "more", "adapter"))
    both = [path, os.path.join(FOLDER, "more", "adapter")]
    s = Server("tiny.gguf", "--adapter", both[0], "--adapter", both[1] + ":0", "--temp", "0")
    told = [m["id"] for m in s.json("/v1/models")[1]["data"]]
    check(told == ["tiny", *both], "by their paths where names are alike", told)
    for entries, word in (([dict(id=0, name=both[1])], "whose id is 1"), ([dict(name="adapter")], "no such adapter")):
        status, told = s.json("/v1/completions", dict(body, lora=entries))
        check(status == 400 and word in told["error"]["message"], word, status, told)
    told = s.json("/v1/completions", dict(body, lora=[dict(id=1, name=both[1])]))[1]["choices"][0]["text"]
    check(told == "yz", "by its path", told)
    check(s.stop() == 0, "ends")


# ---- a crowd -------------------------------------------------------------------------------------------------------

def crowd(s, total, seed):
    """Requests of all kinds at once, many broken or broken off: each that waits for its answer gets one."""
    rng, lost = random.Random(seed), []
    plans = [(rng.randrange(10), rng.randrange(10**6)) for _ in range(total)]

    def one(kind, salt):
        body = dict(prompt="abc"[salt % 3:] * (1 + salt % 40), max_tokens=1 + salt % 30, seed=salt, temperature=1)
        c = s.connect()
        try:
            if kind < 4:
                c.sendall(request("/v1/completions", dict(body, stream=kind % 2 == 0)))
                status, _, text = answer(c)
                good = status == 200 and (b"[DONE]" in text if kind % 2 == 0 else json.loads(text)["choices"])
                if not good and status not in (429,):
                    lost.append((kind, status, text[:200]))
            elif kind == 4:                             # goes away at once, or in the middle
                c.sendall(request("/v1/completions", dict(LONG, stream=salt % 2 == 0)))
                if salt % 4 == 0:
                    c.recv(100)
            elif kind == 5:                             # half a request
                c.sendall(request("/v1/completions", body)[:20 + salt % 150])
            elif kind == 6:                             # not JSON
                c.sendall(request("/v1/chat/completions", json.dumps(chat("hi"))[:salt % 40]))
                if answer(c)[0] != 400:
                    lost.append((kind,))
            elif kind == 7:                             # a body far too long
                c.sendall(request("/v1/completions", "x" * 70000))
                if answer(c)[0] != 413:
                    lost.append((kind,))
            elif kind == 8:                             # reads slowly
                c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                c.sendall(request("/v1/completions", dict(body, stream=True)))
                time.sleep(0.05)
                if not answer(c)[0]:
                    lost.append((kind,))
            else:
                c.sendall(bytes(rng.randrange(256) for _ in range(salt % 200)))
        except OSError as e:
            if kind < 4:
                lost.append((kind, str(e)))
        finally:
            c.close()

    def worker():
        while plans:
            try:
                plan = plans.pop()
            except IndexError:
                return
            one(*plan)

    threads = [threading.Thread(target=worker) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not lost, f"{total} requests: all that waited were answered", lost[:5], len(lost))
    check(s.ask("/health")[0] == 200, "and it stands")


def thousand(s):
    """1,000 open connections, 32 of them at work."""
    idle = [s.connect() for _ in range(968)]
    for c in idle[::2]:
        c.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n")      # and half of them have begun to ask
    done, lost = [], []

    def one(i):
        for k in range(4):
            told = s.json("/v1/completions", dict(prompt="abc", max_tokens=20, seed=i))
            (done if told[0] == 200 and told[1]["choices"][0]["text"] == "defghijklmnopqrstuvw" else lost).append(told)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(32)]
    for t in threads:
        t.start()
    check(s.figure("connections") > 900, "connections", s.figure("connections"))
    for t in threads:
        t.join()
    check(len(done) == 128 and not lost, "nothing lost", len(done), lost[:2])
    for c in idle:
        if c is idle[1]:
            c.sendall(request("/v1/completions", dict(prompt="abc", max_tokens=1)))
            check(answer(c)[0] == 200, "an idle one wakes up")
        c.close()
    status = open(f"/proc/{s.process.pid}/status").read()
    print("peak memory with 1,000 connections:", re.search(r"VmHWM:\s*(.*)", status)[1])


def main():
    s = Server("tiny.gguf", "--temp", "0", "--max-body", "1M")
    for part in (plain, chats, streams, completions, wrong, not_done, forms, one_form, same_as_generate, wires,
                 framing):
        part(s)
    log = s.said()
    check(s.stop(signal.SIGINT) == 0, "Ctrl-C ends it in order")
    check("/v1/chat/completions: 200" in log, "requests are in the log", log[-400:])
    keys = os.path.join(FOLDER, "keys.txt")
    with open(keys, "w") as f:
        f.write("# who may ask\n\n   \n \tright-key-2 \r\n  # right-key-3\n")
    s = Server("tiny.gguf", "--temp", "0", "--api-key", "right-key-1", "--api-key-file", keys, "--parallel", "1",
               "--queue", "0", "--allow-host", "mill.local", "--allow-origin",
               "https://good.example", "--max-body", "4096")
    gates(s)
    check(s.stop() == 0, "ends")
    check("right-key" not in s.said(), "no key in the log")
    s = Server("tiny.gguf", "--temp", "0", "--ctx", "20000", "--parallel", "2", "--ping", "0.05s", "--max-body", "64K")
    for part in (tools, references, goes_away, half_closed, waits_and_pings, slow_reader):
        part(s)
    crowd(s, 2000 if WHOLE else 60, 1)
    drains(s)
    if WHOLE:
        s = Server("tiny.gguf", "--temp", "0", "--parallel", "16", "--queue", "256", "--ctx", "512")
        thousand(s)
        check(s.stop() == 0, "ends")
    llama_like()
    breakers_of_start()
    embeddings()
    adapters()
    print(f"{checks} checks, {failures} failed")
    return 1 if failures else 0


sys.exit(main())
