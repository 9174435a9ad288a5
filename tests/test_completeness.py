"""What a node served against what was received: minutes are evened out, gaps are shown, late records close them."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from programs import installation, wait_until
from sqlalchemy import select

from console.db import now
from console.gateway.served import COUNTER, Served, counter_in
from console.logs.completeness import gap, gaps, judge, missing_of, note_served, received
from console.logs.store import Store
from tests.conftest import SignIn
from tests.ingested import send
from tests.test_logs import a_batch, a_record, push

HEALTH = "/healthz"


@pytest.fixture
def logs(app: Flask) -> Store:
    store: Store = app.extensions["gatewright"].logs
    return store


def minute_of(ago_min: int) -> int:
    return int(time.time()) // 60 - ago_min


def push_in(app: Flask, node: str, minute: int, count: int, mark: str = "") -> None:
    """Calls whose answers ended in that minute."""
    records = [a_record((minute * 60 + 1) * 10**9 + n * 10**6, path=f"/orders/v1/{mark}{n}") for n in range(count)]
    assert push(app, node, a_batch(*records)).status_code == 200


class TestMinutes:
    def test_neighbours_are_evened_out(self) -> None:
        rows = [(1, 10, 100, 97), (1, 11, 100, 104), (1, 12, 50, 49), (2, 10, 7, 7)]
        assert missing_of(rows) == []

    def test_what_is_missing_stays_missing(self) -> None:
        rows = [(1, 10, 100, 97), (1, 11, 100, 101), (1, 12, 50, None), (2, 11, 3, 2), (2, 13, 3, 4)]
        assert missing_of(rows) == [(1, 10, 100, 2), (1, 12, 50, 50), (2, 11, 3, 1)]

    @pytest.mark.parametrize("seed", range(20))
    def test_shifts_over_a_minutes_end_are_no_gap_and_losses_are(self, seed: int) -> None:
        chance = random.Random(seed)
        served = [chance.randrange(1000) for _ in range(50)]
        counted, lost = list(served), [chance.choice((0, 0, 0, chance.randrange(20))) for _ in served]
        for i in range(0, 49, 2):  # each record moves at most to a neighbour
            moved = chance.randrange(-min(5, counted[i + 1]), min(5, counted[i]) + 1)
            counted[i] -= moved
            counted[i + 1] += moved
        lost = [min(n, c) for n, c in zip(lost, counted, strict=True)]
        rows = [(1, i, s, c - n) for i, (s, c, n) in enumerate(zip(served, counted, lost, strict=True))]
        assert sum(m[3] for m in missing_of(rows)) <= sum(lost) + 0
        if not any(lost):
            assert missing_of(rows) == []


class TestGaps:
    def test_a_gap_is_found_and_closed_by_late_records(self, app: Flask, node: str, logs: Store) -> None:
        at = minute_of(10)
        for minute, served, arrived in ((at, 100, 100), (at + 1, 100, 92), (at + 2, 100, 99), (at + 3, 100, 100)):
            note_served(logs, 1, {minute: served})
            push_in(app, node, minute, arrived)
        judge(logs, now())
        with app.app_context():
            (found,) = gaps(now() - timedelta(hours=1), now())
        assert (found.node_id, found.served, found.missing) == (1, 200, 9)
        assert found.since == datetime.fromtimestamp((at + 1) * 60, UTC)
        assert found.until - found.since == timedelta(minutes=2)
        assert round(found.share, 3) == 0.955
        push_in(app, node, at + 1, 8, "late")
        push_in(app, node, at + 2, 1, "late")
        judge(logs, now())
        with app.app_context():
            assert gaps(now() - timedelta(hours=1), now()) == []

    def test_the_newest_minutes_are_not_judged(self, app: Flask, logs: Store, node: str) -> None:
        note_served(logs, 1, {minute_of(0): 50, minute_of(1): 50})
        judge(logs, now())
        with app.app_context():
            assert gaps(now() - timedelta(hours=1), now() + timedelta(hours=1)) == []
            judge(logs, now() + timedelta(minutes=4))
            assert sum(g.missing for g in gaps(now() - timedelta(hours=1), now() + timedelta(hours=1))) == 100

    def test_said_again_the_last_word_counts(self, logs: Store, app: Flask, node: str) -> None:
        minute = minute_of(5)
        for count in (70, 3):
            assert send(app, node, "/ingest/served", {"minutes": {str(minute): count}}).status_code == 200
        judge(logs, now())
        with logs.engine.connect() as connection:
            assert [tuple(row) for row in connection.execute(select(gap))] == [(1, minute, 3, 3)]

    def test_what_is_no_traffic_was_received_all_the_same(self, app: Flask, node: str, logs: Store) -> None:
        from console.gateway.envoy.base import HEALTH as health

        push(app, node, a_batch(a_record(path=health), a_record(path=health)))
        with logs.engine.connect() as connection:
            assert connection.scalar(select(received.c.records)) == 2

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", {"minutes": []}, {"minutes": {"x": 1}}, {"minutes": {"5": -1}}, {"minutes": {"5": "1"}},
         {"minutes": {"5": True}}, {"minutes": {"99999999999": 1}}, {"minutes": {"-5": 1}}, {"minutes": {"5": 1e300}},
         {"minutes": {str(n): 1 for n in range(1500)}}],
    )  # fmt: skip
    def test_what_makes_no_sense_is_refused(self, app: Flask, node: str, body: Any) -> None:
        assert send(app, node, "/ingest/served", body).status_code == 400

    def test_nobody_else_says_what_a_node_served(self, app: Flask, node: str) -> None:
        assert send(app, "gwn_wrong", "/ingest/served", {"minutes": {"5": 1}}).status_code == 401

    def test_pages_say_so(self, app: Flask, node: str, logs: Store, sign_in: SignIn) -> None:
        at = minute_of(10)
        note_served(logs, 1, {at: 1250})
        push_in(app, node, at, 1240)
        judge(logs, now())
        alice = sign_in("alice")
        for path in ("/logs?range=1h", "/analytics?range=24h", "/nodes/1"):
            page = alice.get(path).text
            assert "99.2 % complete" in page, path
            assert "10 records" in page, path
        assert "gw-1 owes 10 records" in alice.get("/").text
        assert "99.2 % complete" not in alice.get(f"/logs?since={now():%Y-%m-%dT%H:%M:%S}").text


class TestServed:
    """The node's side, with a clock and a counter of its own."""

    def setup_method(self) -> None:
        self.time, self.count, self.told, self.up = 600.0, 0, dict[int, int](), True
        self.served = Served(lambda: self.count, self.tell, lambda: self.time)
        self.served.look()

    def tell(self, minutes: dict[int, int]) -> bool:
        if self.up:
            self.told |= minutes
        return self.up

    def after(self, seconds: float, requests: int) -> None:
        self.time, self.count = self.time + seconds, self.count + requests
        self.served.look()
        self.served.told()

    def test_each_minute_is_told_when_it_is_over(self) -> None:
        self.after(30, 5)
        assert self.told == {}
        self.after(30.01, 7)
        self.after(60, 9)
        assert self.told == {10: 12, 11: 9}

    def test_a_restart_of_envoy_loses_no_count(self) -> None:
        self.after(60.01, 100)
        self.count = 0
        self.after(60, 30)
        assert self.told == {10: 100, 11: 30}

    def test_a_console_that_is_away_is_told_later(self) -> None:
        self.up = False
        for _ in range(3):
            self.after(60, 10)
        self.up = True
        self.after(60, 1)
        assert sum(self.told.values()) == 31

    def test_only_a_day_waits(self) -> None:
        self.up = False
        for _ in range(1500):
            self.after(60, 1)
        assert len(self.served.waiting) <= 1440


def test_the_counter_is_found() -> None:
    assert counter_in(f"{COUNTER}: 42\n") == 42
    assert counter_in("http.other: 42\n") is None


@pytest.mark.envoy
def test_a_real_node_serves_what_is_received(tmp_path: Path) -> None:
    """Every kind of request: good, unknown, broken, cut off, large, many at once. Then the counts are the same."""
    with installation(tmp_path / "home") as me:
        where = urlsplit(me.gateway)
        address = (where.hostname or "", where.port or 0)
        threads = [threading.Thread(target=some_calls, args=(address, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for broken in (b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00", b"GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
                       b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\ncut"):  # fmt: skip
            with socket.create_connection(address) as raw:
                raw.sendall(broken)
                time.sleep(0.05)
        time.sleep(1.5)
        os.kill(node_of(me.pid), signal.SIGTERM)

        def counted() -> tuple[int, int]:
            with closing(sqlite3.connect(me.home / "logs.db")) as db:
                one = db.execute("SELECT sum(requests) FROM log_served").fetchone()[0]
                return one or 0, db.execute("SELECT sum(records) FROM log_received").fetchone()[0] or 0

        wait_until(lambda: counted()[0] > 0, 10)
        served, arrived = counted()
        assert served >= 8 * 60
        assert served == arrived


def some_calls(address: tuple[str, int], number: int) -> None:
    with closing(http.client.HTTPConnection(*address, timeout=10)) as connection:
        for i in range(60):
            path = ("/orders/v1/orders", "/nobody", HEALTH, "/%2e%2e/x", "/" + "x" * 3000)[(i + number) % 5]
            connection.request("GET", path, headers={"Authorization": "Bearer x"} if i % 2 else {})
            connection.getresponse().read()


def node_of(pid: int) -> int:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if "node run" in words or "console node" in words:
            return int(child)
    raise AssertionError("no node")
