"""A writer that cannot keep up, and a reader that stays: nobody is turned away after the work, and nothing grows for ever."""

from __future__ import annotations

import gzip
import sqlite3
import struct
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from console.config import Config
from console.logs.bodies import LARGEST_BYTES
from tests.conftest import at_once
from tests.faults import assert_kept_once, held_up, load, serving
from tests.homes import SERVER
from tests.programs import call, wait_until

SENDERS = 64
ROOM_FOR_ONE = """
from console.cli import main
from console.logs import writer
writer.MOST_WAITING, writer.WAIT_S = 1, {wait_s}
main()
"""
TOO_LARGE = gzip.compress(bytes(LARGEST_BYTES + 1))  # which is seen only when it is unpacked
READS_S, MOST_S = 10, 40
CHECKPOINT_BYTES = 16000 * 4096  # `console.logs.store._roomy`


@pytest.mark.parametrize("wait_s", [30.0, 0.3], ids=["those that wait are patient", "nobody waits for long"])
def test_many_senders_and_room_for_one(config: Config, wait_s: float) -> None:
    """Who is told to come back while the batch waits finds it stored, or stores it: once."""
    command = (sys.executable, "-c", ROOM_FOR_ONE.format(wait_s=wait_s), "serve")
    with serving(config, command, GATEWRIGHT_THREADS="40") as console, ExitStack() as hold:
        hold.enter_context(held_up(config))
        with load(console, SENDERS, most=1) as senders:
            # some ten rounds: by then whoever found room in either worker has taken it
            wait_until(lambda: senders.answers[503] > 10 * SENDERS, 20)
            statuses = at_once(*[lambda: console.push(TOO_LARGE, Content_Encoding="gzip").status] * 8)
            assert set(statuses) == {503}, "a body was looked at, although there was no room for what is in it"
            assert senders.answers[200] == 0
            hold.close()
    assert set(senders.answers) == {200, 503}
    assert senders.unhelpful == []
    assert len(senders.acknowledged) == SENDERS * senders.senders[0].size
    assert_kept_once(config, senders.acknowledged)


def test_pages_are_answered_while_records_wait(config: Config) -> None:
    """With the threads that there are by default, of which senders never hold all."""
    with serving(config) as console, ExitStack() as hold:
        hold.enter_context(held_up(config))
        with load(console, 24, most=1) as senders:
            wait_until(lambda: senders.answers[503] > 24, 20)
            assert {call(f"{console.url}/login").status for _ in range(8)} == {200}
            assert senders.answers[200] == 0
            hold.close()
    assert senders.unhelpful == []
    assert_kept_once(config, senders.acknowledged)


@pytest.mark.skipif(bool(SERVER), reason="PostgreSQL has no such log beside its file")
def test_a_reader_that_stays(config: Config) -> None:
    file = Path(config.logs_url.removeprefix("sqlite:///"))
    with serving(config) as console, load(console, 3, size=10) as senders:
        wait_until(lambda: senders.answers[200] > 20, 10)
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            seen = records(reader)
            for second in range(MOST_S):
                before, (begun, size) = senders.answers[200], write_ahead_log(file)
                if second >= READS_S and size > CHECKPOINT_BYTES:  # without the reader it would have begun anew
                    break
                time.sleep(1)
                assert senders.answers[200] > before, "writers wait for the reader"
            assert records(reader) == seen > 0
        wait_until(lambda: write_ahead_log(file)[0] > begun, 15)
        time.sleep(1)
        assert write_ahead_log(file)[1] < size + CHECKPOINT_BYTES
    assert set(senders.answers) == {200}
    assert_kept_once(config, senders.acknowledged)


def records(reader: sqlite3.Connection) -> int:
    return int(reader.execute("SELECT sum(rows) FROM log_segment").fetchone()[0])


def write_ahead_log(file: Path) -> tuple[int, int]:
    """How often it was begun anew (sqlite.org/fileformat2.html section 4.1), and its bytes."""
    with open(f"{file}-wal", "rb") as log:
        head = log.read(32)
        return struct.unpack(">I", head[12:16])[0], Path(log.name).stat().st_size
