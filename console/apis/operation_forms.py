"""The form of one operation: what it is called, what it takes, what it answers."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Regexp

from ..errors import Refused
from ..web.forms import plain_text
from .design_forms import LONG, MOST_ROWS, SHORT, DesignForm, Row, listed, put, rows, text
from .drafts import placed
from .openapi import METHODS, follow
from .spelling import AS_WRITTEN, respelled, schemas_of, spell

STATUS = re.compile(r"[1-5]([0-9]{2}|XX)|default")
TEMPLATE = re.compile(r"\{([^{}]+)\}")
PLACES = ("query", "path", "header", "cookie")


class ParameterRow(Row):
    name = StringField("Name", [SHORT, plain_text])
    place = SelectField("In", choices=[(p, p) for p in PLACES], default="query")
    type = StringField("Type", [SHORT], default="string")
    required = BooleanField("Required")
    description = TextAreaField("Description", [LONG, plain_text])


class ResponseRow(Row):
    status = StringField("Status", [SHORT])
    description = TextAreaField("Description", [LONG, plain_text])
    schema = StringField("Answers with", [SHORT])


class OperationForm(DesignForm):
    method = SelectField("Method", choices=[(m, m.upper()) for m in METHODS], default="get")
    path = StringField(
        "Path", [InputRequired("Such as /orders/{order_id}."), SHORT, Regexp(r"/\S*$", message="It begins with /.")]
    )
    summary = StringField("Summary", [SHORT, plain_text])
    description = TextAreaField("Description", [LONG, plain_text])
    operation_id = StringField("Operation id", [SHORT, plain_text])
    tag = StringField("Tag", [SHORT, plain_text])
    deprecated = BooleanField("Deprecated")
    parameters = rows(ParameterRow)
    body_media = StringField("Media type", [SHORT], default="application/json")
    body_schema = StringField("Body", [SHORT])
    body_required = BooleanField("The body is required")
    responses = rows(ResponseRow)

    @classmethod
    def new(cls, edits: int, tag: str = "") -> OperationForm:
        return cls(edits=edits, tag=tag, parameters=[{}], responses=[{"status": "200", "description": "OK"}, {}])

    @classmethod
    def of(cls, method: str, path: str, part: dict[str, Any], edits: int) -> OperationForm:
        body = part.get("requestBody") or {}
        media, content = _content(body)
        values: dict[str, Any] = {name: part.get(name) for name in ("summary", "description", "deprecated")}
        return cls(
            **values, method=method, path=path, operation_id=part.get("operationId"), tag=next(iter(part.get("tags") or []), ""),
            parameters=[*map(_parameter_row, range(MOST_ROWS), part.get("parameters") or []), {}],
            body_media=media, body_schema=spell(content.get("schema")) or (AS_WRITTEN if body else ""), edits=edits,
            body_required=body.get("required"), responses=[*_response_rows(part.get("responses") or {}), {}],
        )  # fmt: skip

    def wanted(self, part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        """What the operation, which is ``part`` of ``document`` now, shall be."""
        out, names = dict(part), schemas_of(document)
        put(out, "operationId", self.operation_id.data)
        for name in ("summary", "description"):
            put(out, name, text(self[name]))
        put(out, "deprecated", bool(self.deprecated.data))
        tags = [str(t) for t in part.get("tags") or []]
        put(out, "tags", [t for t in [self.tag.data or "", *tags[1:]] if t])
        put(out, "parameters", self._parameters(part.get("parameters") or [], names, document))
        put(out, "requestBody", self._body(part.get("requestBody") or {}, names))
        out["responses"] = self._responses(part.get("responses") or {}, names)
        if not out["responses"]:
            raise Refused("Say at least one thing that it answers.", "responses")
        return placed(part, out)

    def _parameters(self, there: list[Any], names: Collection[str], document: dict[str, Any]) -> list[Any]:
        kept = [
            _parameter(row.form, listed(there, row.form.at.data), names)
            for row in self.parameters
            if not row.form.remove.data and (row.form.at.data or row.form.name.data)
        ]
        item = (document.get("paths") or {}).get(self.path.data) or {}
        declared = {follow(document, p).get("name") for p in [*kept, *(item.get("parameters") or [])]}
        missing = [n for n in TEMPLATE.findall(self.path.data or "") if n not in declared]
        return kept + [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in missing]

    def _body(self, there: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
        if "$ref" in there:
            return there if self.body_schema.data else {}
        word, schema = self.body_schema.data or "", _content(there)[1].get("schema")
        wanted = respelled(schema, word, names, "body_schema")
        if wanted is None:
            return {}
        out = dict(there)
        put(out, "required", bool(self.body_required.data))
        if word != AS_WRITTEN or schema is not None:
            out["content"] = _with_content(there, self.body_media.data or "application/json", wanted)
        return placed(there, out)

    def _responses(self, there: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for row in (r.form for r in self.responses):
            before = there.get(row.at.data or "") or {}
            if row.remove.data or not (row.status.data or row.at.data):
                continue
            status = row.status.data or ""
            if not STATUS.fullmatch(status) or status in out:
                raise Refused(f"{status or 'An answer'}: write each status once, as 200, 4XX or default.", "responses")
            out[status] = before if "$ref" in before else _response(row, before, names)
        return {k: v for k, v in there.items() if k.startswith("x-")} | out


def _parameter_row(at: int, part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in part:
        return {"at": str(at), "name": part["$ref"]}
    row = {name: part.get(name) for name in ("name", "required", "description")}
    return row | {"at": str(at), "place": part.get("in"), "type": spell(part.get("schema")) or AS_WRITTEN}


def _parameter(row: Any, before: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    if "$ref" in before:
        return before
    out = dict(before)
    put(out, "name", row.name.data)
    out["in"] = row.place.data
    put(out, "required", bool(row.required.data) or row.place.data == "path")
    put(out, "description", text(row.description))
    if "content" not in out:
        out["schema"] = respelled(before.get("schema"), row.type.data or "string", names, "parameters")
    if not out.get("name") and out != before:
        raise Refused("A parameter needs a name. Mark it for removal if it shall go.", "parameters")
    return placed(before, out)


def _response_rows(responses: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"at": status, "status": status, "description": part.get("$ref") or part.get("description"),
         "schema": spell(_content(part)[1].get("schema"))}
        for status, part in responses.items()
        if not status.startswith("x-")
    ]  # fmt: skip


def _response(row: Any, before: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    out = dict(before)
    put(out, "description", text(row.description))
    out.setdefault("description", "")  # OpenAPI wants one, however empty
    schema = _content(before)[1].get("schema")
    wanted = respelled(schema, row.schema.data or "", names, "responses")
    if wanted is not None:
        out["content"] = _with_content(before, _content(before)[0], wanted)
    elif schema is not None:
        out.pop("content")
    return placed(before, out)


def _content(part: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The first media type, and what is said about it."""
    for media, content in (part.get("content") or {}).items():
        return media, content or {}
    return "application/json", {}


def _with_content(part: dict[str, Any], media: str, schema: dict[str, Any]) -> dict[str, Any]:
    was, content = _content(part)
    others = {k: v for k, v in (part.get("content") or {}).items() if k != was}
    return {media: content | {"schema": schema}} | others
