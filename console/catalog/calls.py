"""A call of one operation at the gateway, as anything that sends it needs it: address, headers, body, credential.

Parameters are written as OpenAPI 3.1 section 4.8.12.1 says (`style` and `explode`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..apis.models import Accepts, ApiVersion
from ..apis.openapi import follow
from ..apis.samples import as_json, own_example, sketch
from ..errors import Refused
from .reference import Body, Described, Parameter, as_text, is_json, schema_of_parameter
from .schemas import Document, types_of

NO_BODY = ("get", "head", "trace")  # what has no meaning there (RFC 9110 section 9.3) is not sent
# said by the body, the credential or the connection (OpenAPI 3.1 section 4.8.12.2), never by a parameter
OURS = frozenset({
    "accept", "authorization", "connection", "content-length", "content-type", "cookie", "dpop", "expect", "host",
    "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "x-api-key",
})  # fmt: skip
SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": " ", "pipeDelimited": "|", "label": ".", "matrix": ","}


@dataclass(frozen=True)
class Credential:
    """What goes in front of the secret, and the variable that a snippet reads it from."""

    header: str
    prefix: str
    variable: str


TOKEN = Credential("Authorization", "Bearer ", "ACCESS_TOKEN")
KEY = Credential("X-API-Key", "", "API_KEY")


@dataclass(frozen=True)
class Part:
    """Of a multipart body (RFC 7578). ``file``: a name, for content that comes from a file."""

    name: str
    text: str = ""
    file: str = ""


@dataclass(frozen=True)
class Call:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    credential: Credential | None = None
    media: str = ""
    body: str = ""
    parts: tuple[Part, ...] = ()


def credential_of(version: ApiVersion) -> Credential | None:
    """Of what a version takes, the one that examples show: tokens before keys; None where nothing is asked for."""
    if version.takes_tokens:
        return TOKEN
    return KEY if Accepts.KEY in version.accepts else None


def example_call(version: ApiVersion, document: Document, described: Described) -> Call:
    """With every parameter that must be there, and what the document has examples for in paths and bodies."""
    operation = described.operation
    needed = [p for p in described.parameters if p.node.required or p.where == "path"]
    values = [(p, example_value(document, p)) for p in needed]
    url = address(version.url, operation.path, document, [(p, v) for p, v in values if p.where in ("path", "query")])
    headers = [(p.name, plain(document, p, v)) for p, v in values if p.where == "header" and p.name.lower() not in OURS]
    body = described.body if operation.method not in NO_BODY else None
    media, text, parts = _content(document, body) if body else ("", "", ())
    return Call(operation.method.upper(), url, tuple(headers), credential_of(version), media, text, parts)


def example_value(document: Document, parameter: Parameter) -> Any:
    """From the parameter, from its schema, or made up; text of no particular form is its name in capitals."""
    raw, schema = parameter.raw, follow(document, schema_of_parameter(parameter.raw))
    if raw.get("example") is not None:
        return raw["example"]
    named = raw.get("examples")
    if isinstance(named, dict) and named:
        first = follow(document, next(iter(named.values())))
        if first.get("value") is not None:
            return first["value"]
    if own_example(schema)[0]:
        return own_example(schema)[1]
    if types_of(schema)[:1] in ([], ["string"]) and "format" not in schema:
        return parameter.name.upper().replace("-", "_")
    return sketch(document, schema)


def address(base: str, path: str, document: Document, values: Iterable[tuple[Parameter, Any]]) -> str:
    """The whole address. `Refused` when a value would lead to another path than the operation's."""
    asked = list(values)
    for parameter, value in asked:
        if parameter.where == "path":
            path = path.replace(f"{{{parameter.name}}}", _in_path(document, parameter, value))
    path = quote(path, safe="/%:@!$&'()*+,;=~")
    if any(part in (".", "..") for part in path.split("/")):
        raise Refused("A dot alone is no value for a part of the path: it would lead to another operation.")
    query = [pair for p, v in asked if p.where == "query" for pair in _pairs(document, p, v)]
    said = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    return base + path + (f"?{said}" if said else "")


def _in_path(document: Document, parameter: Parameter, value: Any) -> str:
    style = parameter.raw.get("style", "simple")
    separator = SEPARATORS.get(str(style), ",")
    text = separator.join(quote(one, safe="") for one in _flat(value, bool(parameter.raw.get("explode"))))
    if style == "matrix":
        return f";{quote(parameter.name, safe='')}={text}"
    return f".{text}" if style == "label" else text


def _flat(value: Any, explode: bool) -> list[str]:
    if isinstance(value, dict):
        pairs = [(str(k), _word(v)) for k, v in value.items()]
        return [f"{k}={v}" for k, v in pairs] if explode else [word for pair in pairs for word in pair]
    return [_word(v) for v in value] if isinstance(value, list) else [_word(value)]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else as_json(value)


def plain(document: Document, parameter: Parameter, value: Any) -> str:
    """For headers: ``simple`` style, in one line of printable ASCII."""
    text = ",".join(_flat(value, bool(parameter.raw.get("explode"))))
    return "".join(c for c in text if " " <= c <= "~").strip()


def _pairs(document: Document, parameter: Parameter, value: Any) -> list[tuple[str, str]]:
    raw, name = parameter.raw, parameter.name
    style = str(raw.get("style", "form"))
    if "content" in raw and not isinstance(value, str):
        return [(name, as_json(value))]
    if isinstance(value, dict) and style == "deepObject":
        return [(f"{name}[{k}]", _word(v)) for k, v in value.items()]
    if raw.get("explode", style == "form"):
        if isinstance(value, dict):
            return [(str(k), _word(v)) for k, v in value.items()]
        if isinstance(value, list):
            return [(name, _word(v)) for v in value]
    return [(name, SEPARATORS.get(style, ",").join(_flat(value, False)))]


def typed(document: Document, parameter: Parameter, text: str) -> Any:
    """What somebody wrote into a form's field: lists with commas between, objects as JSON, all else as it is."""
    schema = follow(document, schema_of_parameter(parameter.raw))
    if "array" in types_of(schema):
        return [part.strip() for part in text.split(",")]
    if "object" in types_of(schema) or "properties" in schema:
        return _object(text, parameter.name)
    return text


def _object(text: str, name: str) -> Any:
    import orjson

    try:
        return orjson.loads(text)
    except ValueError:
        raise Refused(f"{name} is an object: write it as JSON.") from None


def _content(document: Document, body: Body) -> tuple[str, str, tuple[Part, ...]]:
    if body.media.startswith("multipart/"):
        return body.media, "", tuple(_parts(document, body))
    return body.media, text_of(document, body), ()


def text_of(document: Document, body: Body) -> str:
    """The example to send, whole; empty where none can be written."""
    example = body.example
    if example is None or example.text.endswith("\n…"):
        return as_text(body.media, sketch(document, body.schema, hide="readOnly")) if is_json(body.media) else ""
    return example.text


def file_named(name: str) -> str:
    """A file beside the caller. Of a name that a document gives no path is made, and no option of curl's."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60] + ".bin"


def _parts(document: Document, body: Body) -> Iterable[Part]:
    example = body.example.value if body.example else None
    given = example if isinstance(example, dict) else sketch(document, body.schema, hide="readOnly")
    schema = follow(document, body.schema)
    properties = schema.get("properties") if isinstance(schema.get("properties"), dict) else {}
    for name, value in (given if isinstance(given, dict) else {}).items():
        inner = follow(document, (properties or {}).get(name))
        if inner.get("format") == "binary" or "contentMediaType" in inner:
            yield Part(str(name), file=file_named(str(name)))
        else:
            yield Part(str(name), value if isinstance(value, str) else as_json(value))
