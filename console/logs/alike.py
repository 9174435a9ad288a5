"""Records that name the same values: their rows are made column by column.

To check one value takes Python longer than to read it; of a whole column most checks are one. A column that is not as
plain as it might be is made value by value, by what `fields` makes of each. `Bad` says that some record is not to be
taken; the caller then takes them one by one, and so finds which. What comes out is what `Normaliser.row` makes of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import repeat
from typing import Any

from .fields import (
    LARGEST_NUMBER,
    LATEST_US,
    OLDEST_US,
    UNITS,
    Bad,
    Normaliser,
    address_of,
    clean_path,
    microseconds,
    number,
    status_of,
    text,
    trace,
    us,
)
from .scrub import scrub_common
from .writer import Row

Column = list[Any]
EMPTY = ("", "-")
HEX = re.compile(r"[0-9a-f]*")
WHOLE = re.compile(r"[0-9]{1,15}(?:\n[0-9]{1,15})*")
DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?(?:\n[0-9]{1,15}(?:\.[0-9]{1,9})?)*")
# in a path: what is cut off there, or has to be looked at more closely
NOT_PLAIN = ("?", "#", ";", "%", "://", "eyJ", "gw", " ", "+", "\t")


def rows(make: Normaliser, columns: dict[str, Column], count: int) -> list[Row]:
    """``columns`` by the names of `Normaliser.row`; those that are missing say nothing."""

    def made(name: str, way: Callable[[Column], Column], missing: Any = "") -> Column:
        return way(columns[name]) if name in columns else [missing] * count

    paths = clean_paths(columns["path"])
    methods = made("method", lambda column: few(column, _method), "?")
    callers = made("client_address", addresses)
    versions = [known or make.version_of(path) for known, path in zip(made("version_id", list, 0), paths, strict=True)]
    found = [
        make.described(version, method, path) if version else ("", path)
        for version, method, path in zip(versions, methods, paths, strict=True)
    ]
    return list(
        zip(
            _within(make, times(columns["at"])),
            repeat(make.node_id, count),
            versions,
            made("client_id", lambda column: texts(column, 40)),
            made("credential", lambda column: texts(column, 10)),
            made("jti", lambda column: texts(column, 64)),
            methods,
            [path for _, path in found],
            few(columns["status"], status_of),
            made("duration_us", list, 0),
            made("backend_us", list, -1),
            made("request_bytes", lambda column: numbers(column, "the size of the request"), 0),
            made("response_bytes", lambda column: numbers(column, "the size of the response"), 0),
            made("request_id", lambda column: texts(column, 64)),
            callers,
            made("user_agent", lambda column: few(column, _common)),
            made("reason", lambda column: few(column, _common)),
            made("trace_id", traces),
            [operation[:200] for operation, _ in found],
            few(callers, make.country_of),
            strict=True,
        )
    )


def _method(value: Any) -> str:
    return text(value, 12).upper() or "?"


def _common(value: Any) -> str:
    return scrub_common(text(value, 200))


def _are(column: Column, *kinds: type) -> bool:
    """Of one of these kinds, each of them; `bool` is none of the numbers here."""
    return set(map(type, column)) <= set(kinds)


def _plain(column: Column, longest: int) -> str:
    """All of it in one text, when every one is a text to be kept as it is; else nothing."""
    if not _are(column, str) or max(map(len, column)) > longest or "-" in column:
        return ""
    whole = "\n".join(column)
    return whole if whole.isascii() and "\x00" not in whole else ""


def texts(column: Column, longest: int) -> Column:
    return column if _plain(column, longest) else [text(value, longest) for value in column]


def few(column: Column, make: Callable[[Any], Any]) -> Column:
    """Of few different ones: each is made once."""
    if not (_are(column, str) or _are(column, int)):
        return [make(value) for value in column]
    made = {value: make(value) for value in set(column)}
    return [made[value] for value in column]


def clean_paths(column: Column) -> Column:
    whole = _plain(column, 500)
    if whole and all(column) and not any(map(whole.__contains__, NOT_PLAIN)):
        return column
    return [clean_path(value) for value in column]


def addresses(column: Column) -> Column:
    whole = _plain(column, 45)
    return column if whole and ":" not in whole else few(column, address_of)


def traces(column: Column) -> Column:
    """Those that are written as they are kept are only looked at together."""
    if _are(column, str) and set(map(len, column)) <= {0, 32}:
        whole = "".join(column)
        if HEX.fullmatch(whole) and "0" * 32 not in whole:
            return column
    return [trace(value) for value in column]


def numbers(column: Column, name: str) -> Column:
    read = _read(column)
    if not column or (_are(read, int) and min(read) >= 0 and max(read) <= LARGEST_NUMBER):
        return read
    return [number(value, name) for value in column]


def lengths(column: Column, name: str, factor: int, missing: int) -> Column:
    """Of time, in microseconds."""
    if _are(column, str) and ("-" in column or "" in column):
        made = iter(lengths([value for value in column if value not in EMPTY], name, factor, missing))
        return [missing if value in EMPTY else next(made) for value in column]
    read = _read(column)
    if not column or (_are(read, int, float) and min(read) >= 0 and max(read) * factor <= LARGEST_NUMBER):
        return read if factor == 1 and _are(read, int) else [round(value * factor) for value in read]
    return [us(value, name, factor, missing) for value in column]


def _read(column: Column) -> Column:
    """Of texts that are plain numbers, these."""
    whole = "\n".join(column) if _are(column, str) else ""
    if WHOLE.fullmatch(whole):
        return list(map(int, column))
    return list(map(float, column)) if DECIMAL.fullmatch(whole) else column


def times(column: Column) -> Column:
    """In microseconds since 1970; in the unit of the latest, so that one in another unit is far too early."""
    if _are(column, int, float):
        for size, factor in UNITS:
            if max(column) < size:
                return [round(value * factor) for value in column]
    return [microseconds(value) for value in column]


def _within(make: Normaliser, at_us: Column) -> Column:
    if max(at_us) > make.clock + LATEST_US or min(at_us) < make.clock - OLDEST_US:
        raise Bad("a time is too late or too early")
    return at_us
