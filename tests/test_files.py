"""`gatewright apply` and `gatewright export`: files and what is there, one way and back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import Engine, select

from console.accounts.models import Person, Team
from console.apis import reviews, sunset, switches
from console.apis.actions import save_document, save_draft
from console.apis.choices import Choices
from console.apis.models import ApiVersion
from console.applications import plans
from console.applications.actions import pause_subscription
from console.applications.models import Subscription
from console.audit.models import AuditEntry
from console.config import Config
from console.credentials.actions import Terms, create_key, create_secret
from console.credentials.models import ApiKey, ClientSecret
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.files.apply import carry_out, rehearse
from console.files.export import export
from console.files.reading import read_files
from tests.conftest import (
    ORDERS,
    SERVER,
    Cast,
    counts,
    installed,
    make_cast,
    publish_another,
    running,
    subscribed,
    trail,
)

ALICE = "alice@example.org"
SECOND = ORDERS.replace("version: 1.0.0", "version: 2.0.0")
SUNSET = f"{now() + timedelta(days=60):%Y-%m-%dT00:00:00Z}"

Apply = Callable[..., list[str]]


@pytest.fixture
def apply(app: Flask, cast: Cast, tmp_path: Path) -> Apply:
    """Carry out what is said, as a person; the steps in words."""

    def act(said: dict[str, Any] | str, by: str = ALICE) -> list[str]:
        text = said if isinstance(said, str) else yaml.safe_dump(said, sort_keys=False, width=1000)
        (tmp_path / "gateway.yaml").write_text(text)
        files = read_files(tmp_path / "gateway.yaml")
        rehearsed = rehearse(app, files, by)
        with app.app_context(), unit_of_work():
            done = carry_out(files, by)
        assert done.steps == rehearsed.steps
        return [step for _, step in done.steps]

    return act


def version(number: str = "1.0.0", state: str = "published", **said: Any) -> dict[str, Any]:
    choices = {"backend_url": "http://127.0.0.1:9", "gateway_path": f"/orders/v{number[0]}", "accepts": ["signed"]}
    text = ORDERS.replace("version: 1.0.0", f"version: {number}")
    return {"version": number, "state": state, "document": text, "choices": choices} | said


def world(*versions: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {"apis": [{"api": "orders", "team": "Platform", "versions": list(versions)} | said]}


def shop(**subscription: Any) -> dict[str, Any]:
    asked = {"api": "orders", "version": "1.0.0", "state": "active"} | subscription
    return {"applications": [{"application": "Shop", "team": "Shop", "subscriptions": [asked]}]}


GOLD = {"name": "gold", "title": "Gold", "rate_requests": 100}
WHOLE = world(version(plans=[GOLD]), version("2.0.0", "draft"), visibility="public", log_days=30) | shop(plan="gold")


def read(app: Flask, query: Any) -> Any:
    with app.app_context():
        return db.session.scalars(query).first()


class TestApply:
    def test_from_nothing_to_all_of_it(self, app: Flask, apply: Apply) -> None:
        steps = apply(WHOLE)
        assert [step for step in steps if step.startswith(("import", "publish", "plan", "approve"))] == [
            "import the document: 5 operations",
            "plan gold: create",
            "plan gold: publish",
            "publish as revision 1",
            "import the document: 5 operations",
            "approve",
        ]
        assert read(app, select(Subscription)).state == "active"
        with app.app_context():
            actors = set(db.session.scalars(select(AuditEntry.actor)))
        assert actors == {ALICE}

    def test_again_it_changes_nothing(self, app: Flask, apply: Apply) -> None:
        apply(WHOLE)
        before = counts(app), trail(app)
        assert apply(WHOLE) == []
        assert (counts(app), trail(app)) == before

    def test_a_rehearsal_changes_nothing(self, app: Flask, cast: Cast, tmp_path: Path) -> None:
        before = counts(app), trail(app)
        (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(WHOLE))
        work = rehearse(app, read_files(tmp_path), ALICE)
        assert "orders@1.0.0\n  import the document: 5 operations\n" in work.text
        assert (counts(app), trail(app)) == before

    def test_what_differs_is_told_and_published(self, app: Flask, apply: Apply) -> None:
        apply(WHOLE)
        text = ORDERS.replace("summary: Place an order", "summary: Order something")
        changed = version(document=text, plans=[GOLD | {"rate_requests": 200}])
        changed["choices"]["token_lifetime_s"] = 600
        assert apply(world(changed)) == [
            "document: changes POST /orders",
            "token_lifetime_s: 900 -> 600",
            "publish as revision 2",
            "plan gold: rate_requests: 100 -> 200",
        ]

    def test_what_is_not_named_is_left_alone(self, app: Flask, apply: Apply) -> None:
        apply(WHOLE)
        before = counts(app)
        assert apply(world(version(choices={}))) == []
        assert apply({}) == []
        assert apply({"apis": [{"api": "orders", "team": "Platform"}]}) == []
        assert counts(app) == before

    def test_what_somebody_works_on_is_left_alone_while_nothing_differs(
        self, app: Flask, cast: Cast, apply: Apply
    ) -> None:
        apply(WHOLE)
        with app.app_context(), unit_of_work():
            row, alice = db.session.get_one(ApiVersion, 1), db.session.get_one(Person, cast.alice)
            save_document(row, ORDERS.replace("Place an order", "Hm"), edits=row.edits, by=alice)
            later = Choices.of(row)
            save_draft(row, Choices(**vars(later) | {"token_lifetime_s": 60}), edits=row.edits, by=alice)
        assert apply(WHOLE) == []
        assert apply(world(version(document=ORDERS.replace("Place an order", "Ah")))) == [
            "document: changes POST /orders",
            "publish as revision 2",
        ]
        with app.app_context():
            row = db.session.get_one(ApiVersion, 1)
            assert ("Ah" in row.source, row.token_lifetime_s, row.draft) == (True, 900, None)

    def test_the_end_comes_after_the_subscribers(self, app: Flask, apply: Apply) -> None:
        ends = {"sunset_at": SUNSET, "successor": "2.0.0", "note": "Use v2."}
        steps = apply(world(version(state="deprecated", **ends), version("2.0.0")) | shop())
        assert steps[-2:] == [f"deprecate, sunset {now() + timedelta(days=60):%d %B %Y}", "successor: 2.0.0"]
        assert read(app, select(ApiVersion).where(ApiVersion.state == "deprecated")).deprecation_note == "Use v2."
        assert apply(world(version(state="deprecated", **ends), version("2.0.0")) | shop()) == []
        assert apply(world(version())) == ["take the deprecation back"]

    def test_stops_and_retirement(self, app: Flask, apply: Apply) -> None:
        assert apply(world(version(stopped="Maintenance.")))[-1] == "switch off: Maintenance."
        assert apply(world(version(stopped="Longer."))) == ["switch on", "switch off: Longer."]
        assert apply(world(version())) == ["switch on"]
        assert apply(world(version(state="blocked", reason="It leaks."))) == ["block: It leaks."]
        assert apply(world(version(state="blocked", reason="It leaks."))) == []
        assert apply(world(version())) == ["unblock"]
        assert apply(world(version(state="retired"))) == ["retire, which cannot be undone"]
        assert apply(world(version(state="retired"))) == []

    def test_plans_end(self, app: Flask, apply: Apply) -> None:
        apply(WHOLE)
        assert apply(world(version(plans=[GOLD | {"state": "deprecated"}]))) == ["plan gold: deprecate"]
        assert apply(world(version(plans=[GOLD | {"state": "closed"}]))) == [
            "plan gold: close, which ends 1 subscriptions"
        ]
        with pytest.raises(Refused, match="closed, and stays so"):
            apply(world(version(plans=[GOLD])))

    def test_subscriptions(self, app: Flask, apply: Apply) -> None:
        silver = {"name": "silver", "title": "Silver"}
        base = world(version(plans=[GOLD, silver]))
        assert apply(base | shop(plan="gold", state="pending"))[-1] == "ask for the plan gold"
        steps = apply(base | shop(plan="gold", expires_at=SUNSET))
        assert steps == [f"approve, until {now() + timedelta(days=60):%d %B %Y}"]
        assert apply(base | shop(plan="silver", expires_at=None)) == [
            "plan: gold -> silver",
            f"expires_at: {SUNSET[:10]} 00:00:00+00:00 -> nothing",
        ]
        paused = shop(state="paused", reason="Bill.", paused_by=["owner", "consumer"])
        assert apply(base | paused) == ["pause, as the owner", "pause, as the consumer"]
        assert apply(base | paused) == []
        assert apply(base | shop()) == ["resume, as the owner", "resume, as the consumer"]
        assert apply(base | shop(state="closed")) == ["close"]
        assert apply(base | shop(state="closed")) == []

    def test_a_document_in_a_file_beside_it(self, app: Flask, apply: Apply, tmp_path: Path) -> None:
        (tmp_path / "openapi.yaml").write_text(ORDERS)
        said = version(document_file="openapi.yaml")
        del said["document"]
        apply(world(said))
        assert read(app, select(ApiVersion.source)) == ORDERS

    def test_a_directory_of_them_is_one(self, app: Flask, cast: Cast, tmp_path: Path) -> None:
        """What one names another may make, whatever comes first."""
        (tmp_path / "1-shop.yaml").write_text(yaml.safe_dump(shop()))
        (tmp_path / "2-orders.yaml").write_text(yaml.safe_dump(world(version())))
        (tmp_path / "notes.txt").write_text("{")
        with app.app_context(), unit_of_work():
            carry_out(read_files(tmp_path), ALICE)
        assert read(app, select(Subscription)).state == "active"


LINES = """\
apis:
  - api: orders
    team: Platform
    versions:
      - version: 1.0.0
        state: published
        document_file: openapi.yaml
        choices:
          backend_url: http://127.0.0.1:9
          gateway_path: /orders/v1
          accepts: [signed]
applications:
  - application: Shop
    team: Shop
    subscriptions:
      - api: orders
        version: 1.0.0
        state: active
"""


class TestRefusals:
    @pytest.mark.parametrize(
        ("before", "after", "line", "why"),
        [
            ("team: Platform", "team: Platform\n    tema: x", 2, "'tema' was unexpected"),
            ("state: published", "state: publish", 6, "is not one of"),
            ("state: published", "status: published", 5, "unexpected|required"),
            ("accepts: [signed]", "accepts: [open, signed]", 11, "Choose that alone"),
            ("gateway_path: /orders/v1", "gateway_path: orders", 10, "Write the path as"),
            (
                "version: 1.0.0\n        state: published",
                "version: 1.1.0\n        state: published",
                7,
                "Make them agree",
            ),
            ("openapi.yaml", "nothing.yaml", 7, "nothing.yaml cannot be read"),
            ("        document_file: openapi.yaml\n", "", 5, "Write the OpenAPI document as"),
            ("state: published", "state: deprecated", 6, "Write when it ends"),
            (
                "version: 1.0.0\n        state: active",
                "version: 3.0.0\n        state: active",
                17,
                "There is no version 3.0.0",
            ),
            ("state: active", "state: paused", 16, "Say why"),
            ("state: active", "state: active\n        plan: gold", 16, "has no plan gold"),
            ("application: Shop\n", "application: Shop\n    application: Till\n", 14, "there once"),
            ("accepts: [signed]", "accepts: [signed", 12, "not valid YAML"),
            ("accepts: [signed]", "accepts: &a [signed]\n          log_bodies: *a", 12, "Aliases"),
        ],
    )
    def test_they_name_the_line_and_leave_nothing(
        self, app: Flask, cast: Cast, apply: Apply, tmp_path: Path, before: str, after: str, line: int, why: str
    ) -> None:
        (tmp_path / "openapi.yaml").write_text(ORDERS)
        there = counts(app), trail(app)
        assert LINES.count(before) >= 1
        with pytest.raises(Refused, match=why) as refused:
            apply(LINES.replace(before, after, 1))
        assert refused.value.message.startswith(f"{tmp_path / 'gateway.yaml'}:{line}: ")
        assert (counts(app), trail(app)) == there

    def test_what_it_changes_from_is_good(self, apply: Apply, tmp_path: Path) -> None:
        (tmp_path / "openapi.yaml").write_text(ORDERS)
        assert apply(LINES)[-1] == "approve"

    def test_the_gate_holds_for_files_too(self, app: Flask, apply: Apply) -> None:
        apply(WHOLE)
        with app.app_context(), unit_of_work():
            db.session.scalars(select(Team).where(Team.name == "Platform")).one().review_required = True
        changed = version(document=ORDERS.replace("Place an order", "Order"), plans=[GOLD])
        before = counts(app), trail(app)
        with pytest.raises(Refused, match=r"gateway.yaml:5: Platform publishes what a reviewer has approved"):
            apply(world(changed))
        assert (counts(app), trail(app)) == before

    def test_what_is_in_review_is_not_changed(self, app: Flask, cast: Cast, apply: Apply) -> None:
        apply(world(version(state="draft")))
        with app.app_context(), unit_of_work():
            row = db.session.get_one(ApiVersion, 1)
            reviews.request_review(row, "", edits=row.edits, by=db.session.get_one(Person, cast.alice))
        assert apply(world(version(state="draft"))) == []
        with pytest.raises(Refused, match="in review"):
            apply(world(version(state="draft", document=ORDERS + "\n")))

    def test_what_is_wrong_with_a_document_is_told(self, apply: Apply) -> None:
        broken = ORDERS.replace("/orders/{order_id}:", "/orders/{id}:")
        with pytest.raises(Refused, match=r"(?s)gateway.yaml:\d+: This document cannot.*\n  .*id is not declared"):
            apply(world(version(document=broken)))

    @pytest.mark.parametrize(
        ("by", "why"),
        [("bob@example.org", "manage_apis"), ("dora@example.org", "manage_apis"), ("eve@example.org", "Nobody with")],
    )
    def test_who_may_not_may_not_by_file_either(self, app: Flask, apply: Apply, by: str, why: str) -> None:
        before = counts(app)
        with pytest.raises(Refused, match=why):
            apply(world(version()), by=by)
        assert counts(app) == before

    def test_a_developer_may_make_an_application_of_hers_and_not_approve_it(self, app: Flask, apply: Apply) -> None:
        apply(world(version()))
        assert apply(shop(state="pending"), by="bob@example.org") == [
            "create, owned by Shop",
            "ask for the plan standard",
        ]
        with pytest.raises(Refused, match="decide_subscriptions"):
            apply(shop(), by="bob@example.org")
        with pytest.raises(Refused, match="is not in the team"):
            apply({"applications": [{"application": "Till", "team": "Freight"}]}, by="bob@example.org")

    def test_what_a_file_does_not_change(self, apply: Apply) -> None:
        apply(WHOLE)
        for said, why in (
            ({"apis": [{"api": "orders", "team": "Shop"}]}, "belongs to Platform"),
            (world(version(state="draft")), "no draft again"),
            (shop(state="pending"), "not taken back"),
            ({"applications": [{"application": "Shop", "team": "Shop", "description": "x"}]}, "not changed by a file"),
        ):
            with pytest.raises(Refused, match=why):
                apply(said)


@pytest.fixture
def elsewhere(
    tmp_path: Path, empty_home: Path, clickhouse: Engine | None, password_hash: str, tmp_path_factory: Any
) -> Iterator[Flask]:
    """Another installation with the same people, and without anything else."""
    with (
        installed(tmp_path / "elsewhere", empty_home, {}, clickhouse) as config,
        running(config, tmp_path_factory.getbasetemp()) as other,
    ):
        make_cast(other, password_hash)
        yield other


def odd(app: Flask, cast: Cast) -> None:
    """A world with something of everything that a file says."""
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        rows = {number: publish_another(alice, number, ["signed", "key"]) for number in range(1, 6)}
        application = subscribed(rows[1], bob, alice)
        create_secret(application, Terms("s"), by=bob)
        create_key(application, Terms("k"), by=bob)
        other = subscribed(rows[2], bob, alice, "Till: #1 'quoted'")
        pause_subscription(other.subscriptions[0], "Bill.\nPay it.", by=alice, as_owner=True)
        for name in ("gold", "old"):
            plans.publish_plan(
                plans.create_plan(rows[3], name, plans.Terms(name, quota_requests=5), by=alice), by=alice
            )
        plans.close_plan(plans.find_plan(rows[3], "old"), by=alice)
        sunset.deprecate_version(
            rows[1], sunset_at=now() + timedelta(days=60), successor=rows[2], note="Yes: no", by=alice
        )
        switches.stop_version(rows[3], "Maintenance.", by=alice)
        switches.block_version(rows[4], "It leaks.", by=alice)
        sunset.deprecate_version(rows[5], sunset_at=now() + timedelta(days=9), successor=None, note="", by=alice)
        sunset.retire_version(rows[5], by=alice)


class TestRoundTrip:
    def test_from_here_to_an_empty_installation_and_out_again(
        self, app: Flask, cast: Cast, elsewhere: Flask, tmp_path: Path
    ) -> None:
        odd(app, cast)
        with app.app_context():
            first = export()
        (tmp_path / "all.yaml").write_text(first)
        with elsewhere.app_context(), unit_of_work():
            carry_out(read_files(tmp_path / "all.yaml"), ALICE)
        with elsewhere.app_context():
            assert export() == first
        for where in (app, elsewhere):
            before = counts(where), trail(where)
            assert rehearse(where, read_files(tmp_path / "all.yaml"), ALICE).text == "Nothing to change."
            with where.app_context(), unit_of_work():
                carry_out(read_files(tmp_path / "all.yaml"), ALICE)
            assert (counts(where), trail(where)) == before

    def test_secrets_are_not_in_it(self, app: Flask, cast: Cast) -> None:
        odd(app, cast)
        with app.app_context():
            text = export()
            rows = [*db.session.scalars(select(ClientSecret)), *db.session.scalars(select(ApiKey))]
            assert len(rows) == 2
            for hidden in (
                *(row.digest for row in rows),
                *(row.hint for row in rows),
                "client_id",
                "gws_",
                "gwk_",
                "$argon2",
            ):
                assert hidden not in text

    def test_one_api_alone(self, app: Flask, cast: Cast, apply: Apply) -> None:
        apply(WHOLE)
        parcels = ORDERS.replace("title: Orders", "title: Parcels")
        other = version(document=parcels) | {
            "choices": {"gateway_path": "/parcels", "backend_url": "http://127.0.0.1:9"}
        }
        apply({"apis": [{"api": "parcels", "team": "Freight", "versions": [other]}]})
        with app.app_context():
            said = yaml.safe_load(export("parcels"))
            assert ([a["api"] for a in said["apis"]], "applications" in said) == (["parcels"], False)
            assert len(yaml.safe_load(export())["apis"]) == 2
            with pytest.raises(Refused, match="no API named nothing"):
                export("nothing")

    @pytest.mark.parametrize(
        "ending", ["", "\n", "\n\n\n", "  \n", "# a\ttab \n", "\r\n", "# é 😀\n", "#: 'a' \"b\" \\n\n"]
    )
    @pytest.mark.parametrize("beginning", ["", "\n", "# x\n", "  # y\n"])
    def test_documents_are_kept_letter_for_letter(
        self, app: Flask, apply: Apply, tmp_path: Path, beginning: str, ending: str
    ) -> None:
        kept(app, apply, tmp_path, beginning + ORDERS.rstrip("\n") + "\n" + ending)

    @pytest.mark.parametrize(
        "character", ["\u2028", "\x7f", "\x85", "\ufeff", "\\u0000", "\U0010ffff", "\\ud83d\\ude00"]
    )
    def test_odd_characters_too(self, app: Flask, apply: Apply, tmp_path: Path, character: str) -> None:
        text = json.dumps(yaml.safe_load(ORDERS), indent="\t")
        kept(app, apply, tmp_path, text.replace('"Orders"', f'"Orders", "description": "x{character}y"', 1) + "\r\n")

    def test_an_empty_installation_is_an_empty_file(self, app: Flask, cast: Cast) -> None:
        with app.app_context():
            assert export() == ""


def kept(app: Flask, apply: Apply, tmp_path: Path, text: str) -> None:
    apply(world(version(document=text)))
    with app.app_context():
        (tmp_path / "out.yaml").write_text(export(), newline="")
    found = read_files(tmp_path / "out.yaml")[0].data["apis"][0]["versions"][0]["document"]
    assert found == read(app, select(ApiVersion.source)) == text


class TestCommandLine:
    def run(self, config: Config, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        values = {"GATEWRIGHT_HOME": str(config.home), "GATEWRIGHT_LOG_LEVEL": "error", "PATH": "/usr/bin:/bin"}
        if SERVER:
            values |= {"GATEWRIGHT_DATABASE_URL": config.database_url, "GATEWRIGHT_LOGS_URL": config.logs_url}
        command = [sys.executable, "-m", "console", *arguments]
        return subprocess.run(command, env=values, input=said, capture_output=True, text=True, timeout=120, check=False)

    def test_it_is_shown_asked_done_and_done_once(self, app: Flask, config: Config, cast: Cast, tmp_path: Path) -> None:
        file = tmp_path / "gateway.yaml"
        file.write_text(yaml.safe_dump(WHOLE))
        command = ("apply", "-f", str(file), "--as", ALICE)
        before = counts(app)
        for arguments, said in (((*command, "--dry-run"), ""), (command, "n\n")):
            done = self.run(config, *arguments, said=said)
            assert "orders@1.0.0\n  import the document: 5 operations" in done.stdout
            assert (counts(app), done.returncode) == (before, 1 if said else 0)
        assert self.run(config, *command, said="y\n").stdout.endswith("Do this? [y/N]: Done.\n")
        before = counts(app)
        assert self.run(config, *command, "--yes").stdout == "Nothing to change.\n"
        assert counts(app) == before
        assert self.run(config, "export", "--api", "orders").stdout.startswith(
            "apis:\n- api: orders\n  team: Platform\n"
        )

    def test_a_refusal_names_the_line(self, app: Flask, config: Config, cast: Cast, tmp_path: Path) -> None:
        file = tmp_path / "gateway.yaml"
        file.write_text("apis:\n- api: orders\n")
        done = self.run(config, "apply", "-f", str(file), "--as", ALICE, "--yes")
        assert done.returncode == 1
        assert done.stderr == f'gatewright: {file}:2: "team" is a required property. docs/files.md has the form.\n'
