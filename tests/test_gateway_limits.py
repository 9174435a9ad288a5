"""Plans and quotas at a real Envoy: who is limited with whom, what callers are told, and what nothing gets around."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from enforced import Served, a_version, listening, serving
from flask import Flask
from profiled import Echo, Holder, answering, bearer, reason, seen
from programs import call, wait_until
from sqlalchemy import select

from console.accounts.models import Person
from console.applications.clients import KnownKey, Limits, client
from console.applications.models import Application, Plan
from console.credentials.actions import Terms, create_key
from console.db import db, now, unit_of_work
from console.gateway import quotas
from console.gateway.bundle import build, bundle, http_date
from console.gateway.decisions import _exchange
from console.logs.explain import meaning
from console.logs.segments import tables
from console.runtime import changed
from console.tokens.issue import Profile
from tests.conftest import World

pytestmark = pytest.mark.envoy

HOUR = 3600  # no bucket gets a call back while a test runs
GOLD, FREE = {"name": "gold", "requests": 6, "per_s": HOUR}, {"name": "free", "requests": 3, "per_s": HOUR}
ENDLESS = {"name": "endless", "requests": 0, "per_s": HOUR}
TOMORROW = "Wed, 25 Nov 2026 00:00:00 GMT"


def limited(**more: Any) -> dict[str, Any]:
    return a_version(1, "protected", **({"plans": [GOLD, FREE, ENDLESS]} | more))


@pytest.fixture
def gateway(app: Flask, tmp_path: Path) -> Iterator[Served]:
    with answering(Echo) as backend, serving(app, tmp_path, backend, limited()) as gateway:
        yield gateway


def statuses(gateway: Served, token: str, times: int, **headers: str) -> Counter[int]:
    return Counter(gateway.ask(1, token, **headers).status for _ in range(times))


class TestByPlan:
    def test_each_client_has_its_own(self, gateway: Served) -> None:
        alice, bob = gateway.token(1, "alice", "free"), gateway.token(1, "bob", "free")
        assert statuses(gateway, alice, 4) == {200: 3, 429: 1}
        assert statuses(gateway, bob, 4) == {200: 3, 429: 1}
        assert statuses(gateway, gateway.token(1, "carol", "gold"), 7) == {200: 6, 429: 1}

    def test_another_token_of_the_same_client_is_no_way_out(self, gateway: Served) -> None:
        assert statuses(gateway, gateway.token(1, "alice", "free"), 3) == {200: 3}
        assert statuses(gateway, gateway.token(1, "alice", "free"), 2) == {429: 2}

    def test_who_is_refused_is_told_when_to_come_back(self, gateway: Served) -> None:
        token = gateway.token(1, "alice", "free")
        first = gateway.ask(1, token)
        assert first.headers["ratelimit-policy"] == '"free";q=3;w=3600'
        assert first.headers["ratelimit"] == '"free";r=2'
        assert seen(first)["x-plan"] == "free"
        statuses(gateway, token, 2)
        refused = gateway.ask(1, token)
        assert reason(refused) == (429, "rate_limited")
        assert "3 requests in 3600 seconds" in json.loads(refused.body)["detail"]
        assert (refused.headers["retry-after"], refused.headers["ratelimit"]) == ("1200", '"free";r=0')
        assert refused.headers["cache-control"] == "no-store"

    def test_a_bucket_fills_again_as_it_was_said(self, gateway: Served) -> None:
        gateway.show(limited(plans=[{"name": "free", "requests": 2, "per_s": 4}]))
        token = gateway.token(1, "alice", "free")
        while (refused := gateway.ask(1, token)).status == 200:
            pass
        time.sleep(int(refused.headers["retry-after"]))
        assert refused.headers["retry-after"] == "2"
        assert gateway.ask(1, token).status == 200

    @pytest.mark.parametrize("plan", ["-", "silver", "goldish", "gold ", "GOLD"])
    def test_a_plan_that_is_not_there_any_more_counts_as_the_strictest(self, gateway: Served, plan: str) -> None:
        token = gateway.token(1, "dora", plan)
        assert gateway.ask(1, token).headers["ratelimit-policy"] == '"free";q=3;w=3600'
        assert statuses(gateway, token, 3) == {200: 2, 429: 1}

    @pytest.mark.parametrize("plan", ["endless", ""])
    def test_a_plan_without_a_limit_and_a_subscription_without_a_plan(self, gateway: Served, plan: str) -> None:
        token = gateway.token(1, "erin", plan)
        assert statuses(gateway, token, 40) == {200: 40}
        assert not {"ratelimit", "ratelimit-policy", "retry-after"} & gateway.ask(1, token).headers.keys()

    def test_no_header_of_a_caller_changes_who_is_counted(self, gateway: Served) -> None:
        token = gateway.token(1, "alice", "free")
        headers = {"x_plan": "endless", "x_client_id": "bob", "x_forwarded_for": "10.0.0.9"}
        assert statuses(gateway, token, 5, **headers) == {200: 3, 429: 2}

    def test_a_publish_elsewhere_fills_no_bucket(self, gateway: Served) -> None:
        token = gateway.token(1, "alice", "free")
        assert statuses(gateway, token, 4) == {200: 3, 429: 1}
        gateway.revoked = ["another"]
        gateway.show(limited(), a_version(2, "protected"), a_version(3, "protected", plans=[FREE]))
        assert statuses(gateway, token, 2) == {429: 2}
        assert gateway.ask(3, gateway.token(3, "alice", "free")).status == 200

    def test_who_may_not_call_takes_nothing_from_the_bucket(self, gateway: Served) -> None:
        needed = [{"method": "GET", "path": "/things", "scopes": ["read"]}]
        gateway.show(limited(operations=needed))
        good, poor = (gateway.token(1, "alice", "free", scope=scope) for scope in ("read", "other"))
        assert statuses(gateway, poor, 5) == {403: 5}
        assert statuses(gateway, gateway.token(2, "alice", "free"), 5) == {401: 5}
        assert statuses(gateway, "", 5) == {401: 5}
        gateway.revoked = ["stolen"]
        gateway.show(limited(operations=needed))
        assert statuses(gateway, gateway.token(1, "alice", "free", jti="stolen"), 5) == {401: 5}
        assert statuses(gateway, good, 4) == {200: 3, 429: 1}


class TestOpen:
    def test_each_address_has_its_own(self, gateway: Served) -> None:
        gateway.show(a_version(1, "open", plans=[FREE]))
        first = gateway.ask(1)
        assert (first.headers["ratelimit-policy"], first.headers["ratelimit"]) == ('"free";q=3;w=3600', '"free";r=2')
        assert statuses(gateway, "", 3, x_plan="gold", x_forwarded_for="10.0.0.9", x_client_id="z") == {200: 2, 429: 1}
        assert [from_address(gateway, "127.0.0.7") for _ in range(4)] == [200, 200, 200, 429]
        assert gateway.ask(1).headers["retry-after"] == "1200"


def from_address(gateway: Served, source: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.place.port, timeout=10, source_address=(source, 0))
    connection.request("GET", "/v1/things")
    return connection.getresponse().status


class TestQuota:
    def test_whoever_has_used_it_up_waits_for_its_end(self, gateway: Served) -> None:
        alice, bob = gateway.token(1, "alice", "gold"), gateway.token(1, "bob", "gold")
        assert gateway.ask(1, alice).status == 200
        gateway.show(limited(exhausted={"alice": TOMORROW, "carol": "Tue, 01 Dec 2026 00:00:00 GMT"}))
        refused = gateway.ask(1, alice)
        assert reason(refused) == (429, "quota_exhausted")
        assert refused.headers["retry-after"] == TOMORROW
        assert TOMORROW in json.loads(refused.body)["detail"]
        assert gateway.ask(1, gateway.token(1, "carol")).headers["retry-after"].startswith("Tue, 01 Dec")
        assert gateway.ask(1, bob, x_client_id="alice").status == 200
        gateway.show(limited())
        assert gateway.ask(1, alice).status == 200

    def test_where_nothing_is_limited(self, gateway: Served) -> None:
        gateway.show(limited(plans=[], exhausted={"alice": TOMORROW}))
        assert reason(gateway.ask(1, gateway.token(1, "alice"))) == (429, "quota_exhausted")
        assert "ratelimit" not in gateway.ask(1, gateway.token(1, "bob")).headers


@dataclass
class Asked:
    """A node that a real console decides for, where its API allows three calls."""

    served: Served
    version: dict[str, Any]
    app: Flask
    world: World

    def allow(self, *plans: dict[str, Any]) -> None:
        self.served.show(self.version | {"plans": list(plans)})

    def token(self, **more: Any) -> str:
        profile = Profile(self.world.version_id, encrypted=more.pop("encrypted", False))
        terms = {
            "client_id": self.world.client_id,
            "audience": self.world.audience,
            "profile": profile,
            "plan": "free",
        } | more
        return self.served.token(1, **terms)

    def statuses(self, headers: Callable[[], dict[str, str]], times: int) -> list[int]:
        url = f"http://127.0.0.1:{self.served.place.port}/orders/v1/nothing"
        return [call(url, headers=headers()).status for _ in range(times)]


@pytest.fixture
def asked(app: Flask, world: World, node: str, tmp_path: Path) -> Iterator[Asked]:
    with app.app_context():
        version = json.loads(bundle())["versions"][0]
    with (
        answering(Echo) as backend,
        listening(app) as console,
        serving(app, tmp_path, backend, version, console=console, credential=node) as served,
    ):
        yield Asked(served, version, app, world)


class TestEveryCredential:
    def test_all_of_them_take_from_one_bucket(self, asked: Asked) -> None:
        with asked.app.app_context(), unit_of_work():
            owner = db.session.scalars(select(Application)).one()
            key = create_key(owner, Terms("k"), by=db.session.scalars(select(Person)).all()[1])[1]
            owner.subscriptions[0].plan = Plan(version_id=asked.world.version_id, name="free", title="Free")
            changed()
        asked.allow({"name": "free", "requests": 5, "per_s": HOUR})
        signed, encrypted, holder = asked.token(), asked.token(encrypted=True), Holder.new()
        ways: list[Callable[[], dict[str, str]]] = [
            lambda: bearer(signed), lambda: bearer(encrypted), lambda: {"X-API-Key": key}, proof_of(asked, holder)
        ]  # fmt: skip
        assert [asked.statuses(way, 1) for way in ways] == [[200]] * 4
        assert asked.statuses(ways[0], 1) == [200]
        assert [asked.statuses(way, 1) for way in ways] == [[429]] * 4
        bound = asked.token(jkt=holder.key.thumbprint())
        assert asked.statuses(lambda: bearer(bound), 1) == [401]
        assert asked.statuses(lambda: bearer(encrypted[:-6] + "AAAAAA"), 1) == [401]

    def test_a_plan_of_the_console_holds_at_the_node(self, asked: Asked) -> None:
        """From the plan to the 429, and from the records of the calls to the end of the quota."""
        with asked.app.app_context(), unit_of_work():
            plan = db.session.scalars(select(Application)).one().subscriptions[0].plan
            assert plan
            plan.rate_requests, plan.rate_per_s, plan.quota_requests, plan.quota_period = 3, HOUR, 2, "day"
            name = plan.name
            changed()
        asked.served.show(published(asked.app))
        token = asked.token(plan=name)
        assert asked.statuses(lambda: bearer(token), 4) == [200, 200, 200, 429]

        def is_used_up() -> bool:
            with asked.app.app_context():
                found = quotas.look()
                with unit_of_work():
                    quotas.note(found)
            return bool(published(asked.app)["exhausted"])

        wait_until(is_used_up, 10, every=0.3)
        asked.served.show(published(asked.app))
        url = f"http://127.0.0.1:{asked.served.place.port}/orders/v1/nothing"
        refused = call(url, headers=bearer(token))
        assert reason(refused) == (429, "quota_exhausted")
        assert refused.headers["retry-after"] == http_date(quotas.refilled_at("day", now()))

    def test_the_log_says_who_called_too_often(self, asked: Asked) -> None:
        asked.allow(FREE)
        token = asked.token()
        assert asked.statuses(lambda: bearer(token), 4) == [200, 200, 200, 429]
        wait_until(lambda: ("rate_limited", 429) in reasons(asked.app), 10)
        asked.served.show(asked.version | {"exhausted": {asked.world.client_id: TOMORROW}})
        assert asked.statuses(lambda: bearer(token), 1) == [429]
        asked.served.show(asked.version | {"state": "stopped", "detail": "no"})
        assert asked.statuses(dict, 1) == [503]
        wait_until(lambda: len(reasons(asked.app)) == 6, 10)
        found = {meaning(reason) for reason, status in reasons(asked.app) if status == 429}
        assert found == {
            "The application called more often than its plan allows.",
            "The application had made all calls that its plan allows.",
        }

    def test_a_key_stands_for_a_token_that_names_the_plan(self, app: Flask, world: World) -> None:
        with app.app_context():
            owner = client(world.client_id)
            assert owner
            grants = tuple(replace(grant, plan="gold") for grant in owner.grants)
            known = KnownKey("k1", replace(owner, grants=grants), Limits(1, "", frozenset(), (), None, None))
            signed = _exchange(known, world.audience).signed
        assert jwt.decode(signed, options={"verify_signature": False})["plan"] == "gold"


def published(app: Flask) -> dict[str, Any]:
    with app.app_context():
        return dict(json.loads(orjson.dumps(build()))["versions"][0])


def proof_of(asked: Asked, holder: Holder) -> Callable[[], dict[str, str]]:
    url = f"{asked.app.extensions['gatewright'].config.gateway_url}/orders/v1/nothing"
    token = asked.token(jkt=holder.key.thumbprint())
    return lambda: {"Authorization": f"DPoP {token}", "DPoP": holder.proof("GET", url, token)}


def reasons(app: Flask) -> list[tuple[str, int]]:
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        return [(row.reason, row.status) for t in tables(connection) for row in connection.execute(select(t))]


class TestStopped:
    def test_callers_are_told_why(self, gateway: Served) -> None:
        gateway.show(
            a_version(1, "stopped", detail='The team says: "leak", back at 9.', headers=[("deprecation", "@1")])
        )
        for token in ("", gateway.token(1, "alice")):
            refused = gateway.ask(1, token)
            assert reason(refused) == (503, "version_stopped")
            assert json.loads(refused.body)["detail"] == 'The team says: "leak", back at 9.'
            assert (refused.headers["retry-after"], refused.headers["deprecation"]) == ("60", "@1")
        gateway.show(limited())
        assert gateway.ask(1, gateway.token(1, "alice")).status == 200

    def test_a_bundle_of_the_first_release_is_read(self, gateway: Served) -> None:
        gateway.show(a_version(1, "protected"), a_version(2, "open"), a_version(3, "retired", detail="gone"))
        assert gateway.ask(1, gateway.token(1)).status == 200
        assert [gateway.ask(n).status for n in (1, 2, 3, 4)] == [401, 200, 410, 404]
