"""Rules are measured on real records, tell people and machines once, try again, and keep quiet when they are told to."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import select

from console import mail
from console.accounts.models import Person
from console.alerts import actions, deliver, evaluate
from console.alerts.actions import Terms
from console.alerts.deliver import sign
from console.alerts.models import Alert, AlertRule, AlertState, Delivery, DeliveryState, Kind, Webhook
from console.applications.models import Application
from console.credentials.actions import Terms as KeyTerms
from console.credentials.actions import create_key
from console.credentials.models import ApiKey
from console.credentials.rewrap import rewrap
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.gateway import quotas
from console.logs.completeness import judge, note_served
from tests.conftest import Cast, SignIn, World, trail
from tests.programs import free_port
from tests.test_logs import a_batch, a_record, push

PORT = free_port()
HOOK = f"http://127.0.0.1:{PORT}/hook"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"GATEWRIGHT_FETCH_ALLOW": f"127.0.0.1:{PORT}"}


class Receiver(BaseHTTPRequestHandler):
    """Answers what it is told to, and remembers what it was sent."""

    got: list[tuple[dict[str, str], bytes]] = []
    answers: list[int] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[type[Receiver]]:
    Receiver.got, Receiver.answers = [], []
    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Receiver
    server.shutdown()
    server.server_close()


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    sent: list[tuple[str, str, str]] = []
    monkeypatch.setattr(mail, "send", lambda _config, to, subject, text: bool(sent.append((to, subject, text))) or True)
    return sent


def make(app: Flask, person: int, kind: Kind, threshold: float, filters: str = "", hook: str = "") -> int:
    with app.app_context(), unit_of_work():
        by = db.session.get_one(Person, person)
        webhook = actions.add_webhook(by.teams[0], "On-call", hook, by=by)[0] if hook else None
        terms = Terms("Watch", kind, threshold, 10, filters, ["ops@example.org"], webhook.id if webhook else None)
        return actions.create_rule(by.teams[0], terms, by=by).id


def minute(app: Flask) -> None:
    """What the jobs do every minute."""
    with app.app_context():
        found = evaluate.look_at_rules()
        with unit_of_work():
            evaluate.note_findings(found)
        sent = deliver.send_due()
        with unit_of_work():
            deliver.note_outcomes(sent)


def state(app: Flask, rule_id: int = 1) -> tuple[str, float | None]:
    with app.app_context():
        rule = db.session.get_one(AlertRule, rule_id)
        return str(rule.state), rule.value


def rows(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return list(db.session.scalars(select(kind).order_by(kind.id)))


def call(app: Flask, node: str, good: int, bad: int = 0, code: int = 503, **values: Any) -> None:
    mark = time.time_ns()
    made = [a_record(**{"path": f"/orders/v1/{mark}/{i}"} | values) for i in range(good)]
    made += [a_record(**{"path": f"/orders/v1/{mark}/{i}", "code": code} | values) for i in range(bad)]
    assert push(app, node, a_batch(*made)).status_code == 200


def age(app: Flask) -> None:
    """As if the window had passed."""
    from console.logs import segments

    with app.extensions["gatewright"].logs.writing() as connection:
        for one in segments.catalogue(connection):
            segments.drop(connection, one)


def test_the_signature_is_the_specifications() -> None:
    """The example of Standard Webhooks 1.0."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class TestMeasuring:
    def test_failed_calls(self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]) -> None:
        make(app, cast.alice, Kind.ERROR_RATE, 5)
        minute(app)
        assert state(app) == (AlertState.UNKNOWN, None)
        call(app, node, 96, 4)
        minute(app)
        assert state(app) == (AlertState.QUIET, 4.0)
        call(app, node, 98, 8)
        minute(app)
        assert state(app)[0] == AlertState.FIRING
        assert [m[:2] for m in mails] == [("ops@example.org", "Firing: Watch")]
        minute(app)
        assert len(mails) == 1, "told once"
        call(app, node, 500)
        minute(app)
        assert [m[1] for m in mails] == ["Firing: Watch", "Resolved: Watch"]
        (alert,) = rows(app, Alert)
        assert alert.ended_at is not None
        assert round(alert.worst, 2) == round(100 * 12 / 206, 2)

    def test_refused_calls_of_one_api(self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]) -> None:
        make(app, cast.alice, Kind.REFUSED_RATE, 50, "api=orders@1.0.0&method=GET&range=15m")
        call(app, node, 10, 30, code=403)
        call(app, node, 500, version="0", path="/other")
        minute(app)
        assert state(app) == (AlertState.FIRING, 75.0)

    def test_slow_calls(self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]) -> None:
        make(app, cast.alice, Kind.LATENCY, 500)
        call(app, node, 95, duration_us=1000)
        call(app, node, 5, duration_us=900_000)
        minute(app)
        assert state(app) == (AlertState.QUIET, 1.0)
        call(app, node, 5, duration_us=900_000)
        minute(app)
        assert state(app) == (AlertState.FIRING, 900.0)

    def test_no_calls_at_all(self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]) -> None:
        make(app, cast.alice, Kind.NO_TRAFFIC, 1)
        call(app, node, 1)
        minute(app)
        assert state(app) == (AlertState.QUIET, 1.0)
        age(app)
        minute(app)
        assert state(app) == (AlertState.FIRING, 0.0)

    def test_records_that_are_missing(self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]) -> None:
        make(app, cast.alice, Kind.COMPLETENESS, 99.5)
        logs = app.extensions["gatewright"].logs
        note_served(logs, 1, {int(time.time()) // 60 - 4: 200})
        judge(logs, now())
        minute(app)
        assert state(app) == (AlertState.FIRING, 0.0)

    def test_a_key_that_nobody_uses(self, app: Flask, cast: Cast, world: World, mails: list[Any]) -> None:
        make(app, cast.bob, Kind.KEY_IDLE, 30)
        minute(app)
        assert state(app) == (AlertState.UNKNOWN, None)
        with app.app_context(), unit_of_work():
            application = db.session.scalars(select(Application)).one()
            create_key(application, KeyTerms("till"), by=db.session.get_one(Person, cast.bob))
            db.session.scalars(select(ApiKey)).one().created_at = now() - timedelta(days=31)
        minute(app)
        assert state(app)[0] == AlertState.FIRING
        assert "till of Shop" in mails[0][2]

    def test_a_quota_that_is_nearly_used_up(
        self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for person, filters in (
            (cast.alice, ""),
            (cast.bob, ""),
            (cast.carol, ""),
            (cast.alice, "application=app-other"),
        ):
            make(app, person, Kind.QUOTA_NEAR, 80, filters)
        minute(app)
        assert state(app) == (AlertState.UNKNOWN, None)
        monkeypatch.setattr(
            quotas, "limits", lambda: {(1, world.client_id): (20, "day"), (1, "app-other"): (1000, "day")}
        )
        call(app, node, 15, client_id=world.client_id)
        call(app, node, 10, client_id="app-other")
        minute(app)
        assert [state(app, rule) for rule in (1, 2, 4)] == [("quiet", 75.0), ("quiet", 75.0), ("quiet", 1.0)]
        call(app, node, 2, client_id=world.client_id)
        minute(app)
        assert [state(app, rule)[0] for rule in (1, 2, 3, 4)] == ["firing", "firing", "unknown", "quiet"]
        assert "Shop at Orders 1.0.0: 17 of 20 calls this day" in mails[0][2]

    def test_a_developers_rule_sees_her_teams_calls_only(
        self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]
    ) -> None:
        make(app, cast.bob, Kind.NO_TRAFFIC, 1000)
        make(app, cast.bob, Kind.NO_TRAFFIC, 1000, "application=app-other")
        call(app, node, 3, client_id=world.client_id)
        call(app, node, 50, client_id="app-other")
        minute(app)
        assert (state(app, 1)[1], state(app, 2)[1]) == (3.0, 0.0)

    def test_too_few_calls_close_nothing(
        self, app: Flask, node: str, cast: Cast, world: World, mails: list[Any]
    ) -> None:
        make(app, cast.alice, Kind.ERROR_RATE, 5)
        call(app, node, 10, 30)
        minute(app)
        age(app)
        minute(app)
        assert state(app) == (AlertState.FIRING, None)
        assert len(mails) == 1


class TestWebhooks:
    def test_a_message_is_signed_and_tried_again(
        self, app: Flask, cast: Cast, world: World, mails: list[Any], receiver: type[Receiver]
    ) -> None:
        receiver.answers = [500]
        make(app, cast.alice, Kind.NO_TRAFFIC, 1, hook=HOOK)
        minute(app)
        to_hook = next(d for d in rows(app, Delivery) if d.webhook_id)
        assert (to_hook.state, to_hook.attempts, to_hook.problem) == (DeliveryState.WAITING, 1, "it answered 500")
        assert timedelta(seconds=3) < to_hook.try_at - now() < timedelta(seconds=6)
        minute(app)
        assert len(receiver.got) == 1, "not before its time"
        with app.app_context(), unit_of_work():
            db.session.get_one(Delivery, to_hook.id).try_at = now()
        minute(app)
        to_hook = next(d for d in rows(app, Delivery) if d.webhook_id)
        assert (to_hook.state, to_hook.attempts, to_hook.problem) == (DeliveryState.DELIVERED, 2, "")
        (first, second) = receiver.got
        assert first[0]["webhook-id"] == second[0]["webhook-id"] == to_hook.message_id
        with app.app_context():
            secret = deliver.secret_of(db.session.scalars(select(Webhook)).one())
        for headers, body in receiver.got:
            stamp = int(headers["webhook-timestamp"])
            assert abs(stamp - time.time()) < 10
            assert headers["webhook-signature"] == sign(secret, headers["webhook-id"], stamp, body)
        said = orjson.loads(second[1])
        assert (said["type"], said["data"]["rule"], said["data"]["value"]) == ("alert.firing", "Watch", 0.0)
        assert said["data"]["url"].endswith("/alerts/1")

    def test_the_secret_that_is_shown_signs(self, app: Flask, cast: Cast) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            webhook, text = actions.add_webhook(alice.teams[0], "On-call", HOOK, by=alice)
            assert text.startswith("whsec_")
            assert base64.b64decode(text.removeprefix("whsec_")) == deliver.secret_of(webhook)
            assert text not in webhook.secret_sealed
            assert rewrap() == 0

    @pytest.mark.parametrize(
        ("answer", "state_then"),
        [(204, DeliveryState.DELIVERED), (301, DeliveryState.WAITING), (410, DeliveryState.FAILED)],
    )
    def test_what_an_answer_means(
        self,
        app: Flask,
        cast: Cast,
        world: World,
        mails: list[Any],
        receiver: type[Receiver],
        answer: int,
        state_then: str,
    ) -> None:
        receiver.answers = [answer]
        make(app, cast.alice, Kind.NO_TRAFFIC, 1, hook=HOOK)
        minute(app)
        assert next(d for d in rows(app, Delivery) if d.webhook_id).state == state_then

    def test_it_is_given_up_in_the_end_and_can_be_sent_again(
        self, app: Flask, cast: Cast, world: World, mails: list[Any], sign_in: SignIn
    ) -> None:
        make(app, cast.alice, Kind.NO_TRAFFIC, 1, hook=HOOK)  # nobody listens there
        for _ in range(len(deliver.PAUSES) + 2):
            minute(app)
            with app.app_context(), unit_of_work():
                for one in db.session.scalars(select(Delivery)):
                    one.try_at = now()
        to_hook = next(d for d in rows(app, Delivery) if d.webhook_id)
        assert (to_hook.state, to_hook.attempts) == (DeliveryState.FAILED, len(deliver.PAUSES) + 1)
        assert "nothing listens there" in to_hook.problem
        alice = sign_in("alice")
        assert "Given up" in alice.get("/alerts/1").text
        alice.post(f"/alerts/1/deliveries/{to_hook.id}/resend")
        assert next(d for d in rows(app, Delivery) if d.webhook_id).state == DeliveryState.WAITING

    def test_what_an_address_looks_like_ends_nothing(
        self, app: Flask, cast: Cast, world: World, mails: list[Any]
    ) -> None:
        """Nobody listens there now; the number in the path is no answer."""
        make(app, cast.alice, Kind.NO_TRAFFIC, 1, hook=f"{HOOK}/410/removed")
        minute(app)
        assert next(d for d in rows(app, Delivery) if d.webhook_id).state == DeliveryState.WAITING

    def test_a_private_address_is_refused(self, app: Flask, cast: Cast) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            for url in (
                "http://127.0.0.1:9/",
                "http://169.254.169.254/",
                "ftp://example.org/",
                "http://u:p@example.org/",
            ):
                with pytest.raises(Refused):
                    actions.add_webhook(alice.teams[0], "x", url, by=alice)

    def test_a_removed_one_is_told_nothing(
        self, app: Flask, cast: Cast, world: World, mails: list[Any], receiver: type[Receiver], sign_in: SignIn
    ) -> None:
        make(app, cast.alice, Kind.NO_TRAFFIC, 1, hook=HOOK)
        assert sign_in("bob").post("/alerts/webhooks/1/remove").status_code == 404
        assert sign_in("alice").post("/alerts/webhooks/1/remove").status_code == 302
        minute(app)
        assert receiver.got == []
        assert len(mails) == 1


class TestQuiet:
    def test_a_snoozed_rule_tells_nobody(
        self, app: Flask, cast: Cast, world: World, mails: list[Any], sign_in: SignIn
    ) -> None:
        make(app, cast.alice, Kind.NO_TRAFFIC, 1)
        alice = sign_in("alice")
        alice.post("/alerts/1/snooze", data={"span": "1h"})
        minute(app)
        assert (state(app)[0], mails) == (AlertState.FIRING, [])
        assert "Snoozed" in alice.get("/alerts").text
        alice.post("/alerts/1/snooze", data={"span": ""})
        assert "Snoozed" not in alice.get("/alerts").text
        assert "alert_rule.snoozed" in trail(app)

    def test_a_silenced_rule_is_watched(
        self, app: Flask, cast: Cast, world: World, mails: list[Any], sign_in: SignIn
    ) -> None:
        make(app, cast.alice, Kind.NO_TRAFFIC, 1)
        sign_in("alice").post("/alerts/1/silence", data={"silenced": "1"})
        minute(app)
        assert (state(app)[0], mails) == (AlertState.FIRING, [])
        assert "Watch is firing" in sign_in("alice").get("/").text

    def test_it_can_be_tried(
        self, app: Flask, cast: Cast, world: World, mails: list[Any], sign_in: SignIn, receiver: type[Receiver]
    ) -> None:
        make(app, cast.alice, Kind.ERROR_RATE, 5, hook=HOOK)
        sign_in("alice").post("/alerts/1/try")
        minute(app)
        assert [m[1] for m in mails] == ["Test: Watch"]
        assert orjson.loads(receiver.got[0][1])["type"] == "alert.test"
        assert "Test" in sign_in("alice").get("/alerts/1").text


FORM = {
    "name": "Orders fails",
    "kind": "error_rate",
    "threshold": "5",
    "window_min": "5",
    "mail_to": "a@example.org, B@example.org",
    "webhook_id": "0",
}


class TestPages:
    def test_a_rule_is_made_changed_and_deleted(self, app: Flask, cast: Cast, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        team = rows(app, Person)[0].id and str(_team_of(app, cast.alice))
        made = alice.post(
            "/alerts/new", data=FORM | {"team": team, "filters": "api=orders%401.0.0&evil=1&since=2026-01-01"}
        )
        assert made.status_code == 302, made.text
        (rule,) = rows(app, AlertRule)
        assert (rule.filters, rule.mail_to, rule.sees_all) == (
            "api=orders%401.0.0",
            ["a@example.org", "b@example.org"],
            True,
        )
        page = alice.get("/alerts/1/change").text
        assert 'value="a@example.org, b@example.org"' in page
        alice.post("/alerts/1/change", data=FORM | {"team": team, "threshold": "7.5", "filters": rule.filters})
        assert rows(app, AlertRule)[0].threshold == 7.5
        assert alice.post("/alerts/1/delete").status_code == 302
        assert rows(app, AlertRule) == []
        assert [a for a in trail(app) if a.startswith("alert_rule")] == [
            "alert_rule.created",
            "alert_rule.changed",
            "alert_rule.deleted",
        ]

    @pytest.mark.parametrize(
        "wrong",
        [{"name": ""}, {"threshold": "x"}, {"threshold": "0"}, {"threshold": "101"}, {"threshold": "nan"}, {"window_min": "0"},
         {"window_min": "9999"}, {"mail_to": "nobody"}, {"mail_to": ""}, {"kind": "none"}, {"webhook_id": "77"},
         {"mail_to": ",".join(f"a{i}@example.org" for i in range(11))}],
    )  # fmt: skip
    def test_what_is_wrong_is_said(self, app: Flask, cast: Cast, sign_in: SignIn, wrong: dict[str, str]) -> None:
        answer = sign_in("alice").post("/alerts/new", data=FORM | {"team": str(_team_of(app, cast.alice))} | wrong)
        assert answer.status_code == 422
        assert 'class="error"' in answer.text or 'role="alert"' in answer.text
        assert rows(app, AlertRule) == []

    def test_teams_see_their_own_rules(self, app: Flask, cast: Cast, sign_in: SignIn) -> None:
        make(app, cast.bob, Kind.NO_TRAFFIC, 1)
        assert "Watch" in sign_in("bob").get("/alerts").text
        assert "Watch" in sign_in("dora").get("/alerts").text
        carol = sign_in("carol")
        assert ">Watch<" not in carol.get("/alerts").text
        assert carol.get("/alerts/1").status_code == 404
        assert carol.post("/alerts/1/delete").status_code == 404
        assert sign_in("dora").post("/alerts/1/delete").status_code == 403
        wrong_team = FORM | {"team": str(_team_of(app, cast.bob))}
        assert carol.post("/alerts/new", data=wrong_team).status_code == 422

    def test_a_rule_is_made_from_a_filtered_log(self, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        assert "/alerts/new?filters=status%3D5xx" in alice.get("/logs?status=5xx&range=24h").text
        assert "status=5xx" in alice.get("/alerts/new?filters=status%3D5xx").text


def _team_of(app: Flask, person: int) -> int:
    with app.app_context():
        return db.session.get_one(Person, person).teams[0].id
