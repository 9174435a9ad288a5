"""How long request records are kept: by days, and by the disk space they may take; the oldest day goes first."""

from __future__ import annotations

import time
from datetime import timedelta

from ..apis.queries import log_days
from ..audit.actions import record
from ..audit.models import Action
from ..db import now, release, unit_of_work
from ..runtime import runtime
from .archive import archive_of, end_trouble, note_trouble, trouble_of
from .completeness import judge
from .days import close_days, forget_old_sums
from .dropped import Dropped, forget, tell, untold
from .retention import Retention
from .segments import size_bytes
from .store import batch
from .sweep import Sweep

MB = 1_000_000
WARN_AT = 0.8  # of the budget
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
    config = runtime().config
    sweep = Sweep(runtime().logs, archive_of(config))
    kept = Retention(now(), config.logs_days, log_days())
    release()  # it may take its time
    sweep.prepare()
    partly = sweep.drop_days(kept)
    budget = config.logs_budget_mb * MB
    if budget and used_bytes() > budget:
        sweep.make_room(budget)
    _forget_batches()  # after the days: on a full disk only they make room
    for one in partly:
        sweep.delete(one)
    _tell_trouble(sweep.trouble)


def _tell_trouble(reason: str) -> None:
    """The overview shows it for as long as it lasts; the trail says when it began."""
    if not reason:
        end_trouble(runtime().logs)
    elif note_trouble(runtime().logs, reason):
        with unit_of_work():
            record(Action.LOGS_NOT_ARCHIVED, None, name="request records", changes={"because": reason})


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


def unarchived_because() -> str:
    """Why records that are over stay where they are; empty: there is no reason, or no archive."""
    return trouble_of(runtime().logs) if runtime().config.logs_archive else ""
