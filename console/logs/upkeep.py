"""How long request records are kept: by days, and by the disk space they may take; the oldest day goes first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..audit.actions import record
from ..audit.models import Action
from ..db import now
from ..runtime import runtime
from .completeness import judge
from .days import close_days, forget_old_sums
from .segments import Segment, drop, of_before, oldest, size_bytes
from .store import batch, moment_of

MB = 1_000_000
WARN_AT = 0.8  # of the budget
ROOM = 0.9  # so full it is after days were dropped for it
BATCHES_KEPT = timedelta(days=7)  # no sender repeats one after so long


@dataclass(frozen=True)
class Dropped:
    """What went, and why: ``days`` or ``budget``."""

    why: str
    since: datetime
    records: int


def drop_old_records() -> list[Dropped]:
    """In the logs database, which has transactions of its own; each day is dropped in one, so nobody waits long."""
    config = runtime().config
    gone: list[Dropped] = []
    if config.logs_days:
        with runtime().logs.writing() as connection:
            old = of_before(connection, now() - timedelta(days=config.logs_days))
        gone += [_drop(one, "days") for one in old]
    if config.logs_budget_mb and used_bytes() > config.logs_budget_mb * MB:
        gone += _make_room(config.logs_budget_mb * MB * ROOM)
    _forget_batches()  # after the days: on a full disk only they make room
    forget_old_sums(runtime().logs, now())
    return gone


def judge_completeness() -> None:
    """In the logs database, which has transactions of its own."""
    judge(runtime().logs, now())


def nothing(_done: object) -> None:
    """What was done is in the logs database already."""


def sum_up_days() -> int:
    return close_days(runtime().logs, now())


def _drop(one: Segment, why: str) -> Dropped:
    with runtime().logs.writing() as connection:
        return Dropped(why, moment_of(one.start), drop(connection, one))


def _make_room(bytes_left: float) -> list[Dropped]:
    gone = []
    while used_bytes() > bytes_left:
        with runtime().logs.reading() as connection:
            one = oldest(connection)
        if one is None:
            break
        gone.append(_drop(one, "budget"))
    return gone


def _forget_batches() -> None:
    with runtime().logs.writing() as connection:
        connection.execute(batch.delete().where(batch.c.stored_at < time.time() - BATCHES_KEPT.total_seconds()))


def used_bytes() -> int:
    with runtime().logs.reading() as connection:
        return size_bytes(connection)


def is_nearly_full() -> bool:
    """Whether the budget will soon make days go."""
    budget = runtime().config.logs_budget_mb * MB
    return bool(budget) and used_bytes() > budget * WARN_AT


def report_dropped(gone: list[Dropped]) -> None:
    """One entry for each reason, in the main database."""
    for why in sorted({one.why for one in gone}):
        of_it = [one for one in gone if one.why == why]
        changes = {
            "because": "they were older than GATEWRIGHT_LOGS_DAYS"
            if why == "days"
            else "GATEWRIGHT_LOGS_BUDGET_MB was used up",
            "since": min(one.since for one in of_it),
            "records": sum(one.records for one in of_it),
        }
        record(Action.LOGS_DROPPED, None, name="request records", changes=changes)
