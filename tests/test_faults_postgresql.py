"""PostgreSQL goes away under load and comes back: senders are told to come back, too, and nobody restarts the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from console.config import Config
from tests.faults import assert_kept_once, load, prepare, serving
from tests.postgresql import Server, postgresql
from tests.programs import call, wait_until

pytestmark = pytest.mark.postgresql
SENDERS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as me:
        yield me


@pytest.mark.parametrize("whole", [False, True], ids=["the logs", "both databases"])
def test_stopped_and_started_under_load(config: Config, server: Server, whole: bool) -> None:
    url = server.create("whole" if whole else "logs")
    config = replace(config, logs_url=url, database_url=url if whole else config.database_url)
    prepare(config)
    with serving(config) as console, load(console, SENDERS) as senders:
        for _ in range(1 if whole else 2):
            senders.get_more(200)
            server.stop()
            senders.get_more(503)
            assert call(console.url + "/healthz").status == 200
            assert call(console.url + "/readyz").status == 503
            if not whole:
                assert call(console.url + "/login").status == 200
            server.start()
            senders.get_more(200)
            wait_until(lambda: call(console.url + "/readyz").status == 200, 15)
    assert set(senders.answers) == {200, 503}
    assert senders.unhelpful == []
    assert_kept_once(config, senders.acknowledged)
