"""What may stand in an address after the question mark; whatever else does is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

from ..errors import Refused

MOST, USUAL = 100, 50
LONGEST = 300


class BadQuery(Refused):
    status = 400


@dataclass(frozen=True)
class Parameter:
    """``most`` (of an integer): 1 to that. ``is_many``: it may be there several times."""

    name: str
    help: str
    most: int = 0
    default: int | str = ""
    choices: tuple[str, ...] = ()
    is_many: bool = False
    is_required: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        if self.most:
            return {"type": "integer", "minimum": 1, "maximum": self.most, "default": self.default}
        text: dict[str, Any] = {"type": "string", "maxLength": LONGEST}
        if self.choices:
            text = {"type": "string", "enum": [str(choice) for choice in self.choices]}
        return {"type": "array", "items": text} if self.is_many else text

    def read(self) -> Any:
        said = request.args.getlist(self.name)
        if self.is_many:
            return said
        if len(said) > 1:
            raise BadQuery(f"{self.name} may be there once.")
        if not said:
            if self.is_required:
                raise BadQuery(f"Say {self.name}: {self.help}.")
            return self.default
        return self._number(said[0]) if self.most else self._text(said[0])

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= self.most):
            raise BadQuery(f"{self.name} is a number from 1 to {self.most}.")
        return int(text)

    def _text(self, text: str) -> str:
        if len(text) > LONGEST or (self.choices and text not in self.choices):
            allowed = f"one of {', '.join(self.choices)}" if self.choices else f"at most {LONGEST} characters"
            raise BadQuery(f"{self.name} is {allowed}.")
        return text


LIMIT = Parameter("limit", "how many at most", MOST, USUAL)
AFTER = Parameter("after", "where the page before ended, as its Link says")
PAGED = (LIMIT, AFTER)
SEARCH = Parameter("search", "what its name holds")


def read_query(parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    unknown = sorted(set(request.args) - {p.name for p in parameters})
    if unknown:
        known = ", ".join(p.name for p in parameters) or "none"
        raise BadQuery(f"{unknown[0][:40]} is no parameter of this; there are: {known}.")
    return {p.name: p.read() for p in parameters}
