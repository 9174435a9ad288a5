"""Plans and quotas at a real Envoy: who is limited with whom, what callers are told, and what nothing gets around."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from enforced import Served, a_version, serving
from flask import Flask
from profiled import Echo, answering, reason, seen

pytestmark = pytest.mark.envoy

HOUR = 3600  # no bucket gets a call back while a test runs
GOLD, FREE = {"name": "gold", "requests": 6, "per_s": HOUR}, {"name": "free", "requests": 3, "per_s": HOUR}
ENDLESS = {"name": "endless", "requests": 0, "per_s": HOUR}
TOMORROW = "Wed, 25 Nov 2026 00:00:00 GMT"


def limited(**more: Any) -> dict[str, Any]:
    return a_version(1, "protected", **({"plans": [GOLD, FREE, ENDLESS]} | more))


@pytest.fixture
def node(app: Flask, tmp_path: Path) -> Iterator[Served]:
    with answering(Echo) as backend, serving(app, tmp_path, backend, limited()) as node:
        yield node


def statuses(node: Served, token: str, times: int, **headers: str) -> Counter[int]:
    return Counter(node.ask(1, token, **headers).status for _ in range(times))


class TestByPlan:
    def test_each_client_has_its_own(self, node: Served) -> None:
        alice, bob = node.token(1, "alice", "free"), node.token(1, "bob", "free")
        assert statuses(node, alice, 4) == {200: 3, 429: 1}
        assert statuses(node, bob, 4) == {200: 3, 429: 1}
        assert statuses(node, node.token(1, "carol", "gold"), 7) == {200: 6, 429: 1}

    def test_another_token_of_the_same_client_is_no_way_out(self, node: Served) -> None:
        assert statuses(node, node.token(1, "alice", "free"), 3) == {200: 3}
        assert statuses(node, node.token(1, "alice", "free"), 2) == {429: 2}

    def test_who_is_refused_is_told_when_to_come_back(self, node: Served) -> None:
        token = node.token(1, "alice", "free")
        first = node.ask(1, token)
        assert first.headers["ratelimit-policy"] == '"free";q=3;w=3600'
        assert first.headers["ratelimit"] == '"free";r=2'
        assert seen(first)["x-plan"] == "free"
        statuses(node, token, 2)
        refused = node.ask(1, token)
        assert reason(refused) == (429, "rate_limited")
        assert "3 requests in 3600 seconds" in json.loads(refused.body)["detail"]
        assert (refused.headers["retry-after"], refused.headers["ratelimit"]) == ("1200", '"free";r=0')
        assert refused.headers["cache-control"] == "no-store"

    def test_a_bucket_fills_again_as_it_was_said(self, node: Served) -> None:
        node.show(limited(plans=[{"name": "free", "requests": 2, "per_s": 4}]))
        token = node.token(1, "alice", "free")
        while (refused := node.ask(1, token)).status == 200:
            pass
        time.sleep(int(refused.headers["retry-after"]))
        assert refused.headers["retry-after"] == "2"
        assert node.ask(1, token).status == 200

    @pytest.mark.parametrize("plan", ["", "silver", "goldish", "gold ", "GOLD"])
    def test_a_token_of_no_known_plan_gets_the_strictest(self, node: Served, plan: str) -> None:
        token = node.token(1, "dora", plan)
        assert node.ask(1, token).headers["ratelimit-policy"] == '"free";q=3;w=3600'
        assert statuses(node, token, 3) == {200: 2, 429: 1}

    def test_a_plan_without_a_limit(self, node: Served) -> None:
        token = node.token(1, "erin", "endless")
        assert statuses(node, token, 40) == {200: 40}
        assert not {"ratelimit", "ratelimit-policy", "retry-after"} & node.ask(1, token).headers.keys()

    def test_no_header_of_a_caller_changes_who_is_counted(self, node: Served) -> None:
        token = node.token(1, "alice", "free")
        headers = {"x_plan": "endless", "x_client_id": "bob", "x_forwarded_for": "10.0.0.9"}
        assert statuses(node, token, 5, **headers) == {200: 3, 429: 2}

    def test_a_publish_elsewhere_fills_no_bucket(self, node: Served) -> None:
        token = node.token(1, "alice", "free")
        assert statuses(node, token, 4) == {200: 3, 429: 1}
        node.revoked = ["another"]
        node.show(limited(), a_version(2, "protected"), a_version(3, "protected", plans=[FREE]))
        assert statuses(node, token, 2) == {429: 2}
        assert node.ask(3, node.token(3, "alice", "free")).status == 200

    def test_who_may_not_call_takes_nothing_from_the_bucket(self, node: Served) -> None:
        needed = [{"method": "GET", "path": "/things", "scopes": ["read"]}]
        node.show(limited(operations=needed))
        good, poor = (node.token(1, "alice", "free", scope=scope) for scope in ("read", "other"))
        assert statuses(node, poor, 5) == {403: 5}
        assert statuses(node, node.token(2, "alice", "free"), 5) == {401: 5}
        assert statuses(node, "", 5) == {401: 5}
        node.revoked = ["stolen"]
        node.show(limited(operations=needed))
        assert statuses(node, node.token(1, "alice", "free", jti="stolen"), 5) == {401: 5}
        assert statuses(node, good, 4) == {200: 3, 429: 1}


class TestOpen:
    def test_each_address_has_its_own(self, node: Served) -> None:
        node.show(a_version(1, "open", plans=[FREE]))
        first = node.ask(1)
        assert (first.headers["ratelimit-policy"], first.headers["ratelimit"]) == ('"free";q=3;w=3600', '"free";r=2')
        assert statuses(node, "", 3, x_plan="gold", x_forwarded_for="10.0.0.9", x_client_id="z") == {200: 2, 429: 1}
        assert [from_address(node, "127.0.0.7") for _ in range(4)] == [200, 200, 200, 429]
        assert node.ask(1).headers["retry-after"] == "1200"


def from_address(node: Served, source: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", node.place.port, timeout=10, source_address=(source, 0))
    connection.request("GET", "/v1/things")
    return connection.getresponse().status


class TestQuota:
    def test_whoever_has_used_it_up_waits_for_its_end(self, node: Served) -> None:
        alice, bob = node.token(1, "alice", "gold"), node.token(1, "bob", "gold")
        assert node.ask(1, alice).status == 200
        node.show(limited(exhausted={"alice": TOMORROW, "carol": "Tue, 01 Dec 2026 00:00:00 GMT"}))
        refused = node.ask(1, alice)
        assert reason(refused) == (429, "quota_exhausted")
        assert refused.headers["retry-after"] == TOMORROW
        assert TOMORROW in json.loads(refused.body)["detail"]
        assert node.ask(1, node.token(1, "carol")).headers["retry-after"].startswith("Tue, 01 Dec")
        assert node.ask(1, bob, x_client_id="alice").status == 200
        node.show(limited())
        assert node.ask(1, alice).status == 200

    def test_where_nothing_is_limited(self, node: Served) -> None:
        node.show(limited(plans=[], exhausted={"alice": TOMORROW}))
        assert reason(node.ask(1, node.token(1, "alice"))) == (429, "quota_exhausted")
        assert "ratelimit" not in node.ask(1, node.token(1, "bob")).headers


class TestStopped:
    def test_callers_are_told_why(self, node: Served) -> None:
        node.show(a_version(1, "stopped", detail='The team says: "leak", back at 9.', headers=[("deprecation", "@1")]))
        for token in ("", node.token(1, "alice")):
            refused = node.ask(1, token)
            assert reason(refused) == (503, "version_stopped")
            assert json.loads(refused.body)["detail"] == 'The team says: "leak", back at 9.'
            assert (refused.headers["retry-after"], refused.headers["deprecation"]) == ("60", "@1")
        node.show(limited())
        assert node.ask(1, node.token(1, "alice")).status == 200

    def test_a_bundle_of_the_first_release_is_read(self, node: Served) -> None:
        node.show(a_version(1, "protected"), a_version(2, "open"), a_version(3, "retired", detail="gone"))
        assert node.ask(1, node.token(1)).status == 200
        assert [node.ask(n).status for n in (1, 2, 3, 4)] == [401, 200, 410, 404]
