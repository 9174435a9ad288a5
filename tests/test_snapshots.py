"""A read that is under way sees the past: nothing may be remembered, or changed, on its word."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from console.db import db, now, unit_of_work
from console.gateway.bundle import bundle
from console.runtime import STALE_S, generation
from console.tokens.actions import revoke_jti
from console.tokens.models import RevokedToken
from console.tokens.verify import revoked


def revoke_elsewhere(app: Flask, jti: str) -> None:
    def revoke() -> None:
        with app.app_context(), unit_of_work():
            revoke_jti(jti, now() + timedelta(hours=1))

    other = threading.Thread(target=revoke)
    other.start()
    other.join()


def test_a_revocation_is_not_forgotten_by_who_was_reading_meanwhile(app: Flask) -> None:
    with app.app_context():
        db.session.scalar(select(RevokedToken.jti))
        revoke_elsewhere(app, "stolen")
        time.sleep(STALE_S + 0.05)
        assert "stolen" in revoked()
    with app.app_context():
        assert "stolen" in revoked()


def test_a_bundle_is_never_older_than_its_number(app: Flask) -> None:
    with app.app_context():
        db.session.scalar(select(RevokedToken.jti))
        revoke_elsewhere(app, "stolen")
        said = json.loads(bundle())
        assert said["generation"] == generation(0)
        assert "stolen" in said["revoked"]


def test_a_change_after_a_read_does_not_find_the_database_locked(app: Flask) -> None:
    with app.app_context():
        db.session.scalar(select(RevokedToken.jti))
        revoke_elsewhere(app, "one")
        with unit_of_work():
            revoke_jti("two", now() + timedelta(hours=1))
        assert set(db.session.scalars(select(RevokedToken.jti))) == {"one", "two"}
