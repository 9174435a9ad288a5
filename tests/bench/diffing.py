"""Import and comparison of a document of about 10 MB with 1,600 operations, to what only parsing it costs: CPU time, in turns.

As YAML it is parsed by libyaml's loader, as JSON by orjson. Every component leads to every other one, so that an edit of ten of them
concerns nearly every operation: the worst case, as with Stripe's document. Most edits are of operations.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import orjson
import yaml

from .options import Options
from .report import Report, median, ratio, spread

OPERATIONS, COMPONENTS = 1_600, 1_800
MOST = 4
JSON, YAML = "orjson.loads", "yaml.load (CSafeLoader)"
IMPORT_JSON, IMPORT_YAML = "import of JSON", "import of YAML"
SAME, OPERATIONS_EDITED = "compare with itself", "compare with 65 operations edited"
EDITED, REWRITTEN = "compare with components edited, too", "compare with other texts all over"


def run(options: Options) -> Report:
    document = make_document(random.Random(5))
    json, text = orjson.dumps(document).decode(), yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False)
    ms = _measure(json, text, options.rounds)
    report = Report(
        f"Documents: CPU of {len(json) / 1e6:.1f} MB as JSON and {len(text) / 1e6:.1f} MB as YAML, {OPERATIONS:,} operations"
    )
    for name, found in ms.items():
        row = {"what": name, "ms": median(found), "rounds": spread(found)}
        report.rows.append(row | {"to orjson": ratio(found, ms[JSON]), "to libyaml": ratio(found, ms[YAML])})
    report.bar("import of YAML to libyaml's loader", ratio(ms[IMPORT_YAML], ms[YAML]), at_most=MOST)
    report.bar("import of JSON to orjson", ratio(ms[IMPORT_JSON], ms[JSON]), at_most=MOST)
    for name in (SAME, OPERATIONS_EDITED, EDITED, REWRITTEN):
        report.bar(f"{name}, to libyaml's loader", ratio(ms[name], ms[YAML]), at_most=MOST)
        report.bar(f"{name}, to orjson", ratio(ms[name], ms[JSON]), at_most=MOST)
    return report


def _measure(json: str, text: str, rounds: int) -> dict[str, list[float]]:
    from console.apis import openapi
    from console.apis.diff import compare

    old, same = openapi.parse(json), openapi.parse(json)
    own = edit_operations(openapi.parse(json))
    edited, rewritten = edit(openapi.parse(json), random.Random(6)), rewrite(openapi.parse(json))
    print(f"\n  edited: {compare(old, edited).counts}; other texts: {compare(old, rewritten).counts}", flush=True)
    ways: dict[str, Callable[[], object]] = {
        JSON: lambda: orjson.loads(json),
        YAML: lambda: yaml.load(text, Loader=yaml.CSafeLoader),
        IMPORT_JSON: lambda: openapi.parse(json),
        IMPORT_YAML: lambda: openapi.parse(text),
        SAME: lambda: compare(old, same),
        OPERATIONS_EDITED: lambda: compare(old, own),
        EDITED: lambda: compare(old, edited),
        REWRITTEN: lambda: compare(old, rewritten),
    }
    ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            ms[name].append((time.process_time() - began) * 1e3)
    return ms


def make_document(chance: random.Random) -> dict[str, Any]:
    """Of 10 MB in YAML, which is nearly what the console takes; every component leads to every other one."""
    names = [f"Thing{i}" for i in range(COMPONENTS)]
    schemas = {name: _component(chance, names) for name in names}
    paths: dict[str, Any] = {}
    for i in range(OPERATIONS // 4):
        paths[f"/things/{i}/{{id}}"] = {
            m: _operation(chance, names, f"{m}{i}", m) for m in ("get", "put", "patch", "delete")
        }
    info = {"title": "Things", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _words(chance: random.Random, count: int) -> str:
    return " ".join(
        chance.choice(("the", "thing", "that", "a", "caller", "asked", "for", "of", "its", "owner"))
        for _ in range(count)
    )


def _property(chance: random.Random, names: list[str]) -> dict[str, Any]:
    kind = chance.random()
    if kind < 0.08:
        return {"$ref": f"#/components/schemas/{chance.choice(names)}"}
    if kind < 0.16:
        return {
            "type": "array",
            "items": {"$ref": f"#/components/schemas/{chance.choice(names)}"},
            "description": _words(chance, 8),
        }
    if kind < 0.3:
        return {
            "type": "string",
            "enum": [f"value_{i}" for i in range(chance.randrange(2, 9))],
            "description": _words(chance, 12),
        }
    more = chance.choice(
        [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 80, "nullable": True}, {"type": "boolean"}]
    )
    return more | {"description": _words(chance, chance.randrange(4, 30)), "example": chance.randrange(1000)}


def _component(chance: random.Random, names: list[str]) -> dict[str, Any]:
    properties = {f"property_{i}": _property(chance, names) for i in range(chance.randrange(8, 28))}
    return {
        "type": "object",
        "description": _words(chance, 20),
        "required": list(properties)[:3],
        "properties": properties,
    }


def _operation(chance: random.Random, names: list[str], name: str, method: str) -> dict[str, Any]:
    def media() -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{chance.choice(names)}"}}}

    path = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    queries = [
        {"name": f"query_{i}", "in": "query", "schema": _property(chance, ["Thing0"])}
        for i in range(chance.randrange(2, 7))
    ]
    answers = {status: {"description": _words(chance, 6), "content": media()} for status in ("200", "400", "404")}
    said = {
        "operationId": name,
        "summary": _words(chance, 6),
        "description": _words(chance, 60),
        "tags": [f"tag{len(name) % 5}"],
    }
    body = {"requestBody": {"required": True, "content": media()}} if method in ("put", "patch") else {}
    return said | {"parameters": [path, *queries], "responses": answers} | body


def edit_operations(document: dict[str, Any]) -> dict[str, Any]:
    paths = list(document["paths"].values())
    for item in paths[::25]:
        for body in item.values():
            body["parameters"].append({"name": "new", "in": "query", "schema": {"type": "string"}})
    del paths[3]["delete"]
    return document


def edit(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    edit_operations(document)
    schemas = list(document["components"]["schemas"].values())
    for schema in chance.sample(schemas, 10):
        name = chance.choice(list(schema["properties"]))
        schema["properties"][name] = {"type": "integer", "format": "int64"}
        schema["properties"]["another"] = {"type": "string"}
    return document


def rewrite(document: dict[str, Any]) -> dict[str, Any]:
    """Nothing of it means anything else, but hardly anything reads the same."""
    for schema in document["components"]["schemas"].values():
        for one in schema["properties"].values():
            one["description"] = "Another text."
    for item in document["paths"].values():
        for body in item.values():
            body["description"] = "Another text."
    return document
