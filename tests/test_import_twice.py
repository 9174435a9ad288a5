"""Importing: the same form sent twice imports once, and nobody waits for the database while a document is read."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from console.apis import views
from console.audit.models import Action, AuditEntry
from console.db import db, now, unit_of_work
from console.tokens.actions import revoke_jti

from .conftest import ORDERS, SignIn


def form(once: str) -> dict[str, str]:
    return {"source": "paste", "document": ORDERS, "team": "1", "once": once}


def imports() -> int:
    return (
        db.session.scalar(
            select(func.count()).select_from(AuditEntry).where(AuditEntry.action == Action.VERSION_IMPORTED)
        )
        or 0
    )


def test_a_form_sent_twice_imports_once(app: Flask, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    assert alice.post("/apis/new", data=form("a")).status_code == 302
    assert alice.post("/apis/new", data=form("a")).status_code == 302
    with app.app_context():
        assert imports() == 1


def test_others_may_write_while_a_document_is_read(
    app: Flask, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    took: list[float] = []

    def slowly(text: str) -> dict[str, object]:
        def write() -> None:
            started = time.monotonic()
            with app.app_context(), unit_of_work():
                revoke_jti("a", now() + timedelta(hours=1))
            took.append(time.monotonic() - started)

        other = threading.Thread(target=write)
        other.start()
        other.join(5)
        return parse(text)

    parse = views.parse
    monkeypatch.setattr(views, "parse", slowly)
    assert sign_in("alice").post("/apis/new", data=form("b")).status_code == 302
    assert took
    assert took[0] < 3
