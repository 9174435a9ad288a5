"""How long request records are kept: by days, and by the disk space they may take; the oldest day goes first."""

from __future__ import annotations

import time
from datetime import timedelta

from ..apis.queries import log_days
from ..db import now, release, unit_of_work
from ..runtime import runtime
from .completeness import judge
from .days import close_days, forget_old_sums
from .dropped import Dropped, forget, tell, untold
from .retention import Due, Retention, all_of, begun, delete_over, drop_whole, due
from .segments import oldest, size_bytes
from .store import batch

MB = 1_000_000
WARN_AT = 0.8  # of the budget
ROOM = 0.9  # so full it is after days were dropped for it
MOST_TRIES = 3  # at a day that records keep coming for
BATCHES_KEPT = timedelta(days=7)  # no sender repeats one after so long


def drop_old_records() -> list[Dropped]:
    """What went. In the logs database, in many short transactions; and told to the trail, in one of its own."""
    with runtime().logs.alone() as is_alone:
        if not is_alone:
            return []
        _drop_old_records()
        forget_old_sums(runtime().logs, now())
        return _tell()


def judge_completeness() -> None:
    """In the logs database, which has transactions of its own."""
    judge(runtime().logs, now())


def nothing(_done: object) -> None:
    """What was done is in the logs database already."""


def sum_up_days() -> int:
    return close_days(runtime().logs, now())


def _drop_old_records() -> None:
    config, store = runtime().config, runtime().logs
    kept = Retention(now(), config.logs_days, log_days())
    release()  # deleting may take its time
    found = (due(store, one.start, until, kept) for one, until in begun(store, kept.newest_end))
    partly = [one for one in found if one and not (one.is_whole and drop_whole(store, one))]
    if config.logs_budget_mb and used_bytes() > config.logs_budget_mb * MB:
        _make_room(config.logs_budget_mb * MB * ROOM)
    _forget_batches()  # after the days: on a full disk only they make room
    for one in partly:
        _delete(one)


def _delete(one: Due) -> None:
    if not one.is_whole:  # else records came for it just now, and it is the next run's
        delete_over(runtime().logs, one)


def _make_room(bytes_left: float) -> None:
    store, tries = runtime().logs, 0
    while used_bytes() > bytes_left and tries < MOST_TRIES:
        with store.reading() as connection:
            found = oldest(connection)
        if found is None:
            break
        tries = 0 if drop_whole(store, all_of(store, found[0], "budget")) else tries + 1


def _tell() -> list[Dropped]:
    gone = untold(runtime().logs)
    if gone:
        with unit_of_work():
            tell(gone)
        forget(runtime().logs)
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
