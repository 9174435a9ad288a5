"""`gatewright export`, and back: the same text, without secrets, documents letter for letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy import Engine, select

from console.accounts.models import Person
from console.apis import sunset, switches
from console.apis.models import ApiVersion
from console.applications import plans
from console.applications.actions import pause_subscription
from console.credentials.actions import Terms, create_key, create_secret
from console.credentials.models import ApiKey, ClientSecret
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.files.apply import carry_out, rehearse
from console.files.export import export
from console.files.reading import read_files
from tests.conftest import ORDERS, Cast, counts, make_cast, publish_another, subscribed, trail
from tests.files import ALICE, WHOLE, Apply, read, version, world
from tests.files import apply as apply  # a fixture
from tests.homes import installed, running


@pytest.fixture
def elsewhere(tmp_path: Path, empty_home: Path, clickhouse: Engine | None, password_hash: str) -> Iterator[Flask]:
    """Another installation with the same people, and without anything else."""
    with (
        installed(tmp_path / "elsewhere", empty_home, {}, clickhouse) as config,
        running(config) as other,
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
