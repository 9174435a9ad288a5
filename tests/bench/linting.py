"""What reading, finding lines, checking and linting take of a document of 1 MB and one of just under 10 MB: CPU of one thread,
beside the plain parser, in turns. The documents are made here: operations with parameters, schemas, references and examples.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import yaml

from .options import Options
from .report import Report, median, ratio, spread

MB = 1_000_000
SIZES = {"1 MB": 1 * MB, "10 MB": 10 * MB}
MOST_S = {"1 MB": 2.0, "10 MB": 15.0}
MOST_TO_FIND_S = 1.0  # lines in 1 MB of YAML


def run(options: Options) -> Report:
    report = Report("Linting: CPU time, median of the rounds")
    for size, count in SIZES.items():
        document = _document(count)
        texts = {"JSON": orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()}
        if size == "1 MB":
            texts["YAML"] = yaml.dump(orjson.loads(orjson.dumps(document)), Dumper=yaml.CSafeDumper, sort_keys=False)
        for kind, text in texts.items():
            _measure(report, f"{len(text) / MB:.1f} MB of {kind}", text, document, options.rounds, MOST_S[size])
    return report


def _measure(report: Report, name: str, text: str, document: Any, rounds: int, most: float) -> None:
    from console.apis.check import check
    from console.apis.lint import lint
    from console.apis.positions import Positions
    from console.apis.reader import read

    plain: Callable[[], object] = (lambda: orjson.loads(text)) if text.startswith("{") else (lambda: _events(text))
    ways: dict[str, Callable[[], object]] = {
        "the plain parser": plain,
        "read": lambda: read(text),
        "find lines": lambda: Positions(text).tree,
        "check": lambda: check(text),
        "lint": lambda: lint(document, positions=Positions(text)),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(-1, rounds):
        for way, call in ways.items():
            began = time.process_time()
            call()
            if turn >= 0:  # the first is for warming up
                seconds[way].append(time.process_time() - began)
    for way, found in seconds.items():
        report.rows.append(
            {"document": name, "work": way, "ms": median(found) * 1000, "rounds": spread([1000 * one for one in found])}
        )
    report.bar(f"Lint {name}, seconds", median(seconds["lint"]), at_most=most)
    if "YAML" in name:
        report.bar(f"Find lines in {name}, seconds", median(seconds["find lines"]), at_most=MOST_TO_FIND_S)
        report.bar(
            f"Find lines in {name}, to libyaml's events",
            ratio(seconds["find lines"], seconds["the plain parser"]),
            at_most=4,
        )


def _events(text: str) -> int:
    return sum(1 for _ in yaml.parse(text, Loader=yaml.CSafeLoader))


def _document(size: int) -> dict[str, Any]:
    """So many operations that its JSON with indents has about ``size`` bytes."""
    one = len(orjson.dumps(_made(10), option=orjson.OPT_INDENT_2)) / 10
    return _made(int(size / one))


def _made(count: int) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Many", "version": "1.0.0", "description": "Made for measuring."},
        "servers": [{"url": "https://api.shop.test"}],
        "paths": {f"/things-{i}/{{id}}": {"get": _operation(i)} for i in range(count)},
        "components": {"schemas": {f"Thing{i}": _schema(i, count) for i in range(count)}},
    }


def _operation(i: int) -> dict[str, Any]:
    answer = {"schema": {"$ref": f"#/components/schemas/Thing{i}"}, "example": {"id": "a1", "size": i, "kind": "small"}}
    return {
        "operationId": f"getThing{i}",
        "summary": f"Read thing {i}",
        "tags": ["Things"],
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {
                "name": "fields",
                "in": "query",
                "description": "Which to send",
                "schema": {"type": "string", "maxLength": 80},
            },
        ],
        "responses": {
            "200": {"description": "The thing", "content": {"application/json": answer}},
            "404": {"description": "There is none"},
        },
    }


def _schema(i: int, count: int) -> dict[str, Any]:
    properties: dict[str, Any] = {
        f"field{n}": {"type": "string", "description": "A field", "example": "text"} for n in range(12)
    }
    properties |= {
        "id": {"type": "string", "maxLength": 36},
        "size": {"type": "integer", "minimum": 0, "default": 0},
        "kind": {"type": "string", "enum": ["small", "large"]},
        "next": {"$ref": f"#/components/schemas/Thing{(i + 1) % count}"},
        "parts": {"type": "array", "items": {"$ref": f"#/components/schemas/Thing{(i + 7) % count}"}},
    }
    return {"type": "object", "required": ["id"], "properties": properties}
