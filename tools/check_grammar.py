"""check_grammar.py QUERN MODEL [SEEDS] — answers that are held to a JSON Schema, judged by Python's jsonschema.

Draws answers to schemas below and to those of tests/fixtures/schemas.json, hot enough that the model itself would write
anything, and asks jsonschema (with its formats) whether they are valid, and pydantic about its own models; patterns are
searched by Python's re. Needs both; says which answer is not valid. A developer's tool: the tests of the engine need no
Python.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

STRING = {"type": "string"}
SCHEMAS = [
    {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 20},
                                      "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                      "mail": {"type": "string", "format": "email"}}, "required": ["name", "age"]},
    {"type": "object", "properties": {"when": {"type": "string", "format": "date-time"},
                                      "day": {"type": "string", "format": "date"},
                                      "at": {"type": "string", "format": "time"},
                                      "id": {"type": "string", "format": "uuid"},
                                      "host": {"type": "string", "format": "ipv4"},
                                      "six": {"type": "string", "format": "ipv6"}},
     "required": ["when", "day", "at", "id", "host", "six"], "additionalProperties": False},
    {"type": "array", "items": {"type": "number", "exclusiveMinimum": -3, "maximum": 17}, "minItems": 3, "maxItems": 9},
    {"type": "object", "properties": {"code": {"pattern": "^[A-Z]{2,3}-\\d{4}$"}, "word": {"pattern": "[aeiou]{2}"},
                                      "not": {"pattern": "^[^\\s\\d]{1,12}$"}, "path": {"pattern": "^(/\\w+){1,4}$"}},
     "required": ["code", "word", "not", "path"]},
    {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
        "value": {"enum": [1, 2.5, "x", None, {"a": []}]},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["value", "next"],
        "additionalProperties": False}}},
    {"oneOf": [{"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer", "minimum": 1,
                                                                                     "maximum": 9}},
                "required": ["kind", "lives"], "additionalProperties": False},
               {"type": "object", "properties": {"kind": {"const": "dog"}, "good": {"type": "boolean"}},
                "required": ["kind", "good"], "additionalProperties": False}]},
    {"type": "array", "prefixItems": [{"type": "integer"}, STRING], "items": {"type": "boolean"}, "minItems": 2,
     "maxItems": 5},
    {"type": "object", "properties": {"id": {"type": "integer", "minimum": -999, "maximum": -100}},
     "required": ["id", "extra"], "additionalProperties": {"type": "array", "items": {"type": "null"}, "maxItems": 2}},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
               {"properties": {"a": {"minimum": 317}, "b": {"maxLength": 5}}, "required": ["b"]}]},
    {"type": "object", "properties": {f"k{i}": {"type": ["boolean", "null"]} for i in range(12)}, "required": ["k7"]},
]


def wanted():
    """Schemas, and what else is asked about an answer to them."""
    fixtures = pathlib.Path(__file__).resolve().parent / "fixtures"
    sys.path.insert(0, str(fixtures))
    import schemas as models
    judges = {model.__name__: model.model_validate_json for model, _, _ in models.MODELS}
    del judges["Money"]                                 # its schema says any string, and it means a number
    for schema in SCHEMAS:
        yield schema, None
    for row in json.loads((fixtures.parents[1] / "tests" / "fixtures" / "schemas.json").read_text()):
        if "refused" not in row:
            yield row["schema"], judges.get(row["name"])


def main():
    quern, model = sys.argv[1:3]
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    checked = cut = bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "schema.json"
        for schema, judge in wanted():
            path.write_text(json.dumps(schema))
            kind = jsonschema.Draft202012Validator
            validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
            for seed in range(seeds):
                command = [quern, "generate", model, "-p", "As JSON: ", "--json-schema", str(path), "--temp", "1.3",
                           "--seed", str(seed), "-n", "400", "--json", "-q"]
                answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                if answer["stop_reason"] == "length":
                    cut += 1
                    continue
                checked += 1
                try:
                    if "nullable" not in json.dumps(schema):        # a word of OpenAPI's, which jsonschema passes over
                        validator.validate(json.loads(answer["text"]))
                    if judge:
                        judge(answer["text"])
                except (ValueError, jsonschema.ValidationError) as error:
                    bad += 1
                    print(f"{json.dumps(schema)}\n  seed {seed}: {answer['text']}\n  {str(error).splitlines()[0]}")
    print(f"{checked} answers checked, {cut} cut by -n, {bad} not valid")
    return 1 if bad or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
