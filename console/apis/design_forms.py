"""Forms for the common parts of a document. Each shows a part, and says what the part shall be: nothing else of it changes.

Rows that are emptied stay; those marked for removal go. A new row is one that has a name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from wtforms import (
    BooleanField,
    FieldList,
    FormField,
    HiddenField,
    IntegerField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, ValidationError

from ..errors import Refused
from ..web.forms import Form, plain_text
from .drafts import placed
from .spelling import respelled, spell

NAME = re.compile(r"[A-Za-z0-9._-]+")  # OpenAPI 3.1 section 4.8.7.1
MOST_ROWS = 500
SHORT, LONG = Length(max=300), Length(max=100_000)


class DesignForm(Form):
    edits = IntegerField(validators=[InputRequired()])


class Row(Form):
    at = HiddenField()  # what it was named; empty for a new one
    remove = BooleanField("Remove")

    @property
    def is_new(self) -> bool:
        return not self.at.data


def rows(kind: type[Row]) -> Any:
    return FieldList(FormField(kind), min_entries=0, max_entries=MOST_ROWS)


def text(field: Any) -> str:
    """Browsers send every line end as two characters."""
    return (field.data or "").replace("\r\n", "\n")


def put(part: dict[str, Any], key: str, value: Any) -> None:
    """An empty value takes the key away; one that says what is there already changes nothing."""
    before = part.get(key)
    if _shows(before, value) or (key in part and not before and not value):
        return
    if value:
        part[key] = value
    else:
        part.pop(key, None)


def _shows(before: Any, value: Any) -> bool:
    """Whether the value is what a browser makes of what is there: of one line, where the field has no more."""
    if not isinstance(before, str) or not isinstance(value, str):
        return False
    given = before if "\n" in value else re.sub(r"[\r\n]", "", before)
    return value.strip() in (before.strip(), given.strip())


class GeneralForm(DesignForm):
    title = StringField("Title", [InputRequired("What is it called?"), Length(max=120), plain_text])
    summary = StringField("Summary", [SHORT, plain_text])
    description = TextAreaField("Description", [LONG, plain_text])
    contact_name = StringField("Contact", [SHORT, plain_text])
    contact_url = StringField("Address of the contact", [SHORT, plain_text])
    contact_email = StringField("E-mail of the contact", [SHORT, plain_text])
    license_name = StringField("Licence", [SHORT, plain_text])
    license_url = StringField("Address of the licence", [SHORT, plain_text])

    @classmethod
    def of(cls, info: dict[str, Any], edits: int) -> GeneralForm:
        contact, licence = info.get("contact") or {}, info.get("license") or {}
        values: dict[str, Any] = {name: info.get(name) for name in ("title", "summary", "description")}
        values |= {f"contact_{k}": contact.get(k) for k in ("name", "url", "email")}
        return cls(**values, license_name=licence.get("name"), license_url=licence.get("url"), edits=edits)

    def wanted(self, info: dict[str, Any]) -> dict[str, Any]:
        part = dict(info)
        for name in ("title", "summary", "description"):
            put(part, name, text(self[name]))
        for name, keys in (("contact", ("name", "url", "email")), ("license", ("name", "url"))):
            inner = dict(part.get(name) or {})
            for key in keys:
                put(inner, key, text(self[f"{name}_{key}"]))
            put(part, name, placed(part.get(name) or {}, inner))
        return placed(info, part)


class ServerRow(Row):
    url = StringField("Address", [SHORT, plain_text])
    description = TextAreaField("What it is", [LONG, plain_text])


class TagRow(Row):
    name = StringField("Name", [SHORT, plain_text])
    description = TextAreaField("What it is about", [LONG, plain_text])


class ListForm(DesignForm):
    """A list whose items have a name and a description: servers, and tags."""

    items: Any
    named = "name"

    @classmethod
    def of(cls, there: list[dict[str, Any]], edits: int) -> ListForm:
        shown = [
            {"at": str(i), cls.named: v.get(cls.named), "description": v.get("description")}
            for i, v in enumerate(there)
        ]
        return cls(items=[*shown, {}], edits=edits)

    def wanted(self, there: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = []
        for row in self.items:
            before = listed(there, row.form.at.data)
            if row.form.remove.data or (row.form.is_new and not row.form[self.named].data):
                continue
            part = dict(before)
            put(part, self.named, row.form[self.named].data)
            put(part, "description", text(row.form.description))
            if self.named not in part:
                raise Refused("Each row needs a name. Mark it for removal if it shall go.", "items")
            kept.append(placed(before, part))
        return kept


class ServersForm(ListForm):
    items = rows(ServerRow)
    named = "url"


class TagsForm(ListForm):
    items = rows(TagRow)

    def renamed(self, there: list[dict[str, Any]]) -> dict[str, str]:
        """Tags that get another name, by the one they have."""
        found = [(listed(there, r.form.at.data).get("name"), r.form.name.data, r.form.remove.data) for r in self.items]
        return {old: new for old, new, gone in found if old and new and old != new and not gone}


def listed(there: list[dict[str, Any]], at: str | None) -> dict[str, Any]:
    return there[int(at)] if at and at.isdecimal() and int(at) < len(there) else {}


class PropertyRow(Row):
    name = StringField("Name", [SHORT, plain_text])
    type = StringField("Type", [SHORT], default="string")
    format = StringField("Format", [SHORT, plain_text])
    required = BooleanField("Required")
    description = TextAreaField("Description", [LONG, plain_text])


class SchemaForm(DesignForm):
    name = StringField("Name", [InputRequired("Such as Order."), SHORT])
    description = TextAreaField("Description", [LONG, plain_text])
    properties = rows(PropertyRow)

    @classmethod
    def of(cls, name: str, part: dict[str, Any], edits: int) -> SchemaForm:
        required = part.get("required") or []
        shown = [
            {"at": key, "name": key, "type": spell(inner) or "as written", "required": key in required}
            | ({k: inner.get(k) for k in ("format", "description")} if isinstance(inner, dict) else {})
            for key, inner in (part.get("properties") or {}).items()
        ]
        return cls(name=name, description=part.get("description"), properties=[*shown, {}], edits=edits)

    def validate_name(self, field: StringField) -> None:
        if not NAME.fullmatch(field.data or ""):
            raise ValidationError("Letters, digits, dots, dashes and underlines.")

    @property
    def renamed(self) -> dict[str, str]:
        """Properties that get another name, by the one they have."""
        found = [
            (r.form.at.data, r.form.name.data) for r in self.properties if r.form.at.data and not r.form.remove.data
        ]
        return {old: new for old, new in found if new and old != new}

    def wanted(self, part: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
        """``part`` has the names that the properties shall get."""
        out, properties, required = dict(part), {}, set()
        put(out, "description", text(self.description))
        for row in (r.form for r in self.properties):
            if row.remove.data or not row.name.data:
                continue
            if row.name.data in properties:
                raise Refused(f"{row.name.data} is there twice.", "properties")
            properties[row.name.data] = _property(row, (part.get("properties") or {}).get(row.name.data), names)
            required |= {row.name.data} if row.required.data else set()
        before = part.get("required") or []
        kept = [n for n in before if n in required or n not in (part.get("properties") or {})]
        put(out, "properties", properties)
        put(out, "required", kept + [n for n in properties if n in required and n not in before])
        return placed(part, out)


def _property(row: Any, before: Any, names: Collection[str]) -> Any:
    if not isinstance(before, dict | None):
        return before  # 3.1: true and false are schemas
    out = dict(respelled(before, row.type.data or "string", names, "properties") or {})
    put(out, "format", row.format.data)
    put(out, "description", text(row.description))
    return placed(before or {}, out)
