"""OTLP records that name the same values, as those of one gateway do: their rows, made column by column (see `alike`)."""

from __future__ import annotations

from typing import Any

from . import alike
from .fields import LARGEST_NUMBER, Bad, Normaliser, trace
from .otlp_wire import Unlike, columns
from .writer import Row

BODIES = {"gatewright.request_body", "gatewright.response_body"}
Values = dict[str, list[str]]
NOTHING = bytes(16)
FEW, MANY = 8, 100  # records, attributes: with fewer or more it is not worth it


def rows(records: list[Any], make: Normaliser) -> list[Row] | None:
    """What `otlp` makes of each, of records with as many attributes; None when one of them needs a closer look."""
    if len(records) < FEW or len(records[0].attributes) > MANY:
        return None
    try:
        said = columns([record.attributes for record in records])
        if make.rules and BODIES & said.keys():
            return None
        return alike.rows(make, _found(records, said, make), len(records))
    except (Unlike, Bad, KeyError):
        return None


def _found(records: list[Any], said: Values, make: Normaliser) -> dict[str, list[Any]]:
    """By the names of `Normaliser.row`."""
    empty = [""] * len(records)
    client_ids = alike.texts(said.get("gatewright.client_id", empty), 40)
    found: dict[str, list[Any]] = {
        "at": [(one.time_unix_nano or one.observed_time_unix_nano) // 1000 or make.clock for one in records],
        "status": alike.few(said["http.response.status_code"], _status),
        "path": said.get("url.path", empty),
        "client_id": client_ids,
        "credential": _credentials(said.get("gatewright.credential", empty), client_ids),
        "duration_us": _durations(said, empty),
        "backend_us": _whole(said.get("gatewright.backend_us", empty), -1),
        "reason": _first(said.get("gatewright.reason", empty), said.get("gatewright.details", empty)),
        "trace_id": _traces(records, said.get("gatewright.traceparent")),
    }
    for name, column in WHOLE.items():
        found[name] = _whole(said.get(column, empty), 0)
    return found | {name: said[column] for name, column in TEXTS.items() if column in said}


WHOLE = {
    "version_id": "gatewright.version", "request_bytes": "http.request.body.size",
    "response_bytes": "http.response.body.size",
}  # fmt: skip
TEXTS = {
    "method": "http.request.method", "jti": "gatewright.jti", "request_id": "gatewright.request_id",
    "client_address": "client.address", "user_agent": "user_agent.original",
}  # fmt: skip


def _status(said: str) -> int:
    if not said.isdecimal() or len(said) > 3:
        raise Bad("a status that is not as plain as it might be")
    return int(said)


def _whole(column: list[str], missing: int) -> list[int]:
    """Plain whole numbers; `Bad` when one is none."""
    there = [value for value in column if value not in alike.EMPTY] if "-" in column or "" in column else column
    if not there:
        return [missing] * len(column)
    if not alike.WHOLE.fullmatch("\n".join(there)) or max(numbers := list(map(int, there))) > LARGEST_NUMBER:
        raise Bad("a number that is not as plain as it might be")
    if there is column:
        return numbers
    following = iter(numbers)
    return [missing if value in alike.EMPTY else next(following) for value in column]


def _durations(said: Values, empty: list[str]) -> list[int]:
    if "gatewright.duration_us" in said:
        return _whole(said["gatewright.duration_us"], 0)
    name = "http.server.request.duration"
    return alike.lengths(said.get(name, empty), name, 1_000_000, 0)


def _credentials(column: list[str], client_ids: list[str]) -> list[str]:
    said = alike.texts(column, 10)
    return [one or ("jws" if client else "") for one, client in zip(said, client_ids, strict=True)]


def _first(column: list[str], other: list[str]) -> list[str]:
    return [one if one not in alike.EMPTY else two for one, two in zip(column, other, strict=True)]


def _traces(records: list[Any], others: list[str] | None) -> list[str]:
    said = [record.trace_id for record in records]
    found = [one.hex() if len(one) == 16 and one != NOTHING else "" for one in said]
    return found if others is None else [one or trace(other) for one, other in zip(found, others, strict=True)]
