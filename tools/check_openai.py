"""check_openai.py QUERN MODEL [EMBEDDER] — the `openai` package as a client of `quern serve`.

Chat whole and streamed, log-probabilities, several answers, tools whole and streamed, JSON schemas and models within
models through the package's own parsing, completions and their prompts' scores, errors as the package's exceptions,
embeddings. A developer's tool: pip install openai; skipped aloud without it. QUERN is the binary, MODEL one with a chat
template, EMBEDDER a sentence encoder.
"""
import datetime
import enum
import json
import subprocess
import sys
import typing

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


class Kind(enum.Enum):
    corn = "corn"
    wheat = "wheat"


class Sack(pydantic.BaseModel):
    kind: Kind
    kilos: float = pydantic.Field(ge=0.5, le=99)
    label: typing.Optional[str] = pydantic.Field(max_length=8)


class Place(pydantic.BaseModel):
    street: str = pydantic.Field(max_length=12)
    left: typing.Optional[Sack]


class Order(pydantic.BaseModel):
    """An order for the mill."""
    sacks: list[Sack] = pydantic.Field(min_length=1, max_length=2)
    day: datetime.date
    urgent: bool
    to: typing.Optional[Place]


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
    told = client.completions.create(model=model, prompt="Once upon a", max_tokens=1, temperature=0, echo=True,
                                     logprobs=1)
    scores = told.choices[0].logprobs.token_logprobs
    check(len(scores) == told.usage.total_tokens and scores[0] is None and all(s < 0 for s in scores[1:]),
          "scores of a prompt", told)


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


def models(client):
    """Models within models: of an answer, and of arguments, whole and streamed."""
    ask = dict(model="m", messages=[{"role": "user", "content": "Order corn for tomorrow."}], max_tokens=800,
               temperature=1, seed=7)
    told = client.chat.completions.parse(response_format=Order, **ask).choices[0].message
    check(isinstance(told.parsed, Order), "models within models", told)
    call = dict(ask, tools=[openai.pydantic_function_tool(Order)], tool_choice="required")
    told = client.chat.completions.parse(**call).choices[0].message.tool_calls[0].function
    check(isinstance(told.parsed_arguments, Order), "… as arguments", told)
    pieces = []
    for chunk in client.chat.completions.create(stream=True, **call):
        for part in chunk.choices[0].delta.tool_calls or []:
            pieces.append(part)
    check([bool(p.id) for p in pieces] == [True] + [False] * (len(pieces) - 1) and len(pieces) > 8, "… piece by piece",
          len(pieces))
    check("".join(p.function.arguments for p in pieces) == told.arguments, "… the same", told)


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
        for part in (chats, tools, schemas, models, errors):
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
