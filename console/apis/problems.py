"""What keeps an OpenAPI document from being taken, each problem with the path of what it is about."""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import orjson

from .reader import levels
from .tree import Path

REFERENCES = ("$ref", "$dynamicRef", "operationRef", "externalValue")
MOST_OF_SCHEMA = 50


@dataclass(frozen=True)
class Problem:
    """What keeps a document from being taken. ``rule``: ``version``, ``foreign-reference``, ``schema``, ``dangling-reference``..."""

    path: Path
    message: str
    rule: str
    where: str = ""  # as people say it, where that is not the path

    def __str__(self) -> str:
        if self.rule in ("version", "odd-reference"):  # of the document as a whole
            return self.message
        where = self.where or (".".join(map(str, self.path)) if self.rule == "schema" else where_of(self.path))
        return f"{where or 'the document'}: {self.message}"


def not_openapi(why: str) -> list[Problem]:
    return [Problem((), f"This is not an OpenAPI document: {why}", "version")]


def version_problems(document: dict[str, Any]) -> list[Problem]:
    version = document.get("openapi")
    if "swagger" in document:
        text = f"This is Swagger {document['swagger']}. Convert it to OpenAPI 3 first (editors and converters do that)."
        return [Problem(("swagger",), text, "version")]
    if not isinstance(version, str):
        return not_openapi("the key `openapi` with its version, such as 3.1.0, is missing.")
    if not re.fullmatch(r"3\.[01]\.\d+(-.+)?", version):
        return [Problem(("openapi",), f"OpenAPI {version} is not supported. Use 3.0 or 3.1.", "version")]
    return []


def having(document: dict[str, Any], *keys: str) -> Iterator[dict[str, Any]]:
    """The objects that have one of the keys, fast: where they are is found out (`walk`) only when something is wrong."""
    wanted = frozenset(keys)
    return (here for level in levels(document) for here in level if type(here) is dict and not wanted.isdisjoint(here))


def _may_lead_out(here: dict[str, Any]) -> bool:
    named = [here.get(key) for key in REFERENCES]
    if isinstance(here.get("mapping"), dict):
        named += (v for v in here["mapping"].values() if isinstance(v, str) and ("/" in v or ":" in v))
    return any(isinstance(value, str) and not value.startswith("#") for value in named)


def foreign_references(document: dict[str, Any]) -> list[Problem]:
    found: list[Problem] = []
    if not any(map(_may_lead_out, having(document, *REFERENCES, "mapping"))):
        return found
    for path, key, value in walk(document):
        if key in REFERENCES and isinstance(value, str) and not value.startswith("#"):
            text = f"{key} leads out of the document ({value[:80]}). Put what it names inside."
            found.append(Problem((*path, key), text, "foreign-reference", where_of(path)))
        elif key == "mapping" and path and path[-1] == "discriminator" and isinstance(value, dict):
            found += [
                Problem(
                    (*path, key, k),
                    f"the discriminator leads out of the document ({str(v)[:80]}).",
                    "foreign-reference",
                )
                for k, v in value.items()
                if isinstance(v, str) and ("/" in v or ":" in v) and not v.startswith("#")
            ]
    return found


def where_of(path: Path) -> str:
    """``paths./pets.get.tags[0]``"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def walk(node: Any) -> Iterator[tuple[Path, str, Any]]:
    """Every ``(path of the object, key, value)`` of every object, without recursion; shared parts are walked once."""
    waiting: list[tuple[Path, Any]] = [((), node)]
    seen: set[int] = set()
    while waiting:
        path, here = waiting.pop()
        if isinstance(here, dict):
            if id(here) in seen:
                continue
            seen.add(id(here))
            for key, value in here.items():
                yield path, key, value
                if isinstance(value, dict | list):
                    waiting.append(((*path, key), value))
        elif isinstance(here, list) and id(here) not in seen:
            seen.add(id(here))
            waiting.extend(((*path, i), v) for i, v in enumerate(here) if isinstance(v, dict | list))


def _never_fetch(uri: str) -> Any:
    raise ValueError(f"not fetched: {uri}")


@functools.cache
def _schema(version: str) -> Any:
    schema = orjson.loads((pathlib.Path(__file__).parent / "schemas" / f"openapi-{version}.json").read_bytes())
    return jsonschema_rs.validator_for(schema, retriever=_never_fetch)


def schema_problems(document: dict[str, Any]) -> list[Problem]:
    found = []
    for error in _schema(str(document["openapi"])[:3]).iter_errors(document):
        error = innermost(error)
        message = (
            error.message if len(error.message) < 160 else f"does not fit {'.'.join(map(str, error.schema_path[-3:]))}"
        )
        found.append(Problem(_with_names(document, error.instance_path), message, "schema"))
        if len(found) > MOST_OF_SCHEMA:
            break
    return found


def innermost(error: Any) -> Any:
    """Of "fits none of these", what is wrong with the one that was meant: not null, nor a reference that lacks its ``$ref``."""
    while branches := _branches(error):
        meant = [one for one in branches if not _is_not_meant(one[0])] or branches
        branch: list[Any] = min(meant, key=len)
        error = max(branch, key=lambda one: len(one.instance_path))
    return error


def _branches(error: Any) -> list[list[Any]]:
    return [branch for branch in getattr(error.kind, "context", None) or [] if branch]


def _is_not_meant(error: Any) -> bool:
    return getattr(error.kind, "property", None) == "$ref" or getattr(error.kind, "types", None) == ["null"]


def _with_names(document: Any, path: list[str | int]) -> Path:
    """The validator takes a key such as 200 for the place in a list."""
    here, out = document, list[str | int]()
    for part in path:
        key = str(part) if isinstance(here, dict) else part
        here = here[key]
        out.append(key)
    return tuple(out)
