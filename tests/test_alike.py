"""Records that name the same values are made column by column: into just the rows that each of them makes by itself."""

from __future__ import annotations

import random
import time
from typing import Any

import orjson
import pytest

from console.logs import flat
from console.logs.fields import Bad, Normaliser
from console.logs.writer import Row
from tests.ingested import HEADERS, envoy, nginx

COUNT, SEEDS = 12, 250
STRANGE: tuple[Any, ...] = (
    None, "", "-", 0, 1, -1, True, False, 0.5, 1e300, 2**31, 10**40, [], ["x"], {}, {"a": 1}, "0", "007", "1e3", "x" * 600,
    "é", "a\x00b", "\ud800", "GET", "get", "200", 200, 200.5, "999", 1000, "1.2.3.4:5", "[::1]:80", "::1", "0" * 32, "a" * 32, "z" * 32, "A" * 32,
    "00-" + "b" * 32 + "-01", "/x?token=s3cr3t", "http://h/p#f", "http://h/p", "/a%20b%3Fc", "Bearer abcdefgh", "eyJhbGciOiJub25l.e30.",
    "GET /y HTTP/2.0", "GET /y", "0.004, 0.010", "2026-11-24T09:00:00Z", "2026-11-24T09:00:00+02:00", "24/Nov/2026:09:00:00 +0000",
)  # fmt: skip
MOMENTS = (*STRANGE, *(time.time() * factor for factor in (1, 1e3, 1e6, 1e9)), time.time() + 7200, 1e5)
PLAIN = (
    {"time": 1.0, "status": 200, "method": "GET", "path": "/orders/1", "duration_us": 12, "request_id": "r", "trace_id": "a" * 32},
    {"timestamp": 1, "response_code": 404, "method": "get", "url": "http://h/a?b", "duration": 3, "client_ip": "10.0.0.1:80"},
    {"@timestamp": "", "time": 1, "status_code": "200", "uri": "/", "request_time": "0.012", "upstream_response_time": "-"},
    {"ts": 1.5, "status": "503", "request_uri": "/b", "bytes_sent": "12", "request_length": 7, "http_user_agent": "curl", "remote_user": "-"},
    {"time": 1, "status": 200, "request": "GET /a?b HTTP/1.1", "bytes_sent": 7},
    {"time": 1, "status": 200, "request": "PUT /a HTTP/1.1", "request_method": "-", "uri": "/b"},
    {"time": 1, "ts": 1, "status": 200, "response_code": 201, "path": "/x", "url": "/y", "agent": "a", "user_agent": "b"},
    {"time": 1, "status": 200, "path": "/x", "gatewright.version": 3, "gatewright.jti": "j", "gatewright.reason": "r"},
)  # fmt: skip


def make() -> Normaliser:
    def described(version: int, method: str, path: str) -> tuple[str, str]:
        return f"{version} {method} {path}", path.replace("7", "[7]")

    return Normaliser(1, lambda path: len(path) % 5, described, lambda ip: ip[:2])


def one_by_one(objects: list[Any], made: Normaliser) -> list[Row] | None:
    try:
        return [flat.row(said, made) for said in objects]
    except Bad:
        return None


def some(like: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    moment = {name: time.time() - chance.random() * 1000 for name in like if name in flat.TIMES and like[name] != ""}
    return like | moment


@pytest.mark.parametrize("block", range(20))
def test_they_are_what_each_of_them_is_by_itself(block: int) -> None:
    """Plain ones, of which some values are strange."""
    for seed in range(block * SEEDS, block * SEEDS + SEEDS):
        chance, made = random.Random(seed), make()
        like = chance.choice([*PLAIN, envoy(), nginx()])
        objects = [some(like, chance) for _ in range(COUNT)]
        for _ in range(chance.randrange(5)):
            name = chance.choice(list(like))
            value = chance.choice(MOMENTS if name in flat.TIMES else STRANGE)
            for said in objects if chance.random() < 0.5 else chance.sample(objects, 3):
                said[name] = value
        together = flat.rows(set(like), objects, made)
        if together is not None:
            alone = one_by_one(objects, made)
            assert together == alone, seed
            assert [tuple(map(type, row)) for row in together] == [tuple(map(type, row)) for row in alone], seed


@pytest.mark.parametrize("like", [one for one in PLAIN if one.get("@timestamp") is None])
def test_plain_ones_are_made_together(like: dict[str, Any]) -> None:
    objects = [some(like, random.Random(n)) for n in range(COUNT)]
    assert flat.rows(set(like), objects, make())


def test_one_that_is_bad_is_put_aside_and_the_others_are_kept() -> None:
    objects = [some(PLAIN[0], random.Random(n)) for n in range(COUNT)]
    objects[7]["status"] = "none"
    batch = flat.decode(orjson.dumps(objects), make())
    assert len(batch.rows) == COUNT - 1
    assert [reason for reason, _ in batch.rejected] == ["the status is no number"]


def test_kinds_may_be_mixed() -> None:
    objects = [some(chosen, random.Random(n)) for n in range(COUNT) for chosen in (PLAIN[0], PLAIN[3], {"status": 200})]
    batch = flat.decode(b"\n".join(map(orjson.dumps, objects)), make())
    assert (len(batch.rows), len(batch.rejected)) == (2 * COUNT, COUNT)


def test_secrets_go_all_the_same() -> None:
    said = {
        "time": time.time(),
        "status": 200,
        "path": "/a?access_token=s3cr3t",
        "user_agent": HEADERS["authorization"],
    }
    batch = flat.decode(orjson.dumps([said] * COUNT), make())
    assert len(batch.rows) == COUNT
    assert "s3cr3t" not in repr(batch.rows)
