"""What the tests of files share: a world in a file, and carrying it out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import select

from console.apis.models import ApiVersion
from console.db import db, now, unit_of_work
from console.files.apply import carry_out, rehearse
from console.files.reading import read_files
from tests.conftest import ORDERS, Cast

ALICE = "alice@example.org"
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


def first() -> ApiVersion:
    """The oldest version; what a rehearsal used up of numbers is gone."""
    return db.session.scalars(select(ApiVersion).order_by(ApiVersion.id).limit(1)).one()
