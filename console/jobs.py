"""What is done now and then: by one worker at a time, whichever comes first, and not again before it is due.

Each job is idempotent and one unit of work. That it ran is written in the same transaction, so a job that breaks is
undone, logged, and tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Flask
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from .db import Model, db, now, serialise, unit_of_work

FIRST_LOOK_S, LOOK_EVERY_S = 2.0, 5.0
log = structlog.get_logger("jobs")


class JobRun(Model):
    """When a job was last done."""

    __tablename__ = "job"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    ran_at: Mapped[datetime]


@dataclass(frozen=True)
class Job:
    """``gather`` does what takes its time (a fetch) before the transaction begins; ``run`` is given what it found."""

    name: str
    every: timedelta
    run: Callable[..., None]
    gather: Callable[[], Any] | None = None


def jobs() -> tuple[Job, ...]:
    from . import outbox
    from .alerts import deliver, evaluate
    from .apis import sunset
    from .applications import actions as applications
    from .audit import checkpoints
    from .catalog import indexing
    from .credentials import upkeep as credentials
    from .gateway import quotas
    from .logs import upkeep as logs
    from .tokens import upkeep as tokens

    minute = timedelta(minutes=1)
    return (
        Job("rotate_keys", 5 * minute, credentials.rotate_keys),
        Job("end_idle_credentials", 10 * minute, credentials.end_idle_credentials),
        Job("warn_of_expiry", 60 * minute, credentials.warn_of_expiry),
        Job("renew_fetched_keys", 5 * minute, credentials.renew_fetched_keys, credentials.fetch_keys_again),
        Job("drop_old_records", 30 * minute, logs.nothing, logs.drop_old_records),
        Job("sum_up_days", minute, logs.nothing, logs.sum_up_days),
        Job("judge_completeness", minute, logs.nothing, logs.judge_completeness),
        Job("sign_audit_trail", 5 * minute, checkpoints.sign_new_entries, checkpoints.look_ahead),
        Job("look_at_rules", minute, evaluate.note_findings, evaluate.look_at_rules),
        Job("send_alerts", timedelta(seconds=5), deliver.note_outcomes, deliver.send_due),
        Job("watch_sunsets", minute, sunset.watch_sunsets),
        Job("expire_subscriptions", minute, applications.expire_subscriptions),
        Job("send_letters", timedelta(seconds=5), outbox.note_sent, outbox.send_due),
        Job("count_quotas", timedelta(seconds=5), quotas.note, quotas.look),
        Job("sweep_tokens", 10 * minute, tokens.sweep),
        Job("index_catalog", minute, indexing.keep_up),
    )


def run_due(app: Flask, at: datetime | None = None) -> list[str]:
    """Do what is due; the names of what was done. Needs no context of its own."""
    done = []
    for job in jobs():
        with app.app_context():
            try:
                if _is_due(job, at or now()) and _run(job, at or now()):
                    done.append(job.name)
            except Exception as problem:  # the next job must run all the same
                log.exception("jobs.failed", job=job.name, error=type(problem).__name__)
    return done


def _is_due(job: Job, moment: datetime) -> bool:
    last = db.session.get(JobRun, job.name, populate_existing=True)
    # also when that was in the future: the clock may have been wrong, and nothing would be done until it is that late
    return last is None or abs(moment - last.ran_at) >= job.every


def _run(job: Job, moment: datetime) -> bool:
    gathered = (job.gather(),) if job.gather else ()
    with unit_of_work():
        serialise(f"job {job.name}")
        if not _is_due(job, moment):  # another worker did it while this one waited
            return False
        db.session.merge(JobRun(name=job.name, ran_at=moment))
        job.run(*gathered)
    return True


def keep_running(app: Flask) -> threading.Event:
    """Look for work from a thread of this process, until the event that is returned is set."""
    stop = threading.Event()

    def work() -> None:
        wait_s = FIRST_LOOK_S
        while not stop.wait(wait_s):
            run_due(app)
            wait_s = LOOK_EVERY_S

    threading.Thread(target=work, name="jobs", daemon=True).start()
    return stop
