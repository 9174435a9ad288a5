"""What `gatewright apply` refuses: it names the line, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from console.accounts.models import Person, Team
from console.apis import reviews
from console.db import db, unit_of_work
from console.errors import Refused
from tests.conftest import ORDERS, Cast, counts, trail
from tests.files import GOLD, WHOLE, Apply, first, shop, version, world
from tests.files import apply as apply  # a fixture

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
            row = first()
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
