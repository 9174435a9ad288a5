"""The form that an operation is tried with: made from its parameters, as its document describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wtforms import SelectField, TextAreaField
from wtforms.validators import Length, Optional

from ..apis.openapi import follow
from ..applications.models import Application
from ..web.forms import Form
from .calls import OURS, example_value
from .reference import Described, Parameter, as_text, schema_of_parameter
from .schemas import Document, types_of
from .trying import FIELDS, name_of

LONGEST_BODY = 1_000_000  # characters
MOST_CHOICES = 60


@dataclass(frozen=True)
class Field:
    """One parameter. ``choices``: the only values there are; empty: any text."""

    name: str
    label: str
    where: str
    required: bool
    value: str
    choices: list[str]
    hint: str


class TryForm(Form):
    application = SelectField("Application", coerce=int, validate_choice=False, default=0)
    media = SelectField("Content type", validate_choice=False)
    body = TextAreaField("Body", [Optional(), Length(max=LONGEST_BODY, message="At most a million characters.")])

    def offer(self, applications: list[Application], described: Described) -> None:
        self.application.choices = [(a.id, a.name) for a in applications]
        self.media.choices = [(b.media, b.media) for b in described.bodies if not b.media.startswith("multipart/")]


def fields_of(document: Document, described: Described, said: Mapping[str, str] | None) -> list[Field]:
    """``said``: what was sent; without it the examples of what must be there."""
    shown = [p for p in described.parameters if p.where in FIELDS and p.name.lower() not in OURS]
    return [_field(document, p, said) for p in shown]


def _field(document: Document, parameter: Parameter, said: Mapping[str, str] | None) -> Field:
    schema = follow(document, schema_of_parameter(parameter.raw))
    required, name = parameter.node.required or parameter.where == "path", name_of(parameter)
    value = said.get(name, "")[:2000] if said is not None else _prefilled(document, parameter) if required else ""
    values = schema.get("enum")
    choices = [str(v) for v in values] if isinstance(values, list) and len(values) <= MOST_CHOICES else []
    if types_of(schema) == ["boolean"]:
        choices = ["true", "false"]
    hint = "Several: with commas between." if "array" in types_of(schema) else ""
    return Field(name, parameter.name, parameter.where, required, value, choices, hint)


def _prefilled(document: Document, parameter: Parameter) -> str:
    value = example_value(document, parameter)
    if value == parameter.name.upper().replace("-", "_"):  # stands for a value, and is none
        return ""
    if isinstance(value, list):
        return ",".join(as_text("text/plain", v) for v in value)
    return as_text("application/json", value) if isinstance(value, dict | bool) else str(value)
