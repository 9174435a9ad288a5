"""Batches of request records: a bad one fails alone, a cut one fails whole, and numbers never collide."""

from __future__ import annotations

import gzip
import itertools
import threading
import time

import pytest
from flask import Flask
from sqlalchemy import func, select

from console.logs.bodies import Undecodable, inflate
from console.logs.segments import tables
from console.logs.writer import Overloaded, Row, Waiting, Writer


@pytest.fixture
def writer(app: Flask) -> Writer:
    return app.extensions["gatewright"].writer


def row(at_us: int, node_id: object = 1) -> Row:
    return (at_us, node_id, 0, "", "", "", "GET", "/", 200, 5, -1, 0, 0, "", "", "", "", "", "", "")


def stored(writer: Writer) -> int:
    with writer.store.engine.connect() as connection:
        return sum(connection.scalar(select(func.count()).select_from(t)) or 0 for t in tables(connection))


def test_a_batch_that_cannot_be_stored_takes_no_other_with_it(writer: Writer) -> None:
    clock = time.time_ns() // 1000
    group = [Waiting("a", [row(clock)]), Waiting("bad", [row(clock, None)]), Waiting("c", [row(clock)])]
    for waiting in group:
        writer.queue.put(waiting)
    writer.write("d", [row(clock)])
    assert all(waiting.done.wait(10) for waiting in group)
    assert [waiting.problem is None for waiting in group] == [True, False, True]
    assert stored(writer) == 3


def test_a_number_that_is_taken_is_given_anew(writer: Writer) -> None:
    clock = time.time_ns() // 1000
    for digest in ("a", "b"):
        writer.sequence = itertools.count(7)
        writer.write(digest, [row(clock)])
    assert stored(writer) == 2


def test_the_writer_outlives_many_bad_batches(writer: Writer) -> None:
    clock = time.time_ns() // 1000

    def send(number: int) -> None:
        with pytest.raises(Overloaded):
            writer.write(f"bad {number}", [row(clock, None)])

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    writer.write("good", [row(clock)])
    for thread in threads:
        thread.join()
    assert stored(writer) == 1


def test_a_batch_that_was_cut_short_is_refused_whole() -> None:
    body = gzip.compress(b"a" * 1000)
    assert inflate(body, "gzip") == b"a" * 1000
    with pytest.raises(Undecodable):
        inflate(body[:-9], "gzip")


def test_a_batch_sent_twice_at_once_is_whole_when_the_first_try_fails(
    app: Flask, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of the two must not be taken for stored with nothing in it."""
    now_us = int(time.time() * 1_000_000)
    row = (now_us, 1, 0, "", "", "", "GET", "/twice", 200, 5, 1, 0, 0, "r", "", "", "", "", "", "")
    twice = [Waiting("same", [row]), Waiting("same", [row])]
    insert, failures = writer._insert, iter([True])

    def failing_once(connection: object, group: list[Waiting]) -> None:
        insert(connection, group)  # type: ignore[arg-type]
        if next(failures, False):
            raise OSError("the disk is full")

    monkeypatch.setattr(writer, "_insert", failing_once)
    assert not writer._try(twice)
    assert writer._try(twice[1:])
    assert stored(writer) == 1
