"""Bodies that do not arrive whole, that arrive again, or that are too much: over real connections to two workers."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from backports import zstd

from console.config import Config
from console.logs.bodies import LARGEST_BYTES, MOST_MEMBERS, MOST_RECORDS
from tests.conftest import at_once
from tests.faults import Console, call_record, opened, serving, stored
from tests.homes import installed
from tests.programs import call, wait_until
from tests.test_logs import a_batch, a_record, protobuf

PACK: dict[str, Callable[[bytes], bytes]] = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
FEW, MANY = 20, 2000  # read by the main loop; by a thread


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> Iterator[Console]:
    with installed(tmp_path_factory.mktemp("bodies") / "home", empty_home, {}) as config, serving(config) as me:
        yield me


def named(config: Config, name: str) -> list[str]:
    """The records whose names begin so."""
    with opened(config) as store:
        return sorted(row.request_id for row in stored(store) if row.request_id.startswith(name + "-"))


def halves(path: str, name: str, count: int) -> tuple[bytes, bytes]:
    """Of one batch: the first says nothing that needs the second."""
    numbers = [f"{name}-{i:05}" for i in range(count)]
    first, second = numbers[: count // 2], numbers[count // 2 :]
    if path == "/v1/logs":
        return otlp(first), otlp(second)
    return lines(first), lines(second)


def lines(names: list[str]) -> bytes:
    return b"".join(orjson.dumps(call_record(name)) + b"\n" for name in names)


def otlp(names: list[str]) -> bytes:
    return protobuf(a_batch(*[a_record(request_id=name) for name in names]))


def some_lines(name: str, count: int) -> bytes:
    return b"".join(halves("/ingest/json", name, count))


def say(console: Console, path: str, rest: bytes, *headers: str, hang_up: bool = True) -> bytes:
    """What is answered to bytes that are sent as they are, after which the sender closes its side."""
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {console.credential}", *headers]
    with socket.create_connection(("127.0.0.1", console.port), 20) as sock:
        try:
            sock.sendall("\r\n".join([*head, "", ""]).encode() + rest)
            if hang_up:
                sock.shutdown(socket.SHUT_WR)
        except OSError:  # it did not want all of it
            pass
        return sock.recv(12)


class TestTorn:
    @pytest.mark.parametrize("count", [FEW, MANY])
    @pytest.mark.parametrize("path", ["/ingest/json", "/v1/logs"])
    def test_a_connection_that_ends_in_the_middle(self, console: Console, path: str, count: int) -> None:
        name = f"torn{path.replace('/', '_')}_{count}"
        first, second = halves(path, name, count)
        headers = (f"Content-Length: {len(first + second)}", "Content-Type: application/x-protobuf")
        assert say(console, path, first, *headers) in (b"", b"HTTP/1.1 400")
        assert named(console.config, name) == []
        assert say(console, path, first + second, *headers) == b"HTTP/1.1 200"
        assert len(named(console.config, name)) == count

    @pytest.mark.parametrize("count", [FEW, MANY])
    def test_chunks_that_end_in_the_middle(self, console: Console, count: int) -> None:
        name = f"chunks{count}"
        half, _ = halves("/ingest/json", name, count)
        for ending in (b"", b"\r\n", b"\r\n0\r\n"):
            chunk = b"%x\r\n%s" % (len(half), half)
            answer = say(console, "/ingest/json", chunk + ending, "Transfer-Encoding: chunked")
            assert answer != b"HTTP/1.1 200"
        assert named(console.config, name) == []

    def test_who_does_not_wait_for_the_answer_sends_again(self, console: Console) -> None:
        for number in range(10):
            body = some_lines(f"gone{number}", 200)
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", console.port), 20) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
                    head = f"POST /ingest/json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {console.credential}\r\n"
                    sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert console.push(body).status == 200
        for number in range(10):
            assert len(named(console.config, f"gone{number}")) == 200


def test_the_same_batch_at_once_at_both_workers_and_packed_differently(console: Console) -> None:
    body = some_lines("same", 300)
    calls = [
        lambda how=how, pack=pack: console.push(pack(body), Content_Encoding=how).status
        for how, pack in PACK.items()
        for _ in range(4)
    ]
    statuses = at_once(*calls)
    assert 200 in statuses
    assert set(statuses) <= {200, 503}, "who finds no place is told to come back"
    assert {call() for call in calls} == {200}
    assert len(named(console.config, "same")) == 300


class TestTooMuch:
    @pytest.mark.parametrize("encoding", PACK)
    def test_so_much_and_not_a_byte_more(self, console: Console, encoding: str) -> None:
        one = orjson.dumps(call_record(f"large_{encoding}-0"))
        whole = one + b"\n" * (LARGEST_BYTES - len(one))
        for body, status in ((whole, b"200"), (whole + b"\n", b"413")):
            packed = PACK[encoding](body)
            headers = (f"Content-Encoding: {encoding}", f"Content-Length: {len(packed)}")
            assert say(console, "/ingest/json", packed, *headers, hang_up=False) == b"HTTP/1.1 " + status
        assert len(named(console.config, f"large_{encoding}")) == 1

    def test_without_a_length(self, console: Console) -> None:
        chunk = b"%x\r\n%s\r\n" % (LARGEST_BYTES + 1, bytes(LARGEST_BYTES + 1))
        answer = say(console, "/ingest/json", chunk + b"0\r\n\r\n", "Transfer-Encoding: chunked", hang_up=False)
        assert answer == b"HTTP/1.1 413"

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_a_great_many_empty_members(self, console: Console, encoding: str) -> None:
        """Each is a few bytes, and the time that they took together grew with the square of their number."""
        one, empty = orjson.dumps(call_record(f"members_{encoding}-0")), PACK[encoding](b"")
        some = empty * (MOST_MEMBERS - 1) + PACK[encoding](one)
        started = time.monotonic()
        assert console.push(some, Content_Encoding=encoding).status == 200
        assert console.push(empty * 200_000, Content_Encoding=encoding).status == 413
        assert time.monotonic() - started < 10
        assert len(named(console.config, f"members_{encoding}")) == 1

    @pytest.mark.parametrize("path", ["/ingest/json", "/ingest/hec", "/v1/logs"])
    def test_a_great_many_empty_records(self, console: Console, path: str) -> None:
        """A few kilobytes of gzip; what fits into a body took a worker a minute, and seven gigabytes."""
        body = {
            "/ingest/json": b"[" + b"{}," * 500_000 + b"{}]",
            "/ingest/hec": b"{}\n" * 500_000,
            "/v1/logs": in_field(1, in_field(2, in_field(2, b"") * 500_000)),
        }[path]
        answer = console.push(gzip.compress(body), path, Content_Encoding="gzip", Content_Type="application/x-protobuf")
        assert (answer.status, f"more than {MOST_RECORDS} records" in answer.body) == (413, True)


def in_field(number: int, inside: bytes) -> bytes:
    """A message in a message, as protobuf writes it."""
    length, left = b"", len(inside)
    while left > 127:
        length, left = length + bytes([left & 127 | 128]), left >> 7
    return bytes([number << 3 | 2]) + length + bytes([left]) + inside


def test_the_console_is_well_after_all_of_it(console: Console) -> None:
    wait_until(lambda: call(console.url + "/readyz").status == 200, 15)
    assert console.push(some_lines("after", 5)).status == 200
    assert len(named(console.config, "after")) == 5
