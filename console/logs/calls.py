"""The newest calls of one client: when a token or key was last used, from where, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select

from ..runtime import runtime
from .segments import tables
from .store import id_at, moment_of

MOST_LOOKED_AT = 20_000


def _newest_calls(client_id: str, since: datetime) -> list[Row]:  # type: ignore[type-arg]
    """Id, token and address of one client's newest calls: what is asked about them costs the same however many there are."""
    found: list[Row] = []  # type: ignore[type-arg]
    with runtime().logs.reading() as connection:
        for t in tables(connection, id_at(since)):
            calls = select(t.c.id, t.c.jti, t.c.client_address).where(
                t.c.client_id == client_id, t.c.id >= id_at(since)
            )
            found += connection.execute(calls.order_by(t.c.id.desc()).limit(MOST_LOOKED_AT - len(found)))
            if len(found) >= MOST_LOOKED_AT:
                break
    return found


def last_used(client_id: str, jtis: list[str], since: datetime) -> dict[str, datetime]:
    """When each of these tokens or keys was last shown to a gateway, as far as the newest calls of its client tell."""
    wanted, found = set(jtis), dict[str, datetime]()
    for call in _newest_calls(client_id, since) if wanted else ():
        if call.jti in wanted:
            found.setdefault(call.jti, moment_of(call.id))  # they come newest first
    return found


@dataclass(frozen=True)
class Calls:
    """``is_all``: no older ones were left out."""

    count: int = 0
    last_at: datetime | None = None
    addresses: tuple[str, ...] = ()  # the busiest, at most five
    is_all: bool = True


def calls_of(client_id: str, jti: str, since: datetime) -> Calls:
    """What was done by a client, or with one key of it."""
    looked_at = _newest_calls(client_id, since)
    calls = [call for call in looked_at if not jti or call.jti == jti]
    busiest = Counter(call.client_address for call in calls).most_common(5)
    last = moment_of(calls[0].id) if calls else None
    return Calls(len(calls), last, tuple(address for address, _ in busiest), len(looked_at) < MOST_LOOKED_AT)
