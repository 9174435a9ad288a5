"""One operation as a reader wants it: parameters, bodies and answers with their fields and examples.

Everything is plain data for a template; how much of it there may be on one page is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ..apis import openapi
from ..apis.openapi import Operation, follow
from ..apis.samples import as_json, own_example, sketch
from .schemas import Document, component, kind_of
from .tree import Node, Room, node_of, tree

MOST_LINES = 320  # of all trees on a page
MOST_REPLIES, MOST_MEDIA, MOST_EXAMPLES = 10, 4, 4
LONGEST_EXAMPLE = 16_000  # characters


@dataclass(frozen=True)
class Parameter:
    node: Node
    where: str  # path, query, header or cookie
    raw: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(frozen=True)
class Example:
    name: str
    text: str
    value: Any = None
    made_up: bool = False  # from the schema, because the document has none


@dataclass(frozen=True)
class Body:
    media: str
    kind: str
    component: str
    tree: Node
    examples: list[Example]
    schema: Any = field(repr=False, default=None)

    @property
    def example(self) -> Example | None:
        return self.examples[0] if self.examples else None

    @property
    def is_json(self) -> bool:
        return is_json(self.media)


@dataclass(frozen=True)
class Reply:
    status: str
    note: str
    headers: list[Node]
    bodies: list[Body]

    @property
    def tone(self) -> str:
        return {"2": "ok", "4": "warn", "5": "bad"}.get(self.status[:1], "mute")


@dataclass(frozen=True)
class Described:
    operation: Operation
    parameters: list[Parameter] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    body_note: str = ""
    body_required: bool = False
    replies: list[Reply] = field(default_factory=list)
    more: str = ""  # address of further documentation

    @property
    def body(self) -> Body | None:
        """The one that examples send: JSON where it is taken."""
        return self.bodies[0] if self.bodies else None


def is_json(media: str) -> bool:
    kind = media.split(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json") or kind == "text/json"


def describe(document: Document, operation: Operation) -> Described:
    """Without what is odd: a reference may lead to another kind of thing than its place has use for."""
    try:
        return _describe(document, operation)
    except (TypeError, ValueError, AttributeError, KeyError):
        return Described(operation)


def _describe(document: Document, operation: Operation) -> Described:
    room = Room(MOST_LINES)
    asked = follow(document, operation.body.get("requestBody"))
    more = operation.body.get("externalDocs")
    url = str(more.get("url") or "") if isinstance(more, dict) else ""
    return Described(
        operation,
        [parameter_of(document, p) for p in openapi.parameters(document, operation)],
        _bodies(document, asked, room, "readOnly"),
        str(asked.get("description") or ""),
        bool(asked.get("required")),
        _replies(document, operation, room),
        url if url.startswith(("https://", "http://")) else "",
    )


def parameter_of(document: Document, raw: dict[str, Any]) -> Parameter:
    schema = schema_of_parameter(raw)
    node = node_of(document, str(raw.get("name", "")), schema, bool(raw.get("required")))
    node.note = str(raw.get("description") or node.note)
    if raw.get("deprecated") is True and "deprecated" not in node.flags:
        node.flags.append("deprecated")
    if not node.example and raw.get("example") is not None and not isinstance(raw["example"], dict | list):
        node.example = str(raw["example"])[:120]
    return Parameter(node, str(raw.get("in", "")), raw)


def schema_of_parameter(raw: dict[str, Any]) -> Any:
    """Its own, or that of the one kind of content it is written as (OpenAPI 3.1 section 4.8.12.2)."""
    content = raw.get("content")
    if "schema" not in raw and isinstance(content, dict) and content:
        first = next(iter(content.values()))
        return first.get("schema") if isinstance(first, dict) else None
    return raw.get("schema")


def _replies(document: Document, operation: Operation, room: Room) -> list[Reply]:
    out = []
    for status, raw in list((operation.body.get("responses") or {}).items())[:MOST_REPLIES]:
        reply = follow(document, raw)
        headers = reply.get("headers")
        shown = [
            parameter_of(document, {"name": name, **follow(document, header)}).node
            for name, header in list(headers.items() if isinstance(headers, dict) else ())[:20]
        ]
        note = str(reply.get("description") or "")
        out.append(Reply(str(status), note, shown, _bodies(document, reply, room, "writeOnly")))
    return out


def _bodies(document: Document, holder: dict[str, Any], room: Room, hide: str) -> list[Body]:
    content = holder.get("content")
    if not isinstance(content, dict):
        return []
    kinds = sorted(content, key=lambda media: (not is_json(str(media)), "json" not in str(media)))[:MOST_MEDIA]
    return [_body(document, str(media), content[media], room, hide) for media in kinds]


def _body(document: Document, media: str, raw: Any, room: Room, hide: str) -> Body:
    described = raw if isinstance(raw, dict) else {}
    schema = described.get("schema") or {}
    examples = _examples(document, media, described, hide)
    shown = tree(document, schema, room, hide=hide)
    return Body(media, kind_of(document, schema), component(schema), shown, examples, schema)


def _examples(document: Document, media: str, described: dict[str, Any], hide: str) -> list[Example]:
    if described.get("example") is not None:
        return [Example("Example", as_text(media, described["example"]), described["example"])]
    named = described.get("examples")
    if isinstance(named, dict):
        found = [(str(name), follow(document, one)) for name, one in list(named.items())[:MOST_EXAMPLES]]
        said = [
            Example(str(one.get("summary") or name), as_text(media, one["value"]), one["value"])
            for name, one in found
            if one.get("value") is not None
        ]
        if said:
            return said
    schema = follow(document, described.get("schema"))
    said_itself, value = own_example(schema)
    if not said_itself:
        value = sketch(document, schema, hide=hide)
    text = as_text(media, value)
    return [Example("Example", text, value, made_up=not said_itself)] if value is not None and text else []


def as_text(media: str, value: Any) -> str:
    """As it is sent; empty when such a value cannot be written in that kind of content."""
    if isinstance(value, str) and not is_json(media):
        text = value
    elif is_json(media) or media in ("*/*", "application/x-ndjson"):
        text = as_json(value)
    elif media.startswith("application/x-www-form-urlencoded") and isinstance(value, dict):
        text = urlencode({k: v if isinstance(v, str | list) else as_json(v) for k, v in value.items()}, doseq=True)
    elif media.startswith("text/") and not isinstance(value, dict | list):
        text = str(value)
    else:
        return ""
    return text if len(text) <= LONGEST_EXAMPLE else text[:LONGEST_EXAMPLE] + "\n…"
