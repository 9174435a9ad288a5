"""One record, whoever sent it, to one row: a format names the values, here they are checked and cut to their columns."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ..apis.operations import BodyRules
from .call_bodies import Sent, WithBodies, kept, media_type
from .scrub import scrub_common, scrub_value, storable
from .store import COLUMNS
from .writer import Row

LARGEST_NUMBER = 2**31 - 1  # of an integer column
LATEST_US = 3600 * 1_000_000  # a clock may be an hour ahead, not more
OLDEST_US = 400 * 86400 * 1_000_000
LONGEST_TIME, LONGEST_NUMBER = 40, 32
UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1), (1e20, 1e-3))  # of a time below that size, in microseconds
PATH_END = re.compile(r"[?#;]|%3[Ff]")
WITH_PORT = re.compile(r"^(?:([\d.]+)|\[(.+)\]):\d+$")
VERSION, METHOD, OPERATION = map(COLUMNS.index, ("version_id", "method", "operation"))
WORD = re.compile(r"[^,:;\s]+")
APACHE_TIME = re.compile(r"\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4}")
TRACE_ID = re.compile(r"(?:^|-)(?!0{32})([0-9a-f]{32})(?:-|$)")  # alone, or in a `traceparent`
VersionOf = Callable[[str], int]
Described = Callable[[int, str, str], tuple[str, str]]  # operation, and the path as it may be kept
Rules = dict[int, BodyRules]
Said = dict[str, Any]
Bodies = Callable[[], tuple[Sent | None, Sent | None]]  # of the request and of the response


class Bad(ValueError):
    """Why a record is not taken; it is shown to people."""


class Normaliser:
    """Makes the rows of one batch: of one node, at one time."""

    def __init__(
        self,
        node_id: int,
        version_of: VersionOf,
        described: Described,
        country_of: Callable[[str], str],
        rules: Rules | None = None,
    ) -> None:
        """``rules``: of the versions whose calls' bodies are kept."""
        self.node_id, self.version_of, self.described, self.country_of = node_id, version_of, described, country_of
        self.rules = rules or {}
        self.clock = time.time_ns() // 1000

    def row(
        self,
        *,
        at: Any,
        status: Any,
        path: Any,
        method: Any = "",
        duration_us: int = 0,
        backend_us: int = -1,
        request_bytes: Any = None,
        response_bytes: Any = None,
        request_id: Any = "",
        client_address: Any = "",
        user_agent: Any = "",
        client_id: Any = "",
        credential: Any = "",
        jti: Any = "",
        reason: Any = "",
        trace_id: Any = "",
        version_id: int = 0,
        bodies: Bodies | None = None,
    ) -> Row:
        path = clean_path(path)
        method = text(method, 12).upper() or "?"
        version_id = version_id or self.version_of(path)
        address = address_of(client_address)
        operation, path = self.described(version_id, method, path) if version_id else ("", path)
        row = (
            self._at_us(at),
            self.node_id,
            version_id,
            text(client_id, 40),
            text(credential, 10),
            text(jti, 64),
            method,
            path,
            status_of(status),
            duration_us,
            backend_us,
            number(request_bytes, "the size of the request"),
            number(response_bytes, "the size of the response"),
            text(request_id, 64),
            address,
            scrub_common(text(user_agent, 200)),
            scrub_common(text(reason, 200)),
            trace(trace_id),
            operation[:200],
            self.country_of(address),
        )
        return self.with_bodies(row, *bodies()) if bodies and version_id in self.rules else row

    def with_bodies(self, row: Row, request: Sent | None, response: Sent | None) -> Row:
        """Of a version that keeps them."""
        rules, method, template = self.rules[row[VERSION]], row[METHOD], row[OPERATION]
        whole = rules.sensitive.whole
        return WithBodies.of(
            row,
            kept(request, rules, (method, template, "request") in whole),
            kept(response, rules, (method, template, "response") in whole),
        )

    def _at_us(self, value: Any) -> int:
        at_us = microseconds(value)
        if at_us > self.clock + LATEST_US:
            raise Bad("the time is in the future")
        if at_us < self.clock - OLDEST_US:
            raise Bad("the time is more than 400 days ago")
        return at_us


def text(value: Any, longest: int) -> str:
    """What can be read as a text; of several values (a header that came twice) the first."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if value is None or isinstance(value, dict | list | bool):
        return ""
    said = str(value) if not isinstance(value, str) else value
    return "" if said == "-" else storable(said[:longest])


def address_of(value: Any) -> str:
    """A caller's address, without its port."""
    return WITH_PORT.sub(r"\1\2", text(value, 60))[:45]


def trace(value: Any) -> str:
    """A trace id as W3C Trace Context section 3.2.2.3 writes it, also out of a `traceparent`; else nothing."""
    found = TRACE_ID.search(text(value, 100).lower())
    return found[1] if found else ""


def number(value: Any, name: str, missing: int = 0) -> int:
    """A whole number that fits its column, at least 0."""
    found = _finite(value, name)
    return missing if found is None else min(max(int(found), 0), LARGEST_NUMBER)


def us(value: Any, name: str, factor: int, missing: int = 0) -> int:
    """A length of time, of which ``factor`` microseconds are one."""
    found = _finite(value, name)
    return missing if found is None else max(round(min(found * factor, LARGEST_NUMBER)), 0)


def _finite(value: Any, name: str) -> float | None:
    if value in (None, "", "-"):
        return None
    if isinstance(value, str):  # nginx writes "0.01, 0.02 : 0.1" where it asked several backends; the last one answered
        words = WORD.findall(value[:200])
        value = words[-1] if words and words[-1] != "-" else None
        if value is None:
            return None
    if isinstance(value, bool | dict | list) or len(str(value)) > LONGEST_NUMBER:
        raise Bad(f"{name} is no number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise Bad(f"{name} is no number") from None
    if not math.isfinite(found):
        raise Bad(f"{name} is no number")
    return found


def status_of(value: Any) -> int:
    found = None if isinstance(value, list) else _finite(value, "the status")
    if found is None:
        raise Bad("there is no status")
    if found != int(found) or not 0 <= found <= 999:
        raise Bad("the status is none of HTTP's")
    return int(found)


def clean_path(value: Any) -> str:
    """Without scheme, host, query and fragment; those may hold secrets, or are nobody's business here."""
    said = text(value, 4000)
    if "://" in said[:12]:
        said = "/" + said.split("://", 1)[1].partition("/")[2]
    if end := PATH_END.search(said):
        said = said[: end.start()]
    return scrub_value(said)[:500] or "/"


def microseconds(value: Any) -> int:
    """Since 1970: of seconds, milliseconds, microseconds or nanoseconds (told by their size), or of a written time."""
    if value in (None, "", "-"):
        raise Bad("there is no time")
    if isinstance(value, str) and not _is_number(value):
        return _written(value)
    found = _finite(value, "the time")
    if found is None or found < 0:
        raise Bad("the time is before 1970")
    for size, factor in UNITS:
        if found < size:
            return round(found * factor)
    raise Bad("the time is in the future")


def _is_number(value: str) -> bool:
    return value.isascii() and value.replace(".", "", 1).isdecimal()


def _written(value: str) -> int:
    said = value.strip()[:LONGEST_TIME]
    read = _apache if APACHE_TIME.fullmatch(said) else datetime.fromisoformat
    try:
        moment = read(said)
    except ValueError:
        raise Bad("the time cannot be read") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def _apache(said: str) -> datetime:
    return datetime.strptime(said, "%d/%b/%Y:%H:%M:%S %z")


def part(said: Any, name: str) -> Said:
    """An object in an object; an empty one for anything else."""
    inner = said.get(name) if isinstance(said, dict) else None
    return inner if isinstance(inner, dict) else {}


def first(said: Said, *names: str) -> Any:
    """The first of several names that is there and says something."""
    for name in names:
        value = said.get(name)
        if value not in (None, "", "-"):
            return value
    return None


def header(headers: Said, name: str) -> Any:
    """Of headers that a sender may or may not have written in lower case."""
    found = first(headers, name, name.title())
    return found[0] if isinstance(found, list) and found else found


def sent(message: Said) -> Sent | None:
    """The body of a request or response that was put down with its headers."""
    headers = part(message, "headers")
    return sent_as(message.get("body"), header(headers, "content-type"), header(headers, "content-encoding"))


def sent_as(body: Any, content_type: Any, encoding: Any = "") -> Sent | None:
    if body in (None, "", "-"):
        return None
    return Sent(body, media_type(content_type), text(encoding, 20).lower())
