"""`gatewright apply`: from what is there to what files say; again, and nothing changes."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy import select

from console.accounts.models import Person
from console.apis.actions import save_draft
from console.apis.choices import Choices
from console.apis.design import save_document
from console.apis.models import ApiVersion
from console.applications.models import Subscription
from console.audit.models import AuditEntry
from console.config import Config
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.files.apply import carry_out, rehearse
from console.files.reading import read_files
from tests.conftest import ORDERS, Cast, counts, trail
from tests.files import ALICE, GOLD, SUNSET, WHOLE, Apply, first, read, shop, version, world
from tests.files import apply as apply  # a fixture
from tests.homes import SERVER


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
            "document: rewords POST /orders",
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
            row, alice = first(), db.session.get_one(Person, cast.alice)
            save_document(row, ORDERS.replace("Place an order", "Hm"), edits=row.edits, by=alice)
            later = Choices.of(row)
            save_draft(row, Choices(**vars(later) | {"token_lifetime_s": 60}), edits=row.edits, by=alice)
        assert apply(WHOLE) == []
        assert apply(world(version(document=ORDERS.replace("Place an order", "Ah")))) == [
            "document: rewords POST /orders",
            "publish as revision 2",
        ]
        with app.app_context():
            row = first()
            assert ("Ah" in row.source, row.token_lifetime_s, row.draft) == (True, 900, None)

    def test_the_end_comes_after_the_subscribers(self, app: Flask, apply: Apply) -> None:
        ends = {"sunset_at": SUNSET, "successor": "2.0.0", "note": "Use v2."}
        steps = apply(world(version(state="deprecated", **ends), version("2.0.0")) | shop())
        assert steps[-3:] == [
            f"deprecate, sunset {now() + timedelta(days=60):%d %B %Y}",
            "successor: nothing -> 2.0.0",
            "note: nothing -> Use v2.",
        ]
        assert read(app, select(ApiVersion).where(ApiVersion.state == "deprecated")).deprecation_note == "Use v2."
        assert apply(world(version(state="deprecated", **ends), version("2.0.0")) | shop()) == []
        ends["note"] = "Soon."
        assert apply(world(version(state="deprecated", **ends))) == ["note: Use v2. -> Soon."]
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


def test_it_tells_who_would_break(app: Flask, apply: Apply, tmp_path: Path) -> None:
    apply(world(version()))
    broken = version()["document"].replace("/orders/{order_id}:", "/bestellungen/{order_id}:")
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(world(version(document=broken))))
    rehearsed = rehearse(app, read_files(tmp_path / "gateway.yaml"), ALICE)
    assert rehearsed.notes == [("orders@1.0.0", "breaks what nobody called in 30 days")]
    assert "  breaks what nobody called" in rehearsed.text
