"""An OpenAPI document: checked before anything is done with it, then asked for what the console shows.

Every reference that leaves the document is refused *before* a library sees it; nothing here ever fetches or opens one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused
from .problems import (
    Problem,
    foreign_references,
    having,
    not_openapi,
    schema_problems,
    version_problems,
    walk,
    where_of,
)
from .reader import read

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MOST_PROBLEMS = 8
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")  # RFC 6749 section 3.3; the gateway writes it into a header


class Unacceptable(Refused):
    """The document has problems; each says where it is."""

    status = 422

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("This document cannot be published as it is.", "document")
        self.found = found
        self.problems = [str(one) for one in found[:MOST_PROBLEMS]] + _more(len(found) - MOST_PROBLEMS)


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
    if found := problems(document):
        raise Unacceptable(found)
    assert isinstance(document, dict)  # else that is its problem
    return document


def problems(document: Any) -> list[Problem]:
    """Of the first kind of which there are any: what comes after cannot be told before these are gone."""
    if not isinstance(document, dict):
        return not_openapi("it should be an object with `openapi`, `info`, `paths`.")
    found = version_problems(document) or foreign_references(document)
    return found or schema_problems(document) or _odd_problems(document)


def _more(count: int) -> list[str]:
    return [f"And {count} more."] if count > 0 else []


def _odd_problems(document: dict[str, Any]) -> list[Problem]:
    """A reference may lead to something that its place has no use for; the official schemas do not follow it."""
    try:
        found = _own_problems(document)
        scopes(document)
    except (TypeError, ValueError, AttributeError, KeyError):
        text = (
            "A $ref leads to something of another kind than its place needs, such as a schema in the place of a path."
        )
        return [Problem((), text, "odd-reference")]
    return found


def dangling(document: dict[str, Any]) -> list[Problem]:
    """References that lead nowhere."""
    named = {value for here in having(document, "$ref") if isinstance(value := here["$ref"], str)}
    nowhere = {value for value in named if resolve(document, value) is None}
    return [
        Problem((*path, key), f"{value[:200]} leads nowhere.", "dangling-reference", where_of(path))
        for path, key, value in (walk(document) if nowhere else ())
        if key == "$ref" and isinstance(value, str) and value in nowhere
    ]


def _own_problems(document: dict[str, Any]) -> list[Problem]:
    """What the official schemas do not say: references that lead nowhere, ids twice, path parameters undeclared."""
    found = dangling(document)
    seen: dict[str, str] = {}
    for operation in operations(document):
        where, path = f"{operation.method.upper()} {operation.path}", ("paths", operation.path, operation.method)
        found += [
            Problem((*path, "security"), f"{s[:80]!r} is no scope name.", "scope-name", where)
            for s in operation.scopes
            if not SCOPE.fullmatch(s)
        ]
        name = operation.body.get("operationId")
        if name in seen:
            text = f"operationId {name} is taken by {seen[name]}."
            found.append(Problem((*path, "operationId"), text, "operation-id-twice", where))
        elif isinstance(name, str):
            seen[name] = where
        declared = {p.get("name") for p in parameters(document, operation) if p.get("in") == "path"}
        for missing in sorted(set(re.findall(r"\{([^{}]+)\}", operation.path)) - declared):
            text = f"the path parameter {missing} is not declared."
            found.append(Problem(path, text, "path-parameter", where))
    return found


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
    return [_operation(document, *one) for one in _bodies(document)]


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and Operation Object of each."""
    for path, item in (document.get("paths") or {}).items():
        item = follow(document, item)
        for method in METHODS:
            body = item.get(method)
            if isinstance(body, dict):
                yield method, path, body


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
    of_all = _scopes_of(document, {})
    for _, _, body in _bodies(document):
        for scope in _scopes_of(document, body) if "security" in body else of_all:
            found.setdefault(scope, "")
    return {k: v for k, v in found.items() if SCOPE.fullmatch(k)}


def first_server(document: dict[str, Any]) -> str:
    servers = document.get("servers") or []
    url = servers[0].get("url", "") if servers and isinstance(servers[0], dict) else ""
    return url if url.startswith(("http://", "https://")) and "{" not in url and len(url) <= 300 else ""
