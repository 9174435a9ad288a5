"""The request log under load: eight senders push compressed batches over HTTP while four admins look at the log page.

Against what SQLite allows: plain `executemany` of the same rows into the same tables, alone, without HTTP or parsing.
"""

from __future__ import annotations

import gzip
import http.client
import random
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from . import proc
from .logs import Plain, Speed
from .options import CHECKOUT, Options
from .records import COLUMNS, Batch, make_batch, segments
from .report import Report, median, ratio
from .world import ADMIN, PASSWORD, PATH, Installation, installed, make_world

SIZE, BATCHES = 4096, 16  # in each round, of each format
ROWS = SIZE * BATCHES
PUSHERS, READERS, PAUSE_S, ALONE_S = 8, 4, 0.25, 2.0
FORMATS = {"ndjson": ("/ingest/json", "application/x-ndjson"), "otlp": ("/v1/logs", "application/x-protobuf")}
LEAST = {"ndjson": 0.45, "otlp": 0.3}
STORED = b'{"stored":%d,"rejected":0}' % SIZE
MOST_PAGE_MS = 100.0
MAIL = re.compile(r"^--- mail to .*?^---$", re.MULTILINE | re.DOTALL)  # shown there when no SMTP is set up
Shot = tuple[Batch, bytes]  # and its compressed body


def run(options: Options) -> Report:
    speeds: dict[str, list[Speed]] = {f"{who} {form}": [] for form in FORMATS for who in ("plain", "console")}
    with ExitStack() as stack:
        where = stack.enter_context(installed(CHECKOUT))
        make_world(where)
        errors = where.home / "errors.txt"
        serving = proc.serving(where.command("serve"), port=where.port, env=where.env, cwd=CHECKOUT, errors=errors)
        console = Console(where, stack.enter_context(serving))
        chance, cookie = random.Random(9), sign_in(where.port)
        console.push("otlp", [_shot(chance, "otlp")])  # makes the table of today
        plain = Plain(where.home / "logs.db", where.home / "plain.db")
        for turn in range(-1, options.rounds):
            with reading(where.port, cookie, console.alone if turn >= 0 else []):
                time.sleep(ALONE_S)
            for form in FORMATS:
                shots = [_shot(chance, form) for _ in range(BATCHES)]
                found = {"plain": plain.write([batch for batch, _ in shots])}
                with reading(where.port, cookie, console.pages if turn >= 0 else []):
                    found["console"] = console.push(form, shots)
                for who, speed in found.items():
                    if turn >= 0:  # the first is for warming up
                        speeds[f"{who} {form}"].append(speed)
        console.check()
        return _report(speeds, console, errors)


def _report(speeds: dict[str, list[Speed]], console: Console, errors: Path) -> Report:
    report = Report(f"Ingest: {PUSHERS} senders of gzip batches of {SIZE:,}, {READERS} readers; medians of the rounds")
    wall = {name: [one.rows_per_s for one in found] for name, found in speeds.items()}
    cpu = {name: [one.rows_per_cpu_s for one in found] for name, found in speeds.items()}
    for name in speeds:
        plain = name.replace("console", "plain")
        report.rows.append(
            {
                "writer": name,
                "rows/s": median(wall[name]),
                "to plain": ratio(wall[name], wall[plain]),
                "rows/cpu-s": median(cpu[name]),
                "cpu to plain": ratio(cpu[name], cpu[plain]),
            }
        )
    for form, least in LEAST.items():
        report.bar(f"{form} to plain", ratio(wall[f"console {form}"], wall[f"plain {form}"]), at_least=least)
    for when, found in (("alone", console.alone), ("meanwhile", console.pages)):
        half, most = median(found), _within(found)
        report.notes.append(f"{len(found)} log pages read {when}: half within {half:.0f} ms, 99 % within {most:.0f} ms")
    report.bar("ms within which 99 % of the pages came", _within(console.pages), at_most=MOST_PAGE_MS)
    report.notes.append(
        f"{len(console.sent):,} rows sent, each is there exactly once; told to wait {console.waits} times, cut off {console.cuts} times"
    )
    if said := MAIL.sub("", errors.read_text()).strip():
        raise AssertionError(f"the console complained: {said[:2000]}")
    return report


def _within(found: list[float]) -> float:
    return sorted(found)[len(found) * 99 // 100]


@dataclass
class Console:
    where: Installation
    pid: int
    sent: set[str] = field(default_factory=set)  # request ids
    pages: list[float] = field(default_factory=list)  # ms, while rows are pushed
    alone: list[float] = field(default_factory=list)  # and while none are
    waits: int = 0
    cuts: int = 0

    def push(self, form: str, shots: list[Shot]) -> Speed:
        bodies = [body for _, body in shots]
        began, cpu = time.perf_counter(), proc.cpu_seconds(self.pid)
        with ThreadPoolExecutor(PUSHERS) as pool:
            list(pool.map(lambda share: self._push_all(form, share), [bodies[i::PUSHERS] for i in range(PUSHERS)]))
        seconds, cpu_s = time.perf_counter() - began, proc.cpu_seconds(self.pid) - cpu
        self.sent |= {row[COLUMNS.index("request_id")] for batch, _ in shots for row in batch.rows}
        rows = sum(len(batch.rows) for batch, _ in shots)
        return Speed(rows / seconds, rows / cpu_s)

    def _push_all(self, form: str, bodies: list[bytes]) -> None:
        path, content_type = FORMATS[form]
        headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
        headers["Authorization"] = f"Bearer {self.where.node_credential}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.where.port, timeout=60)) as connection:
            for body in bodies:
                while not self._is_taken(connection, path, body, headers):
                    time.sleep(1)

    def _is_taken(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]
    ) -> bool:
        """As a sender sees it: it sends again what was not taken, and what it had no answer to."""
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
        except (
            ConnectionError,
            http.client.RemoteDisconnected,
        ):  # what follows a refused body on a connection is cut off
            self.cuts += 1
            connection.close()
            return False
        if answer.status != 503 and (answer.status, said) not in ((200, b""), (200, STORED)):
            raise AssertionError(f"the console answered {answer.status}: {said[:200]!r}")
        self.waits += answer.status == 503
        return answer.status == 200

    def check(self) -> None:
        """Every row that was sent is there, exactly once."""
        with closing(sqlite3.connect(self.where.home / "logs.db")) as logs:
            kept = [i for name in segments(logs) for (i,) in logs.execute(f"SELECT request_id FROM {name}")]
        if len(kept) != len(self.sent) or set(kept) != self.sent:
            raise AssertionError(f"{len(self.sent):,} sent, {len(kept):,} kept")


def _shot(chance: random.Random, form: str) -> Shot:
    batch = make_batch(chance, SIZE, PATH.format(kind="signed"))
    return batch, gzip.compress(batch.ndjson if form == "ndjson" else batch.body, 6)


@contextmanager
def reading(port: int, cookie: str, spent_ms: list[float]) -> Iterator[None]:
    """People who look at the log page again and again; how long each page took is added to ``spent_ms``."""
    over = threading.Event()
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(_read, port, cookie, spent_ms, over) for _ in range(READERS)]
        try:
            yield
        finally:
            over.set()
        for reader in readers:
            reader.result()


def _read(port: int, cookie: str, spent_ms: list[float], over: threading.Event) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while not over.wait(PAUSE_S):
            began = time.perf_counter()
            connection.request("GET", "/logs", headers={"Cookie": cookie})
            answer = connection.getresponse()
            page = answer.read()
            spent_ms.append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, (answer.status, page[:200])
            assert b"/signed/v1/orders/" in page


def sign_in(port: int) -> str:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", "/login", urlencode({"email": ADMIN, "password": PASSWORD}), form)
        answer = connection.getresponse()
        assert answer.status == 302, answer.status
        return (answer.getheader("Set-Cookie") or "").partition(";")[0]
