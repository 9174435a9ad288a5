"""What went, by reason, day and API version: noted in the transaction in which it goes, told to the audit trail afterwards.

So nothing goes unsaid when a process ends in between: the next one says it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Integer, String, Table, delete, select

from ..apis.queries import names
from ..audit.actions import record
from ..audit.models import Action
from .store import Store, metadata, moment_of
from .upserts import add_up

BECAUSE = {
    "days": "they were older than GATEWRIGHT_LOGS_DAYS",
    "api": "they were older than their API keeps them",
    "budget": "GATEWRIGHT_LOGS_BUDGET_MB was used up",
}
MOST_NAMED = 50

dropped = Table(
    "log_dropped",
    metadata,
    Column("why", String(10), primary_key=True),
    Column("start_id", BigInteger, primary_key=True, autoincrement=False),  # of the segment
    Column("version_id", Integer, primary_key=True, autoincrement=False),
    Column("records", BigInteger, nullable=False),
    Column("archived", BigInteger, nullable=False),  # of them
)


@dataclass(frozen=True)
class Dropped:
    """Records of one version and one day; ``why`` is a key of `BECAUSE`."""

    why: str
    since: datetime
    version_id: int
    records: int
    archived: int = 0


def note(
    connection: Connection, start: int, why: Mapping[int, str], counts: Mapping[int, int], *, archived: bool
) -> None:
    """``why`` and ``counts`` by version."""
    rows = [(why[v], start, v, count, count if archived else 0) for v, count in counts.items() if count]
    add_up(connection, dropped, rows)


def untold(store: Store) -> list[Dropped]:
    """Oldest first."""
    with store.reading() as connection:
        rows = connection.execute(select(dropped).order_by(dropped.c.start_id, dropped.c.version_id))
        return [Dropped(r.why, moment_of(r.start_id), r.version_id, r.records, r.archived) for r in rows]


def forget(store: Store) -> None:
    """After it was told: who dies just before says it twice, which is better than never."""
    with store.writing() as connection:
        connection.execute(delete(dropped).where(dropped.c.records > 0))  # ClickHouse wants to be told which


def tell(gone: list[Dropped]) -> None:
    """One entry for each reason, in the main database."""
    for why in sorted({one.why for one in gone}):
        of_it = [one for one in gone if one.why == why]
        changes = {
            "because": BECAUSE[why],
            "since": min(one.since for one in of_it),
            "records": sum(one.records for one in of_it),
            "archived": sum(one.archived for one in of_it),
            "by_api": _by_api(of_it),
        }
        record(Action.LOGS_DROPPED, None, name="request records", changes=changes)


def _by_api(gone: Iterable[Dropped]) -> dict[str, int]:
    """The most first; what follows after so many is summed up."""
    of_version = Counter[int]()
    for one in gone:
        of_version[one.version_id] += one.records
    known = names(set(of_version))
    counts = Counter[str]()
    for version_id, count in of_version.items():
        counts[known[version_id].api.name if version_id in known else "no API"] += count
    ranked = counts.most_common()
    rest = sum(count for _, count in ranked[MOST_NAMED:])
    return dict(ranked[:MOST_NAMED]) | ({"others": rest} if rest else {})
