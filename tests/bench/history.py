"""The request log with ten million calls of a month, warm: what people ask it, and DuckDB the same, taking turns.

Both answer from the same rows, and the answers are compared before they are timed. DuckDB reads every row of what is
asked with all cores and keeps no index and no sums; the console answers from its indexes and sums, with one core.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from . import growth
from .options import Options
from .pages import LIMIT_MS as PAGE_MS
from .pages import measured, signed_in
from .past import Past, with_past
from .records import segments
from .report import Report, median

LOOK_UP_MS, MONTH_MS, MOST_ERROR = 10.0, 300.0, 0.045
PATIENCE_S = 5.0  # a page shows earlier what was found so far
SHARES = (0.5, 0.95, 0.99)
CLASS_5XX = "status BETWEEN 500 AND 599"


@dataclass(frozen=True)
class Asked:
    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    same: Callable[[Any, Any], object]  # raises when the answers differ
    limit_ms: float = 0


def run(options: Options) -> Report:
    report = Report(f"History: {options.rows:,} calls of 30 days, warm; ms, median of the rounds")
    with with_past(options) as past:
        read_through(past.logs)
        with past.app.app_context():
            asked = [*records(past), *sums(past)]
            report.notes += memory(asked)
            for one in asked:
                one.same(one.ours(), one.theirs())
            report.rows += [compared(one, options.rounds) for one in asked]
            (percentiles,) = (one for one in asked if one.same is _same_times)
            off = max(_errors(percentiles.ours(), percentiles.theirs()))
            report.bar("per cent that a percentile of an API is off at most", off * 100, at_most=MOST_ERROR * 100)
        browser = signed_in(past.app, "admin")
        for path in pages(past):
            row = measured(browser, "admin", path)
            report.rows.append(_row(path, row["median ms"], PAGE_MS))
        report.notes += sizes(past)
        growth.measure(report, past, options.rounds)
    missed = [row["question"] for row in report.rows if row["met"] == "MISSED"]
    report.notes.append(f"{len(missed)} limits missed: {', '.join(missed)}" if missed else "met    every limit above")
    return report


def compared(one: Asked, rounds: int) -> dict[str, Any]:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_ms(one.ours))
        theirs.append(_ms(one.theirs))
    row = _row(one.name, median(ms for ms, _ in ours), one.limit_ms)
    row["CPU ms"] = median(cpu_ms for _, cpu_ms in ours)
    row["DuckDB ms"] = median(ms for ms, _ in theirs)
    row["DuckDB to ours"] = median(their / our for (our, _), (their, _) in zip(ours, theirs, strict=True))
    return row


def _row(name: str, ms: float, limit_ms: float) -> dict[str, Any]:
    met = "-" if not limit_ms else "yes" if ms <= limit_ms else "MISSED"
    row: dict[str, Any] = {"question": name, "ms": ms, "limit ms": limit_ms or "-", "met": met}
    return row | dict.fromkeys(("CPU ms", "DuckDB ms", "DuckDB to ours"), "-")


def _ms(ask: Callable[[], Any]) -> tuple[float, float]:
    """And how many of them were CPU: others may be at work on this machine."""
    began, cpu_began = time.perf_counter(), time.process_time()
    ask()
    return (time.perf_counter() - began) * 1000, (time.process_time() - cpu_began) * 1000


def records(past: Past) -> Iterator[Asked]:
    """Lists of calls, newest first: a page and one more, as the page asks for it."""
    from console.logs.question import Question
    from console.logs.store import id_at

    day, week, month = (past.end - timedelta(days=days) for days in (1, 7, 30))
    busy, rare = past.cast.version_ids[0], past.cast.version_ids[-1]
    client, some = past.cast.client_ids[99], _some_call(past)
    failed = frozenset({"5xx"})
    yield _list(past, "newest 50", Question())
    yield _list(
        past, "busiest API, 5xx, 24 h", Question(since=day, version_ids=frozenset({busy}), classes=failed),
        f"id >= ? AND version_id = ? AND {CLASS_5XX}", [id_at(day), busy],
    )  # fmt: skip
    yield _list(
        past, "rarest API, 5xx, 30 d", Question(since=month, version_ids=frozenset({rare}), classes=failed),
        f"id >= ? AND version_id = ? AND {CLASS_5XX}", [id_at(month), rare],
    )  # fmt: skip
    yield _list(
        past, "application, 30 d", Question(since=month, client_ids=frozenset({client})),
        "id >= ? AND client_id = ?", [id_at(month), client],
    )  # fmt: skip
    yield _list(
        past, "node, 24 h", Question(since=day, node_ids=frozenset({3})), "id >= ? AND node_id = 3", [id_at(day)]
    )
    yield _list(past, "trace id", Question(trace_id=some["trace_id"]), "trace_id = ?", [some["trace_id"]])
    yield _list(past, "request id", Question(request_id=some["request_id"]), "request_id = ?", [some["request_id"]])
    deep = id_at(past.end - timedelta(days=15))
    yield _list(past, "15 days back", Question(), "id < ?", [deep], before=deep)
    yield _list(
        past, "needle in a path, 7 d", Question(since=week, path="needle"),
        "id >= ? AND contains(path, 'needle')", [id_at(week)], limit_ms=0,
    )  # fmt: skip


def _list(
    past: Past,
    name: str,
    question: Any,
    where: str = "true",
    values: Any = (),
    before: int = 0,
    limit_ms: float = LOOK_UP_MS,
) -> Asked:
    from console.logs.search import PAGE, look

    query = f"SELECT * FROM calls WHERE {where} ORDER BY id DESC LIMIT {PAGE + 1}"
    return Asked(
        name,
        lambda: look(question, before=before, patience_s=PATIENCE_S).rows,
        lambda: past.duck.ask(query, values),
        _same_rows,
        limit_ms,
    )


def _same_rows(ours: list[Any], theirs: list[tuple[Any, ...]]) -> None:
    """One more is asked for, to know whether there is more."""
    from console.logs.search import PAGE

    assert ours
    assert [tuple(row) for row in ours] == theirs[:PAGE], (len(ours), len(theirs))


def _some_call(past: Past) -> dict[str, str]:
    """In the middle of the third week, so that there is as much before it as behind."""
    with closing(sqlite3.connect(past.logs)) as logs:
        name = segments(logs)[-12]
        query = f"SELECT trace_id, request_id FROM {name} LIMIT 1 OFFSET 1000"
        return dict(zip(("trace_id", "request_id"), logs.execute(query).fetchone(), strict=True))


def sums(past: Past) -> Iterator[Asked]:
    """A month of all calls: from the sums here, from the rows in DuckDB."""
    from console.logs.analytics import Answers, By, Only
    from console.logs.days import last_hours
    from console.logs.store import SEQUENCE_BITS, id_at
    from console.runtime import runtime

    span = last_hours(30 * 24, past.end)
    within, values = "id >= ? AND id < ?", [id_at(span.since), id_at(span.until)]

    def answered(ask: Callable[[Answers], Any]) -> Any:
        with runtime().logs.reading() as connection:
            return ask(Answers(connection, span, Only()))

    def timed(answers: Answers) -> Any:
        sums = answers.sums(By.API)
        answers.time(By.API, sums)
        return sums

    step = f"(id - {id_at(span.since)}) // {15 * 3_600_000_000 << SEQUENCE_BITS}"
    by_time = f"SELECT {step}, status // 100, count(*) FROM calls WHERE {within} GROUP BY ALL"
    by_api = f"SELECT version_id, count(*), quantile_disc(duration_us, {list(SHARES)}) FROM calls WHERE {within} GROUP BY ALL"
    by_client = (
        "SELECT client_id, count(*), count_if(status BETWEEN 400 AND 499), count_if(status BETWEEN 500 AND 599),"
        f" sum(request_bytes + response_bytes) FROM calls WHERE {within} GROUP BY ALL ORDER BY 2 DESC LIMIT 200"
    )
    yield Asked(
        "histogram and percentiles by API, 30 d",
        lambda: (answered(Answers.over_time), answered(timed)),
        lambda: (past.duck.ask(by_time, values), past.duck.ask(by_api, values)),
        _same_month,
        MONTH_MS,
    )
    yield Asked(
        "histogram, 30 d", lambda: answered(Answers.over_time), lambda: past.duck.ask(by_time, values), _same_total
    )
    yield Asked("percentiles by API, 30 d", lambda: answered(timed), lambda: past.duck.ask(by_api, values), _same_times)
    yield Asked(
        "top consumers, 30 d",
        lambda: answered(lambda answers: answers.sums(By.APPLICATION)),
        lambda: past.duck.ask(by_client, values),
        _same_clients,
    )


def _same_month(ours: tuple[Any, Any], theirs: tuple[Any, Any]) -> None:
    _same_total(ours[0], theirs[0])
    _same_times(ours[1], theirs[1])


def _same_total(ours: list[Any], theirs: list[tuple[Any, ...]]) -> None:
    assert sum(one.total for one in ours) == sum(count for *_, count in theirs)
    assert sum(one.failed for one in ours) == sum(count for _, c, count in theirs if c == 5)


def _same_times(ours: dict[int, Any], theirs: list[tuple[Any, ...]]) -> None:
    assert {key: one.requests for key, one in ours.items()} == {key: count for key, count, _ in theirs}
    assert max(_errors(ours, theirs)) < MOST_ERROR, max(_errors(ours, theirs))


def _errors(ours: dict[int, Any], theirs: list[tuple[Any, ...]]) -> list[float]:
    """How far every percentile of every API is from the true one."""
    return [
        abs(ours[key].percentile_us(share) - true) / true
        for key, _, exact in theirs
        for share, true in zip(SHARES, exact, strict=True)
    ]


def _same_clients(ours: dict[str, Any], theirs: list[tuple[Any, ...]]) -> None:
    """Apart from which of those with as many calls come last."""
    true = {client: tuple(values) for client, *values in theirs}
    assert [one.requests for one in ours.values()] == [requests for requests, *_ in true.values()]
    for client in ours.keys() & true.keys():
        one = ours[client]
        assert (one.requests, one.refused, one.failed, one.bytes) == true[client], client


def pages(past: Past) -> list[str]:
    from console.logs.store import id_at

    some, api = _some_call(past), "api-0000@1.0.0"
    return [
        "/logs",
        "/logs?range=30d",
        f"/logs?api={api}&status=5xx&range=24h",
        "/logs?api=api-0199@1.0.0&status=5xx&range=30d",
        f"/logs?application={past.cast.client_ids[99]}&range=30d",
        f"/logs?trace_id={some['trace_id']}",
        f"/logs?request_id={some['request_id']}",
        f"/logs?before={id_at(past.end - timedelta(days=15))}",
        "/analytics?range=30d",
        "/analytics?range=30d&by=application",
    ]


def read_through(file: Path) -> None:
    """So that it is warm: in the memory of the system, as far as there is room."""
    with file.open("rb") as whole:
        while whole.read(1 << 24):
            pass


def memory(asked: list[Asked]) -> list[str]:
    """What this process grew by when every question was asked for the first time."""
    notes = []
    for who in ("ours", "theirs"):
        before = _resident_mb()
        for one in asked:
            getattr(one, who)()
        notes.append(f"{who}: {_resident_mb() - before:,.0f} MB more memory after every question once")
    return notes


def _resident_mb() -> float:
    words = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(words.split()[1]) / 1024


def sizes(past: Past) -> list[str]:
    found = {"the log": past.logs, "DuckDB": past.duck.file}
    return [
        f"{name}: {file.stat().st_size / 1e6:,.0f} MB, {file.stat().st_size / past.rows:.0f} bytes a row"
        for name, file in found.items()
    ]
