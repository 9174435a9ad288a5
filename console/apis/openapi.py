"""An OpenAPI document: checked before anything is done with it, then asked for what the console shows.

Every reference that leaves the document is refused *before* a library sees it; nothing here ever fetches or opens one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from ..errors import Refused
from .reader import levels, read

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
REFERENCES = ("$ref", "$dynamicRef", "operationRef", "externalValue")
MOST_PROBLEMS = 8
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")  # RFC 6749 section 3.3; the gateway writes it into a header


class Unacceptable(Refused):
    """The document has problems; each says where it is."""

    status = 422

    def __init__(self, problems: list[str]) -> None:
        super().__init__("This document cannot be published as it is.", "document")
        self.problems = problems


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    summary: str
    description: str
    tag: str
    deprecated: bool
    scopes: tuple[str, ...]
    body: dict[str, Any] = field(compare=False, hash=False)

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.method}-{self.path}".lower()).strip("-")


def parse(text: str) -> dict[str, Any]:
    """The checked document. `Refused`, or `Unacceptable` with every problem found (the first few of each kind)."""
    document = read(text)
    if not isinstance(document, dict):
        raise Unacceptable(["This is not an OpenAPI document: it should be an object with `openapi`, `info`, `paths`."])
    referring = list(_having(document, *REFERENCES, "mapping"))
    problems = _version_problems(document) or _foreign_references(document, referring)
    problems = problems or _schema_problems(document) or _odd_problems(document, referring)
    if problems:
        raise Unacceptable(problems[:MOST_PROBLEMS] + _more(len(problems) - MOST_PROBLEMS))
    return document


def _more(count: int) -> list[str]:
    return [f"And {count} more."] if count > 0 else []


def _version_problems(document: dict[str, Any]) -> list[str]:
    version = document.get("openapi")
    if "swagger" in document:
        return [
            f"This is Swagger {document['swagger']}. Convert it to OpenAPI 3 first (editors and converters do that)."
        ]
    if not isinstance(version, str):
        return ["This is not an OpenAPI document: the key `openapi` with its version, such as 3.1.0, is missing."]
    if not re.fullmatch(r"3\.[01]\.\d+(-.+)?", version):
        return [f"OpenAPI {version} is not supported. Use 3.0 or 3.1."]
    return []


def _foreign_references(document: dict[str, Any], referring: list[dict[str, Any]]) -> list[str]:
    if not any(map(_may_lead_out, referring)):
        return []
    problems = []
    for where, key, value in walk(document):
        if key in REFERENCES and isinstance(value, str) and not value.startswith("#"):
            problems.append(f"{where}: {key} leads out of the document ({value[:80]}). Put what it names inside.")
        elif key == "mapping" and where.endswith("discriminator") and isinstance(value, dict):
            problems += [
                f"{where}: the discriminator leads out of the document ({str(v)[:80]})."
                for v in value.values()
                if isinstance(v, str) and ("/" in v or ":" in v) and not v.startswith("#")
            ]
    return problems


def _having(document: dict[str, Any], *keys: str) -> Iterator[dict[str, Any]]:
    """The objects that have one of the keys, fast: where they are is found out (`walk`) only when something is wrong."""
    wanted = frozenset(keys)
    return (here for level in levels(document) for here in level if type(here) is dict and not wanted.isdisjoint(here))


def _may_lead_out(here: dict[str, Any]) -> bool:
    named = [here.get(key) for key in REFERENCES]
    if isinstance(here.get("mapping"), dict):
        named += (v for v in here["mapping"].values() if isinstance(v, str) and ("/" in v or ":" in v))
    return any(isinstance(value, str) and not value.startswith("#") for value in named)


def walk(node: Any) -> Iterator[tuple[str, str, Any]]:
    """Every ``(where, key, value)`` of every object, without recursion; shared parts are walked once."""
    waiting: list[tuple[str, Any]] = [("", node)]
    seen: set[int] = set()
    while waiting:
        where, here = waiting.pop()
        if isinstance(here, dict):
            if id(here) in seen:
                continue
            seen.add(id(here))
            for key, value in here.items():
                yield where or "the document", key, value
                if isinstance(value, dict | list):
                    waiting.append((f"{where}.{key}" if where else str(key), value))
        elif isinstance(here, list) and id(here) not in seen:
            seen.add(id(here))
            waiting.extend((f"{where}[{i}]", v) for i, v in enumerate(here) if isinstance(v, dict | list))


def _never_fetch(uri: str) -> Any:
    raise ValueError(f"not fetched: {uri}")


@functools.cache
def _schema(version: str) -> Any:
    schema = orjson.loads((Path(__file__).parent / "schemas" / f"openapi-{version}.json").read_bytes())
    return jsonschema_rs.validator_for(schema, retriever=_never_fetch)


def _schema_problems(document: dict[str, Any]) -> list[str]:
    problems = []
    for error in _schema(str(document["openapi"])[:3]).iter_errors(document):
        where = ".".join(str(part) for part in error.instance_path) or "the document"
        message = (
            error.message if len(error.message) < 160 else f"does not fit {'.'.join(map(str, error.schema_path[-3:]))}"
        )
        problems.append(f"{where}: {message}")
        if len(problems) > 50:
            break
    return problems


def _odd_problems(document: dict[str, Any], referring: list[dict[str, Any]]) -> list[str]:
    """A reference may lead to something that its place has no use for; the official schemas do not follow it."""
    try:
        problems = _own_problems(document, referring)
        scopes(document)
    except (TypeError, ValueError, AttributeError, KeyError):
        return [
            "A $ref leads to something of another kind than its place needs, such as a schema in the place of a path."
        ]
    return problems


def _own_problems(document: dict[str, Any], referring: list[dict[str, Any]]) -> list[str]:
    """What the official schemas do not say: references that lead nowhere, ids twice, path parameters undeclared."""
    named = {value for here in referring if isinstance(value := here.get("$ref"), str)}
    nowhere = {value for value in named if resolve(document, value) is None}
    problems = [
        f"{where}: {value} leads nowhere."
        for where, key, value in (walk(document) if nowhere else ())
        if key == "$ref" and isinstance(value, str) and value in nowhere
    ]
    seen: dict[str, str] = {}
    for operation in operations(document):
        where = f"{operation.method.upper()} {operation.path}"
        problems += [f"{where}: {s[:80]!r} is no scope name." for s in operation.scopes if not SCOPE.fullmatch(s)]
        name = operation.body.get("operationId")
        if name in seen:
            problems.append(f"{where}: operationId {name} is taken by {seen[name]}.")
        elif isinstance(name, str):
            seen[name] = where
        declared = {p.get("name") for p in parameters(document, operation) if p.get("in") == "path"}
        for missing in set(re.findall(r"\{([^{}]+)\}", operation.path)) - declared:
            problems.append(f"{where}: the path parameter {missing} is not declared.")
    return problems


def resolve(document: dict[str, Any], reference: str) -> Any:
    """What a local reference names, or None. A chain of references is followed ten steps."""
    here: Any = document
    for _ in range(10):
        here = document
        for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else []:
            part = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(here, dict) and part in here:
                here = here[part]
            elif isinstance(here, list) and part.isdecimal() and len(part) < 9 and int(part) < len(here):
                here = here[int(part)]
            else:
                return None
        if not (isinstance(here, dict) and isinstance(here.get("$ref"), str)):
            return here
        reference = here["$ref"]
    return None


def follow(document: dict[str, Any], node: Any) -> dict[str, Any]:
    """The object itself, or what its ``$ref`` names."""
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        node = resolve(document, node["$ref"])
    return node if isinstance(node, dict) else {}


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation, in the document's order."""
    found = []
    for path, item in (document.get("paths") or {}).items():
        item = follow(document, item)
        for method in METHODS:
            body = item.get(method)
            if isinstance(body, dict):
                found.append(_operation(document, method, path, body))
    return found


def _operation(document: dict[str, Any], method: str, path: str, body: dict[str, Any]) -> Operation:
    tags = body.get("tags") or []
    return Operation(
        method=method,
        path=path,
        summary=str(body.get("summary") or body.get("operationId") or f"{method.upper()} {path}"),
        description=str(body.get("description") or ""),
        tag=str(tags[0]) if tags else "",
        deprecated=bool(body.get("deprecated")),
        scopes=_scopes_of(document, body),
        body=body,
    )


def parameters(document: dict[str, Any], operation: Operation) -> list[dict[str, Any]]:
    """Those of the operation and of its path; the operation's win (OpenAPI 3.1, section 4.8.10)."""
    item = follow(document, document["paths"][operation.path])
    merged = {}
    for raw in [*(item.get("parameters") or []), *(operation.body.get("parameters") or [])]:
        parameter = follow(document, raw)
        merged[parameter.get("name"), parameter.get("in")] = parameter
    return list(merged.values())


def _scopes_of(document: dict[str, Any], body: dict[str, Any]) -> tuple[str, ...]:
    """Scopes every caller of the operation needs: those of its one OAuth requirement. Alternatives need none."""
    schemes = (document.get("components") or {}).get("securitySchemes") or {}
    requirements = body.get("security", document.get("security")) or []
    if not isinstance(requirements, list) or not all(isinstance(r, dict) for r in requirements):
        return ()
    needed = []
    for requirement in requirements:
        asking = [
            s
            for n, s in requirement.items()
            if follow(document, schemes.get(n)).get("type") in ("oauth2", "openIdConnect")
        ]
        if asking:  # of several schemes in one requirement, all are needed
            needed.append(tuple(dict.fromkeys(scope for scopes in asking for scope in scopes)))
        elif not requirement:
            return ()
    return needed[0] if len(needed) == 1 else ()


def scopes(document: dict[str, Any]) -> dict[str, str]:
    """Scope to its description, from the OAuth flows and from what operations ask for."""
    found: dict[str, str] = {}
    schemes = (document.get("components") or {}).get("securitySchemes") or {}
    for scheme in schemes.values():
        for flow in (follow(document, scheme).get("flows") or {}).values():
            if isinstance(flow, dict):
                found |= {str(k): str(v) for k, v in (flow.get("scopes") or {}).items()}
    for operation in operations(document):
        for scope in operation.scopes:
            found.setdefault(scope, "")
    return {k: v for k, v in found.items() if SCOPE.fullmatch(k)}


def first_server(document: dict[str, Any]) -> str:
    servers = document.get("servers") or []
    url = servers[0].get("url", "") if servers and isinstance(servers[0], dict) else ""
    return url if url.startswith(("http://", "https://")) and "{" not in url and len(url) <= 300 else ""
