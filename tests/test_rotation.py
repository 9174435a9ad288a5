"""Forty rotations: no verifier ever meets a signature whose key it does not have, and no token loses its key too early."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete

from console.credentials import rotation
from console.credentials.algorithms import PUBLISHED_SIGNING
from console.credentials.models import KeyState, SigningKey
from console.db import db, unit_of_work

from .simulation import History, failures, issued

SEED = 20261124
AS_SOON_AS_ALLOWED = timedelta(minutes=1)
AFTER_THE_LAST_HOURS = rotation.LONGEST_TOKEN_S / 3600 + 2


def simulated(chance: random.Random, quick_hours: float, slow_hours: float) -> tuple[History, float]:
    """Keys change as often as they may, then every twenty hours; then time goes by until the last token has expired."""
    history = History()
    history.live(AS_SOON_AS_ALLOWED, quick_hours, (60, 480), chance)
    history.live(timedelta(hours=20), slow_hours, (600, 10800), chance)
    busy = history.end
    history.live(timedelta(), AFTER_THE_LAST_HOURS, (600, 5400), chance)
    return history, busy


def test_forty_rotations(app: Flask) -> None:
    chance = random.Random(SEED)
    with app.app_context():
        history, busy = simulated(chance, 9.5, 400)
        assert history.rotations >= 40 * len(PUBLISHED_SIGNING)
        for moment in history.moments:
            for alg in PUBLISHED_SIGNING:
                assert moment.states[alg, KeyState.ACTIVE] == moment.states[alg, KeyState.NEXT] == 1
                assert sum(key["alg"] == alg for key in moment.published.values()) >= 2
        assert len(history.moments[-1].published) == 2 * len(PUBLISHED_SIGNING)  # what has lingered is gone
        tokens = [*issued(history, 3000, 9.5 * 3600, chance), *issued(history, 3000, busy, chance)]
        uses, found = failures(history, tokens, 5, chance)
    assert uses == 48_000
    assert not found, f"seed {SEED}"


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("PUBLISH_LEAD_S", 0),
        ("PUBLISH_LEAD_S", rotation.MAX_AGE_S // 2),
        ("PUBLISH_LEAD_S", rotation.MAX_AGE_S),  # nothing for the cache between
        ("LINGER_S", 0),
        ("LINGER_S", rotation.LONGEST_TOKEN_S // 2),
    ],
)
def test_the_simulation_would_notice(app: Flask, monkeypatch: pytest.MonkeyPatch, name: str, seconds: int) -> None:
    monkeypatch.setattr(rotation, name, seconds)
    chance = random.Random(SEED)
    with app.app_context():
        with unit_of_work():  # making RSA keys takes long
            db.session.execute(delete(SigningKey).where(SigningKey.alg.in_(("RS256", "PS256"))))
        history, busy = simulated(chance, 6, 60)
        _, found = failures(history, list(issued(history, 4000, busy / 4, chance)), 3, chance)
    assert found["unknown kid"] > 0
