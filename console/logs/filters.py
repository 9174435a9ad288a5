"""The filters of the log page: what the address says, in words that a person can also type into the search box."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import request
from werkzeug.datastructures import MultiDict

from ..apis.queries import versions_named
from ..applications.models import Application
from ..applications.queries import client_ids_named, clients_of_plan
from ..db import now
from ..gateway.queries import node_names
from ..web.forms import asked_moment
from ..web.zones import zone
from .question import CLASSES, Question

RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
MANY = (
    "status",
    "api",
    "operation",
    "application",
    "plan",
    "node",
    "method",
    "country",
    "reason",
)  # several values: one of them is enough
ONE = ("path", "over", "backend_over", "request_id", "trace_id", "jti", "address", "q")
FILTERS = (*MANY, *ONE, "range", "since", "until")
# what people type before a colon
WORDS = {
    "app": "application", "op": "operation", "ms": "over", "backend_ms": "backend_over", "request": "request_id",
    "trace": "trace_id", "token": "jti", "ip": "address", "from": "address",
}  # fmt: skip
TYPED = re.compile(r'(?<!\S)([a-z_]{2,14}):(?:"([^"]*)"|(\S+))')
MOST_VALUES = 20
LONGEST = 200


@dataclass(frozen=True)
class Asked:
    """What the address and the search box say together."""

    many: dict[str, tuple[str, ...]]
    one: dict[str, str]
    range: str
    since: datetime | None
    until: datetime | None

    @property
    def parameters(self) -> dict[str, Any]:
        """For links that keep the filters; what was typed with a colon has become a filter."""
        said: dict[str, Any] = {name: list(values) for name, values in self.many.items() if values}
        said |= {name: value for name, value in self.one.items() if value}
        said |= {"range": self.range} if self.range else {}
        return said | {
            name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in (("since", self.since), ("until", self.until)) if at
        }

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        """Each filter in words, with the query of an address without it."""
        found = []
        for name, said in self.parameters.items():
            for value in said if isinstance(said, list) else [said]:
                left = [v for v in said if v != value] if isinstance(said, list) else []
                rest = (
                    {**self.parameters, name: left} if left else {k: v for k, v in self.parameters.items() if k != name}
                )
                found.append((name, value, urlencode(rest, doseq=True)))
        return [chip for chip in found if chip[0] not in ("range", "q")]

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The time it is about; without one, the last day."""
        until = self.until or now()
        return self.since or until - RANGES.get(self.range, timedelta(days=1)), until

    def having(self, **other: Any) -> str:
        """The query of an address with other filters besides; an empty one leaves it out."""
        said = self.parameters | other
        return urlencode({name: value for name, value in said.items() if value}, doseq=True)


def read() -> Asked:
    """Of the address of the page that is asked for."""
    return _read(request.args, asked_moment("since", zone()), asked_moment("until", zone()))


def asked_in(query: str) -> Asked:
    """Of an address that was kept, whose times are of no use later."""
    return _read(MultiDict(parse_qsl(query)), None, None)


def _read(args: MultiDict[str, str], since: datetime | None, until: datetime | None) -> Asked:
    typed = args.get("q", "").strip()[:LONGEST]
    words, said = _typed(typed)
    many = {
        name: tuple(dict.fromkeys(v.strip()[:LONGEST] for v in (*args.getlist(name), *said.get(name, ())) if v.strip()))
        for name in MANY
    }
    one = {name: (args.get(name, "").strip() or (said.get(name) or [""])[-1])[:LONGEST] for name in ONE if name != "q"}
    return Asked(
        {name: values[:MOST_VALUES] for name, values in many.items()},
        one | {"q": words},
        args.get("range", "") if args.get("range", "") in RANGES else "",
        since,
        until,
    )


def _typed(text: str) -> tuple[str, dict[str, list[str]]]:
    """The words, and the filters among them; what is no filter's name stays a word."""
    said: dict[str, list[str]] = {}

    def take(match: re.Match[str]) -> str:
        name = WORDS.get(match[1], match[1])
        if name not in MANY and (name not in ONE or name == "q"):
            return match[0]
        said.setdefault(name, []).append(match[2] if match[2] is not None else match[3])
        return ""

    words = TYPED.sub(take, text)
    return " ".join(words.split()), said


def question_of(asked: Asked, only: Application | None) -> Question:
    """``only``: the application whose calls may be seen."""
    since = asked.since
    if since is None and asked.range:
        since = now() - RANGES[asked.range]
    many, one = asked.many, asked.one
    clients = frozenset({only.client_id}) if only else _clients(many["application"], many["plan"])
    return Question(
        since=since,
        until=asked.until,
        version_ids=_all(many["api"], versions_named),
        client_ids=clients,
        node_ids=_all(many["node"], _nodes_named),
        classes=frozenset(c for c in many["status"] if c in CLASSES),
        statuses=frozenset(int(c) for c in many["status"] if re.fullmatch(r"[1-9]\d\d", c)),
        methods=frozenset(m.upper() for m in many["method"]),
        countries=frozenset(c.upper() for c in many["country"]),
        operations=frozenset(many["operation"]),
        reasons=frozenset(many["reason"]),
        path=one["path"],
        over_us=_milliseconds(one["over"]),
        backend_over_us=_milliseconds(one["backend_over"]),
        request_id=one["request_id"],
        trace_id=one["trace_id"],
        jti=one["jti"],
        address=one["address"],
        words=one["q"],
    )


def _clients(applications: tuple[str, ...], plans: tuple[str, ...]) -> frozenset[str] | None:
    """Those named, among those that have one of the plans now; a record does not keep its plan."""
    named, having = _all(applications, client_ids_named), _all(plans, clients_of_plan)
    return having if named is None else named if having is None else named & having


def _all(names: tuple[str, ...], find: Callable[[str], set[Any]]) -> frozenset[Any] | None:
    """What all these names mean; one that means nothing finds nothing."""
    return frozenset().union(*map(find, names)) if names else None


def _nodes_named(name: str) -> set[int]:
    return {number for number, called in node_names().items() if name in (called, str(number))}


def _milliseconds(text: str) -> int:
    """In microseconds: of ``500``, ``>500`` and ``1.5``."""
    match = re.fullmatch(r">?\s*(\d{1,7}(?:\.\d{1,3})?)(?:\s*ms)?", text)
    return round(float(match[1]) * 1000) if match else 0
