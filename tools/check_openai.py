"""check_openai.py QUERN MODEL [EMBEDDER] — the `openai` package as a client of `quern serve`.

Chat whole and streamed, log-probabilities, several answers, tools whole and streamed, a JSON schema through the
package's own parsing, completions, errors as the package's exceptions, embeddings. A developer's tool: pip install
openai; skipped aloud without it. QUERN is the binary, MODEL one with a chat template, EMBEDDER a sentence encoder.
"""
import json
import subprocess
import sys

try:
    import openai
    import pydantic
except ImportError:
    print("skipped: the package openai is not here")
    sys.exit(77)

failures = 0


def check(ok, what, *seen):
    global failures
    failures += not ok
    print("ok    " if ok else "FAILED", what, *([] if ok else seen))


def serve(quern, model, *options):
    process = subprocess.Popen([quern, "serve", model, "--port", "0", "--api-key", "k", *options],
                               stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    return process, openai.OpenAI(base_url=address + "/v1", api_key="k", timeout=300, max_retries=0)


class Person(pydantic.BaseModel):
    name: str
    age: int


TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"]}}}]
HELLO = [{"role": "user", "content": "Say hello."}]


def chats(client):
    model = client.models.list().data[0].id
    whole = client.chat.completions.create(model=model, messages=HELLO, max_tokens=16, temperature=0, logprobs=True,
                                           top_logprobs=2)
    text = whole.choices[0].message.content
    check(text and whole.usage.completion_tokens > 0, "chat", whole)
    check(len(whole.choices[0].logprobs.content[0].top_logprobs) == 2, "log-probabilities", whole)
    stream = client.chat.completions.create(model=model, messages=HELLO, max_tokens=16, temperature=0, stream=True,
                                            stream_options={"include_usage": True})
    chunks = list(stream)
    got = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    check(got == text, "the same streamed", got, text)
    check(chunks[-1].usage.completion_tokens == whole.usage.completion_tokens, "usage at the end", chunks[-1])
    with client.chat.completions.stream(model=model, messages=HELLO, max_tokens=16, temperature=0) as s:
        s.until_done()                                  # a final completion it calls an error where it was cut
        check(s.current_completion_snapshot.choices[0].message.content == text, "the package's own accumulator")
    several = client.chat.completions.create(model=model, messages=HELLO, max_tokens=8, n=3, seed=5, temperature=1)
    again = client.chat.completions.create(model=model, messages=HELLO, max_tokens=8, n=3, seed=5, temperature=1)
    texts = [c.message.content for c in several.choices]
    check(texts == [c.message.content for c in again.choices] and len(texts) == 3, "the same seed, n=3", texts)
    told = client.completions.create(model=model, prompt="Once upon a", max_tokens=4, temperature=0)
    check(told.choices[0].text, "completion", told)


def tools(client):
    ask = dict(model="m", messages=[{"role": "user", "content": "Weather in Paris?"}], max_tokens=100, temperature=0,
               tools=TOOLS, tool_choice="required")
    whole = client.chat.completions.create(**ask)
    call = whole.choices[0].message.tool_calls[0]
    check(call.function.name == "get_weather" and json.loads(call.function.arguments)["city"], "a call", whole)
    check(whole.choices[0].finish_reason == "tool_calls", "its reason", whole)
    with client.chat.completions.stream(**ask) as s:
        streamed = s.get_final_completion().choices[0].message.tool_calls[0]
    check(streamed.function.name == call.function.name and streamed.function.arguments == call.function.arguments,
          "the same streamed", streamed)
    more = ask["messages"] + [whole.choices[0].message.model_dump(exclude_none=True),
                              {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, sunny"}]
    told = client.chat.completions.create(model="m", messages=more, tools=TOOLS, max_tokens=16, temperature=0)
    check(told.choices[0].message.content is not None or told.choices[0].message.tool_calls, "its result", told)


def schemas(client):
    told = client.chat.completions.parse(model="m", messages=[{"role": "user", "content": "Invent a person."}],
                                         response_format=Person, max_tokens=200, temperature=0)
    check(isinstance(told.choices[0].message.parsed, Person), "a schema", told)
    told = client.chat.completions.create(model="m", messages=HELLO, max_tokens=60, temperature=0,
                                          response_format={"type": "json_object"})
    if told.choices[0].finish_reason == "stop":
        check(isinstance(json.loads(told.choices[0].message.content), dict), "an object", told)
    else:
        check(told.choices[0].message.content.lstrip().startswith("{"), "an object that was cut", told)


def errors(client):
    for what, kind, ask in (
            ("a wrong member", openai.BadRequestError, dict(temperature=-3)),
            ("an empty conversation", openai.BadRequestError, dict(messages=[])),
            ("a long prompt", openai.BadRequestError, dict(messages=[dict(role="user", content="a " * 60000)]))):
        try:
            client.chat.completions.create(**dict(dict(model="m", messages=HELLO, max_tokens=1), **ask))
            check(False, what)
        except kind as e:
            check(e.status_code == 400 and e.body["message"], what, e)
    try:
        client.with_options(api_key="wrong").models.list()
        check(False, "a wrong key")
    except openai.AuthenticationError:
        check(True, "a wrong key")


def embeddings(client):
    told = client.embeddings.create(model="m", input=["a mill by the brook", "the brook"])
    check(len(told.data) == 2 and abs(sum(x * x for x in told.data[0].embedding) - 1) < 1e-3, "embeddings", told.usage)
    floats = client.embeddings.create(model="m", input="the brook", encoding_format="float").data[0].embedding
    check(max(abs(a - b) for a, b in zip(floats, told.data[1].embedding)) < 1e-6, "base64 and floats")


def main():
    process, client = serve(sys.argv[1], sys.argv[2])
    try:
        for part in (chats, tools, schemas, errors):
            part(client)
    finally:
        process.terminate()
        process.wait()
    if len(sys.argv) > 3:
        process, client = serve(sys.argv[1], sys.argv[3])
        try:
            embeddings(client)
        finally:
            process.terminate()
            process.wait()
    print(f"openai {openai.__version__}: {failures} failed")
    return 1 if failures else 0


sys.exit(main())
