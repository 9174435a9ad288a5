"""Processes are killed while senders push: what was answered with 200 is there once, and all that counts it agrees."""

from __future__ import annotations

import os
import random
import signal
import time

from console.config import Config
from tests.bench import proc
from tests.faults import Console, Load, assert_kept_once, held_up, load, publish_orders, serving
from tests.programs import wait_until

LOAD_S = 8.0
SENDERS = 6
RECORDS = 15


def test_workers_killed_under_load(config: Config) -> None:
    chance, killed = random.Random(7), 0
    publish_orders(config)
    with serving(config) as console, load(console, SENDERS, size=RECORDS) as senders:
        until = time.monotonic() + LOAD_S
        while time.monotonic() < until:
            time.sleep(chance.uniform(1.2, 1.8))
            os.kill(chance.choice(console.workers), signal.SIGKILL)
            killed += 1
    assert killed >= 4
    assert senders.broken, "nobody was in the middle of a batch"
    assert set(senders.answers) - {200} == set(senders.broken)
    assert_kept_once(config, senders.acknowledged)


def test_intakes_killed_under_load(config: Config) -> None:
    """In the middle of batches: their senders are told to come back, and workers and intakes are replaced."""
    publish_orders(config)
    with serving(config) as console, load(console, SENDERS, size=RECORDS) as senders:
        for _ in range(2):
            senders.get_more(200)
            kill_intakes(config, console, senders)
        senders.get_more(200)
    assert set(senders.answers) <= {200, 503, *senders.broken}
    assert not senders.unhelpful
    assert_kept_once(config, senders.acknowledged)


def kill_intakes(config: Config, console: Console, senders: Load) -> None:
    killed = console.intakes
    with held_up(config):
        time.sleep(1)  # whoever pushes waits now
        told = senders.answers.total() - senders.answers[200]
        for intake in killed:
            os.kill(intake, signal.SIGKILL)
        wait_until(lambda: senders.answers.total() - senders.answers[200] > told, 10)
    wait_until(lambda: len(console.intakes) == 2 and not set(killed) & set(console.intakes), 10)


def test_no_intake_outlives_its_worker(config: Config) -> None:
    publish_orders(config)
    with serving(config) as console:
        before = console.intakes
        os.kill(console.workers[0], signal.SIGKILL)
        wait_until(lambda: len(proc.running(before)) == 1, 10)
        wait_until(lambda: len(console.intakes) == 2, 10)
        before = console.intakes
        console.stop()
        wait_until(lambda: not proc.running(before), 10)


def test_everything_killed_while_it_writes(config: Config) -> None:
    chance = random.Random(8)
    publish_orders(config)
    with serving(config) as console, load(console, SENDERS, size=RECORDS) as senders:
        for _ in range(3):
            senders.get_more(200)
            time.sleep(chance.uniform(0, 0.3))
            console.kill()
            assert_kept_once(config, senders.acknowledged)  # also as it was left, before anybody mends it
            console.start()
        senders.get_more(200)
    assert senders.broken
    assert_kept_once(config, senders.acknowledged)
